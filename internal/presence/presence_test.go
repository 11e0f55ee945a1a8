package presence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/presence"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// world is storage, connector and stage in memory.
type world struct {
	*presence.Service
	t *testing.T

	mu       sync.Mutex
	state    tideline.AccountState
	fail     error
	hang     map[string]bool // devices that don't answer
	messages []tideline.Message
	done     []string // by the connector
	told     []live.Activity
	during   func() // called once while the connector works; nil = nothing
}

func (w *world) Account(_ context.Context, workspaceID, id int64) (tideline.Account, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tideline.Account{ID: id, WorkspaceID: workspaceID, DeviceJID: fmt.Sprint("dev", id), State: w.state}, nil
}

func (w *world) ChatWith(_ context.Context, _, accountID int64, p tideline.Peer) (tideline.Chat, error) {
	if p.JID == ana.JID {
		return chat(accountID, 1), nil
	}
	return tideline.Chat{}, tideline.Errorf(tideline.CodeNotFound, "no chat")
}

func (w *world) ChatMessages(_ context.Context, _, chatID int64, _ store.MessageFilter, p store.Page) ([]store.MessageView, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var views []store.MessageView
	for _, m := range slices.Backward(w.messages) {
		if m.ChatID == chatID && len(views) < p.Limit {
			views = append(views, store.MessageView{Message: m})
		}
	}
	return views, false, nil
}

func (w *world) Report(a live.Activity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, a)
}

func (w *world) did(ctx context.Context, device, what string) error {
	w.mu.Lock()
	hang, during := w.hang[device], w.during
	w.during = nil
	w.mu.Unlock()
	if during != nil {
		defer during()
	}
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	w.done = append(w.done, device+" "+what)
	return nil
}

// connector is the world's.
type connector struct{ *world }

func (w connector) Available(ctx context.Context, device string, available bool) error {
	return w.did(ctx, device, map[bool]string{true: "on", false: "off"}[available])
}

func (w connector) Watch(ctx context.Context, device string, p tideline.Peer) error {
	return w.did(ctx, device, "watch "+string(p.Address()))
}

func (w connector) Compose(ctx context.Context, device string, to tideline.JID, c whatsapp.Composing) error {
	return w.did(ctx, device, fmt.Sprintf("compose %q to %s", c, to))
}

func (w connector) MarkRead(ctx context.Context, device string, r whatsapp.ReadMessages) error {
	return w.did(ctx, device, fmt.Sprint("read ", r.IDs, " of ", r.Sender.JID))
}

var ana = tideline.Peer{JID: "1@s.whatsapp.net", LID: "1@lid", Name: "Ana"}

func chat(accountID, id int64) tideline.Chat {
	return tideline.Chat{ID: id, WorkspaceID: 3, AccountID: accountID, JID: tideline.JID(fmt.Sprint(id, "@s.whatsapp.net")), Name: fmt.Sprint("Chat ", id)}
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, state: tideline.AccountActive, hang: map[string]bool{}}
	w.Service = presence.New(presence.Deps{Store: w, Connector: connector{w}, Stage: w})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return w
}

// wants compares what the connector did since the last time, after a while.
func (w *world) wants(what string, after time.Duration, want ...string) {
	w.t.Helper()
	<-time.After(after)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.done, cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	w.done = nil
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

func TestAnAccountIsOnlineWhileSomebodyLooksAtItsChats(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Open(chat(7, 1))
		w.wants("the first look", 0, "dev7 on", "dev7 watch 1@s.whatsapp.net")
		w.Open(chat(7, 2))
		w.wants("another chat", 0, "dev7 watch 2@s.whatsapp.net")
		for range 4 {
			<-time.After(30 * time.Second)
			w.Open(chat(7, 2))
		}
		w.wants("while they go on", 0)
		w.wants("when nobody looks any more", 71*time.Second, "dev7 off")
		w.wants("much later", time.Hour)
		group := chat(7, 3)
		group.JID = "3@g.us"
		w.Open(group)
		w.wants("a group", 0, "dev7 on")
	})
}

func TestAContactIsShownThatSomebodyWritesAndStops(t *testing.T) {
	const begins, speaks, stops = `dev7 compose "text" to 1@s.whatsapp.net`, `dev7 compose "voice" to 1@s.whatsapp.net`, `dev7 compose "" to 1@s.whatsapp.net`
	inBubble(t, func(t *testing.T, w *world) {
		w.Compose(chat(7, 1), 5, live.Typing)
		w.wants("in a chat that nobody looks at", 0)
		w.Open(chat(7, 1))
		w.wants("look", 0, "dev7 on", "dev7 watch 1@s.whatsapp.net")
		for range 4 {
			w.Compose(chat(7, 1), 5, live.Typing)
			<-time.After(time.Second)
		}
		w.wants("many keys", 0, begins)
		w.Compose(chat(7, 1), 6, live.Looking)
		w.wants("a colleague who only looks", 0)
		w.Compose(chat(7, 1), 5, live.Looking)
		w.wants("stopped", 0, stops)
		w.Compose(chat(7, 1), 5, live.Typing)
		w.wants("again at once", time.Second)
		w.wants("again after a pause", 3*time.Second, begins)
		w.Compose(chat(7, 1), 6, live.Recording)
		w.wants("a colleague speaks", 3*time.Second, speaks)
		w.wants("nobody said more", 8*time.Second, stops)

		for range 8 {
			w.Compose(chat(7, 1), 5, live.Typing)
			<-time.After(3 * time.Second)
		}
		w.Open(chat(7, 1))
		w.wants("for long", 0, begins, begins, begins)
		group := chat(7, 9)
		group.JID = "9@g.us"
		w.Open(group)
		w.Compose(group, 6, live.Typing)
		w.wants("in a group", time.Second)
	})
}

func TestWhatIsOnScreenIsMarkedAsReadOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		message := func(id int64, change func(*tideline.Message)) {
			m := tideline.Message{ID: id, ChatID: 1, WhatsAppID: fmt.Sprint("M", id), Kind: tideline.KindText, Sender: ana}
			change(&m)
			w.set(func() { w.messages = append(w.messages, m) })
		}
		message(1, func(m *tideline.Message) { m.Data = map[string]string{tideline.DataHistory: "true"} })
		message(2, func(*tideline.Message) {})
		message(3, func(m *tideline.Message) { m.Kind = tideline.KindCall })
		message(4, func(m *tideline.Message) { m.Sender = tideline.Peer{JID: "2@s.whatsapp.net"} })
		message(5, func(*tideline.Message) {})
		w.Open(chat(7, 1))
		w.wants("the first look", 0, "dev7 on", "dev7 watch 1@s.whatsapp.net", "dev7 read [M5 M2] of 1@s.whatsapp.net", "dev7 read [M4] of 2@s.whatsapp.net")
		w.Open(chat(7, 1))
		w.wants("the same", 0)
		message(6, func(*tideline.Message) {})
		w.wants("while nobody said that it is on screen", time.Second)
		w.set(func() { w.fail = errors.New("no connection") })
		w.Open(chat(7, 1))
		w.wants("without success", time.Second)
		w.set(func() { w.fail = nil })
		w.Open(chat(7, 1))
		w.wants("with it, later", 11*time.Second, "dev7 read [M6] of 1@s.whatsapp.net")
	})
}

func TestANewConnectionIsToldEverythingAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(func() { w.state = tideline.AccountDisconnected })
		w.Open(chat(7, 1))
		w.wants("offline", 0)
		w.set(func() { w.state = tideline.AccountActive })
		w.Connected(7)
		w.Connected(8)
		w.wants("connected", 0, "dev7 on", "dev7 watch 1@s.whatsapp.net")
		w.Compose(chat(7, 1), 5, live.Typing)
		w.wants("writing", time.Second, `dev7 compose "text" to 1@s.whatsapp.net`)
		w.Connected(7)
		w.wants("connected anew", 3*time.Second, "dev7 on", "dev7 watch 1@s.whatsapp.net", `dev7 compose "text" to 1@s.whatsapp.net`)
	})
}

func TestWhatTheLastConnectionWasToldTheNextDoesNotKnow(t *testing.T) {
	inBubble(t, func(_ *testing.T, w *world) {
		w.set(func() { w.during = func() { w.Connected(7) } })
		w.Open(chat(7, 1))
		w.wants("a connection that breaks meanwhile", 0, "dev7 on", "dev7 on", "dev7 watch 1@s.whatsapp.net")
		w.set(func() { w.during = func() { w.Connected(7) }; w.fail = errors.New("the connection broke") })
		w.Compose(chat(7, 1), 5, live.Typing)
		synctest.Wait()
		w.set(func() { w.fail = nil })
		w.wants("once more", time.Second)
		w.wants("when it is tried again", 10*time.Second, "dev7 on", "dev7 watch 1@s.whatsapp.net")
	})
}

func TestAnAccountThatHangsHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.set(func() { w.hang["dev7"] = true })
		w.Open(chat(7, 1))
		w.Open(chat(8, 2))
		w.wants("the other one", 0, "dev8 on", "dev8 watch 2@s.whatsapp.net")
		w.set(func() { w.hang["dev7"] = false })
		w.wants("when it answers again", 30*time.Second, "dev7 on", "dev7 watch 1@s.whatsapp.net")
	})
}

func TestTheTeamSeesWhatContactsDo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		say := func(p tideline.Peer, doing whatsapp.Composing) {
			w.Composing(3, 7, whatsapp.ComposingEvent{Chat: p, Sender: p, Doing: doing})
		}
		say(ana, whatsapp.ComposingNothing)
		say(ana, whatsapp.ComposingText)
		nameless := tideline.Peer{JID: "2@s.whatsapp.net"}
		say(nameless, whatsapp.ComposingText) // has no chat
		synctest.Wait()
		w.Open(chat(7, 2))
		say(nameless, whatsapp.ComposingVoice)
		say(nameless, whatsapp.ComposingNothing)
		say(nameless, whatsapp.ComposingNothing)
		synctest.Wait()
		told := func(id int64, address, name string, doing live.Doing) live.Activity {
			return live.Activity{WorkspaceID: 3, AccountID: 7, ChatID: id, Person: live.Person{Address: address, Name: name, Doing: doing}}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if diff := cmp.Diff([]live.Activity{
			told(1, "1@s.whatsapp.net", "Ana", live.Typing),
			told(2, "2@s.whatsapp.net", "Chat 2", live.Recording),
			told(2, "2@s.whatsapp.net", "Chat 2", live.Nothing),
		}, w.told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
