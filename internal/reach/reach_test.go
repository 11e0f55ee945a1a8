package reach_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/reach"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// room is every service of a node at once: it notes what it is asked to do.
type room struct {
	name string
	did  []string
	by   tideline.Actor
	err  error
}

func (r *room) note(ctx context.Context, format string, args ...any) error {
	r.did = append(r.did, fmt.Sprintf(format, args...))
	r.by = tideline.ActorOf(ctx)
	return r.err
}

func (r *room) Pause(ctx context.Context, w, a int64, by string) error {
	return r.note(ctx, "pause %d %d %s", w, a, by)
}
func (r *room) Resume(ctx context.Context, w, a int64) error {
	return r.note(ctx, "resume %d %d", w, a)
}
func (r *room) PutFirst(ctx context.Context, w, m int64) error {
	return r.note(ctx, "first %d %d", w, m)
}
func (r *room) Cancel(ctx context.Context, w, m int64, note string) error {
	return r.note(ctx, "cancel %d %d %s", w, m, note)
}
func (r *room) CancelAll(ctx context.Context, w, a int64, note string) (int, int, error) {
	return 7, 1, r.note(ctx, "cancel all %d %d %s", w, a, note)
}
func (r *room) Pair(context.Context, int64, tideline.Member, whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	return nil, r.err
}
func (r *room) Logout(ctx context.Context, w, a int64) error {
	return r.note(ctx, "logout %d %d", w, a)
}
func (r *room) Remove(ctx context.Context, w, a int64) error {
	return r.note(ctx, "remove %d %d", w, a)
}
func (r *room) Reconnect(ctx context.Context, w, a int64) error {
	return r.note(ctx, "reconnect %d %d", w, a)
}
func (r *room) React(ctx context.Context, x whatsapp.Reaction) error {
	return r.note(ctx, "react %s %s", x.DeviceJID, x.Emoji)
}
func (r *room) Open(c tideline.Chat) { _ = r.note(context.Background(), "open %d", c.ID) }
func (r *room) Compose(c tideline.Chat, m int64, d live.Doing) {
	_ = r.note(context.Background(), "compose %d %d %s", c.ID, m, d)
}
func (r *room) Report(a live.Activity) {
	_ = r.note(context.Background(), "report %d %s", a.ChatID, a.Doing)
}

// QueuedMessage: message 10·n belongs to account n, 404 is not queued.
func (r *room) QueuedMessage(_ context.Context, _, messageID int64) (store.QueuedMessage, error) {
	if messageID == 404 {
		return store.QueuedMessage{}, tideline.Errorf(tideline.CodeNotFound, "message not found")
	}
	return store.QueuedMessage{ID: messageID, AccountID: messageID / 10}, nil
}

// pair is two nodes, with everything that reaches.
type pair struct {
	service *service
	rooms   [2]*room
	queues  [2]*reach.Queue
	numbers [2]*reach.Numbers
	react   [2]*reach.Reactor
	stage   [2]*reach.Stage
	present [2]*reach.Presence
}

func newPair() *pair {
	s, nodes := newService(1, 2)
	p := &pair{service: s}
	for i, n := range nodes {
		r := &room{name: fmt.Sprint("node ", i)}
		p.rooms[i] = r
		p.queues[i] = reach.NewQueue(n, r, r)
		p.numbers[i] = reach.NewNumbers(n, r)
		p.react[i] = reach.NewReactor(n, r)
		p.stage[i] = reach.NewStage(n, r, quiet)
		p.present[i] = reach.NewPresence(n, r, quiet)
	}
	s.hold(3, 1) // account 3 is held by the first
	return p
}

func TestWhatIsAskedIsDoneWhereTheAccountIsHeldByWhoeverAsked(t *testing.T) {
	t.Parallel()
	for from := range 2 {
		p := newPair()
		actor := tideline.Actor{MemberID: 5, Via: tideline.ViaInbox}
		ctx := tideline.WithActor(t.Context(), actor)
		q, n := p.queues[from], p.numbers[from]
		cancelled, kept, err := q.CancelAll(ctx, 1, 3, "why")
		for _, err := range []error{
			err, q.Pause(ctx, 1, 3, "Ana"), q.Resume(ctx, 1, 3), q.PutFirst(ctx, 1, 30), q.Cancel(ctx, 1, 30, "why"),
			n.Logout(ctx, 1, 3), n.Remove(ctx, 1, 3), n.Reconnect(ctx, 1, 3),
			p.react[from].React(ctx, 3, whatsapp.Reaction{DeviceJID: "3:1@s.whatsapp.net", Emoji: "👍"}),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		want := []string{
			"cancel all 1 3 why", "pause 1 3 Ana", "resume 1 3", "first 1 30", "cancel 1 30 why", "logout 1 3", "remove 1 3", "reconnect 1 3", "react 3:1@s.whatsapp.net 👍",
		}
		if diff := cmp.Diff(want, p.rooms[0].did); diff != "" || len(p.rooms[1].did) > 0 {
			t.Errorf("asked of node %d: %s; the other one did %q", from, diff, p.rooms[1].did)
		}
		if cancelled != 7 || kept != 1 {
			t.Errorf("CancelAll gives %d and %d", cancelled, kept)
		}
		if p.rooms[0].by != actor {
			t.Errorf("done for %+v, asked by %+v", p.rooms[0].by, actor)
		}
	}
}

func TestErrorsComeBack(t *testing.T) {
	t.Parallel()
	p := newPair()
	p.rooms[0].err = tideline.Errorf(tideline.CodeConflict, "it is being sent")
	if err := p.queues[1].Cancel(t.Context(), 1, 30, ""); !tideline.IsCode(err, tideline.CodeConflict) || !strings.Contains(err.Error(), "being sent") {
		t.Errorf("Cancel: %v", err)
	}
	p.rooms[0].err = &whatsapp.SendError{Offline: true, Err: errors.New("no line")}
	err := p.react[1].React(t.Context(), 3, whatsapp.Reaction{})
	if e, ok := errors.AsType[*whatsapp.SendError](err); !ok || !e.Offline || !strings.Contains(e.Error(), "no line") {
		t.Errorf("React: %v", err)
	}
}

func TestAPartOfAMassCancellationIsTold(t *testing.T) {
	t.Parallel()
	p := newPair()
	p.rooms[0].err = errors.New("the database is gone")
	if _, _, err := p.queues[1].CancelAll(t.Context(), 1, 3, ""); err == nil || !strings.Contains(err.Error(), "only 7 messages") {
		t.Errorf("CancelAll: %v", err)
	}
}

func TestWhatIsNotQueuedIsSaidByTheServiceItself(t *testing.T) {
	t.Parallel()
	p := newPair()
	p.rooms[1].err = tideline.Errorf(tideline.CodeNotFound, "it was sent")
	if err := p.queues[1].Cancel(t.Context(), 1, 404, ""); !strings.Contains(fmt.Sprint(err), "it was sent") {
		t.Errorf("Cancel: %v", err)
	}
}

func TestAnAccountThatChangesHandsIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.service.hold(3, 0)
		time.AfterFunc(5*time.Second, func() { p.service.hold(3, 2) })
		if err := p.numbers[0].Reconnect(t.Context(), 1, 3); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"reconnect 1 3"}, p.rooms[1].did); diff != "" {
			t.Error(diff)
		}
	})
}

// A node that has just given an account away says so, and the next one is asked.
func TestWhoeverGaveItAwayIsNotBelieved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.rooms[0].err = tideline.ErrElsewhere
		time.AfterFunc(time.Second, func() { p.service.hold(3, 2) })
		if err := p.numbers[1].Reconnect(t.Context(), 1, 3); err != nil {
			t.Error(err)
		}
		if len(p.rooms[1].did) != 1 {
			t.Errorf("the new holder did %q", p.rooms[1].did)
		}
	})
}

func TestAnAccountThatNobodyTakesIsToldInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.service.hold(3, 0)
		if err := p.numbers[0].Logout(t.Context(), 1, 3); !errors.Is(err, tideline.ErrElsewhere) {
			t.Errorf("Logout: %v", err)
		}
	})
}

func TestActivityIsShownOnEveryNode(t *testing.T) {
	t.Parallel()
	p := newPair()
	p.stage[1].Report(live.Activity{ChatID: 8, Person: live.Person{Doing: live.Typing}})
	p.present[1].Open(tideline.Chat{ID: 8, AccountID: 3})
	p.present[1].Compose(tideline.Chat{ID: 8, AccountID: 3}, 5, live.Typing)
	if diff := cmp.Diff([]string{"report 8 typing", "open 8", "compose 8 5 typing"}, p.rooms[0].did); diff != "" {
		t.Errorf("the holder: %s", diff)
	}
	if diff := cmp.Diff([]string{"report 8 typing"}, p.rooms[1].did); diff != "" {
		t.Errorf("the other: %s", diff)
	}
}

func TestAPairingIsFoundOnEveryNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newService(1, 2)
		steps := make(chan whatsapp.PairEvent)
		var desks [2]*account.Desk
		for i, n := range nodes {
			desks[i] = account.NewDesk(pairs{steps}, nil)
			reach.SharePairings(n, desks[i], quiet)
		}
		p := &tideline.Principal{Member: tideline.Member{ID: 5, Role: tideline.RoleOwner}}
		begun, err := desks[0].StartPairing(t.Context(), p, "")
		if err != nil {
			t.Fatal(err)
		}
		steps <- whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@x", ValidFor: time.Minute}}
		<-time.After(30 * time.Second) // it is told again and again, and so believed
		if got, ok := desks[1].PairingOf(p); !ok || got.ID != begun.ID || got.QR != "2@x" {
			t.Errorf("the other node shows %+v, %v", got, ok)
		}
		desks[1].EndPairing(p)
		close(steps)
		synctest.Wait()
		for i, d := range desks {
			if got, ok := d.PairingOf(p); ok {
				t.Errorf("node %d still shows %+v", i, got)
			}
		}
	})
}

func TestAFailedPairingSaysWhyOnEveryNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, nodes := newService(1, 2)
		steps := make(chan whatsapp.PairEvent, 1)
		var desks [2]*account.Desk
		for i, n := range nodes {
			desks[i] = account.NewDesk(pairs{steps}, nil)
			reach.SharePairings(n, desks[i], quiet)
		}
		p := &tideline.Principal{Member: tideline.Member{ID: 5, Role: tideline.RoleOwner}}
		if _, err := desks[0].StartPairing(t.Context(), p, ""); err != nil {
			t.Fatal(err)
		}
		steps <- whatsapp.PairEvent{Failed: errors.New("no more codes")}
		close(steps)
		synctest.Wait()
		if got, ok := desks[1].PairingOf(p); !ok || got.Failed == nil || got.Failed.Error() != "no more codes" {
			t.Errorf("the other node shows %+v, %v", got, ok)
		}
	})
}

// A node that died in the middle of a pairing says nothing any more.
func TestAPairingOfADeadNodeIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := account.NewDesk(pairs{}, nil)
		p := &tideline.Principal{Member: tideline.Member{ID: 5, Role: tideline.RoleOwner}}
		d.Heard(5, account.Pairing{ID: "a", QR: "2@x"})
		<-time.After(11 * time.Second)
		if got, ok := d.PairingOf(p); ok {
			t.Errorf("still shown: %+v", got)
		}
	})
}

// pairs gives the same events to every pairing.
type pairs struct{ events chan whatsapp.PairEvent }

func (p pairs) Pair(context.Context, int64, tideline.Member, whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	return p.events, nil
}
func (pairs) Reconnect(context.Context, int64, int64) error { return nil }
func (pairs) Logout(context.Context, int64, int64) error    { return nil }
func (pairs) Remove(context.Context, int64, int64) error    { return nil }
