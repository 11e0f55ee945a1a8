package message_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// world is the storage that a Service sees: one workspace whose configuration
// can change between a lookup and an acceptance. What the real storage does with
// an Acceptance is shown by storetest.
type world struct {
	version   int64
	accounts  []tideline.Account
	files     map[string]int64
	chats     map[int64]tideline.Chat
	bars      map[tideline.JID]tideline.Bar
	messages  map[string]store.MessageView
	reacted   []whatsapp.Reaction
	reactions []string
	reactErr  error
	accepted  []store.Acceptance
	member    tideline.Member
	gone      error                     // what looking the principal up again gives
	replayed  map[string]store.Accepted // by Idempotency-Key
	meanwhile func()                    // runs before the next acceptance, once
}

func newWorld() *world {
	return &world{
		version: 7,
		accounts: []tideline.Account{
			{ID: 2, Phone: "+14842222222", State: tideline.AccountActive, ConnectedOn: time.Unix(200, 0)},
			{ID: 1, Phone: "+14841111111", State: tideline.AccountActive, ConnectedOn: time.Unix(100, 0)},
		},
		files:  map[string]int64{"known": 11},
		member: tideline.Member{ID: 5, Role: tideline.RoleOwner},
	}
}

func (w *world) principal() *tideline.Principal {
	return &tideline.Principal{
		Workspace: tideline.Workspace{
			ID: 3, Zone: time.UTC, Gap: tideline.Gap{Min: time.Second, Max: 3 * time.Second},
			Plan: tideline.Plan{Name: "self-hosted", Credits: 100, API: true, Attachments: true},
		},
		Member: w.member, Version: w.version,
	}
}

func (w *world) Accept(_ context.Context, a store.Acceptance) store.Accepted {
	if f := w.meanwhile; f != nil {
		w.meanwhile = nil
		f()
	}
	if a.Version != w.version {
		return store.Accepted{Err: store.ErrStale}
	}
	w.accepted = append(w.accepted, a)
	return store.Accepted{MessageID: int64(len(w.accepted)), UID: a.Message.UID, ChatID: 9}
}

func (w *world) Replay(_ context.Context, _ int64, key store.Idempotency, _ time.Time) (store.Accepted, bool, error) {
	first, ok := w.replayed[key.Key]
	if ok && key.BodyHash != [32]byte{} {
		return store.Accepted{}, false, tideline.Errorf(tideline.CodeConflict, "another body")
	}
	return first, ok, nil
}

func (w *world) OnAccepted(func([]store.Queued))        {}
func (w *world) Version(context.Context) (int64, error) { return w.version, nil }
func (w *world) PrincipalByToken(context.Context, [32]byte, time.Time) (tideline.Principal, error) {
	return *w.principal(), w.gone
}
func (w *world) AccountsOf(context.Context, int64) ([]tideline.Account, int64, error) {
	return slices.Clone(w.accounts), w.version, nil
}
func (w *world) FileByUID(_ context.Context, _ int64, uid string) (tideline.File, error) {
	if id, ok := w.files[uid]; ok {
		return tideline.File{ID: id}, nil
	}
	return tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "no such file")
}
func (w *world) Template(context.Context, int64, int64) (tideline.AttachmentTemplate, tideline.File, error) {
	return tideline.AttachmentTemplate{}, tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "no such template")
}
func (w *world) MessageByUID(_ context.Context, _ int64, uid string) (store.MessageView, error) {
	if v, ok := w.messages[uid]; ok {
		return v, nil
	}
	return store.MessageView{}, tideline.Errorf(tideline.CodeNotFound, "no such message")
}
func (w *world) Chat(_ context.Context, _, id int64) (tideline.Chat, error) {
	if c, ok := w.chats[id]; ok {
		return c, nil
	}
	return tideline.Chat{}, tideline.Errorf(tideline.CodeNotFound, "no such chat")
}
func (w *world) ChatByName(_ context.Context, _ int64, name string) (tideline.Chat, error) {
	for _, c := range w.chats {
		if c.Name == name {
			return c, nil
		}
	}
	return tideline.Chat{}, tideline.Errorf(tideline.CodeNotFound, "no such chat")
}
func (w *world) BarOf(_ context.Context, _, accountID int64, group tideline.JID) (tideline.Bar, error) {
	if accountID != 2 {
		return "", nil
	}
	return w.bars[group], nil
}
func (w *world) PutReaction(_ context.Context, _, messageID int64, emoji string, _ time.Time) error {
	w.reactions = append(w.reactions, emoji)
	return nil
}
func (w *world) React(_ context.Context, _ int64, r whatsapp.Reaction) error {
	w.reacted = append(w.reacted, r)
	return w.reactErr
}
func (w *world) Refresh(context.Context, *tideline.Principal) (*tideline.Principal, error) {
	if w.gone != nil {
		return nil, w.gone
	}
	return w.principal(), nil
}

func (w *world) service() *message.Service {
	return message.New(message.Deps{
		Store: w, Refresher: w, Reactor: w,
		NewMessageID: func() string { return "3EB0C0FFEE" },
		Int64N:       func(n int64) int64 { return n - 1 },
	})
}

func hello() message.SendRequest {
	return message.SendRequest{Phone: "+1 (484) 000-0000", Text: new("hello"), Origin: tideline.OriginPublicAPI}
}

func TestSendPicksTheAccount(t *testing.T) {
	t.Parallel()
	disconnected := func(w *world) { w.accounts[0].State = tideline.AccountDisconnected }
	for name, c := range map[string]struct {
		setup   func(*world)
		phone   *string
		id      *string
		want    int64
		code    tideline.Code
		message string
	}{
		"the most recently connected":        {want: 2},
		"the next one when that one is away": {setup: disconnected, want: 1},
		"by phone":                           {phone: new("+1 484 111 1111"), want: 1},
		"by id":                              {id: new("14841111111@s.whatsapp.net"), want: 1},
		"by both":                            {phone: new("+14841111111"), id: new("14841111111@s.whatsapp.net"), want: 1},
		"by two that differ":                 {phone: new("+14841111111"), id: new("14842222222@s.whatsapp.net"), code: tideline.CodeNotFound},
		"one that isn't here":                {phone: new("+14843333333"), code: tideline.CodeNotFound, message: "+14843333333"},
		"one that is away: it waits for it":  {setup: disconnected, phone: new("+14842222222"), want: 2},
		"none, when nothing is paired":       {setup: func(w *world) { w.accounts = nil }, code: tideline.CodeValidation, message: "No connected WhatsApp account"},
		"none, when all are logged out": {setup: func(w *world) {
			w.accounts[0].State, w.accounts[1].State = tideline.AccountLoggedOut, tideline.AccountBanned
		}, code: tideline.CodeValidation, message: "No connected WhatsApp account"},
		"a named one that was logged out": {setup: func(w *world) { w.accounts[1].State = tideline.AccountLoggedOut }, phone: new("+14841111111"), code: tideline.CodeValidation, message: "logged out"},
		"one that is coming up after a start": {setup: func(w *world) {
			w.accounts[0].State, w.accounts[1].State = tideline.AccountConnecting, tideline.AccountDisconnected
		}, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			if c.setup != nil {
				c.setup(w)
			}
			r := hello()
			r.AccountPhone, r.AccountID = c.phone, c.id
			_, err := w.service().Send(t.Context(), w.principal(), r)
			if got := tideline.ErrorCode(err); got != c.code {
				t.Fatalf("error %v, want code %q", err, c.code)
			}
			if err != nil {
				if !strings.Contains(err.Error(), c.message) {
					t.Errorf("error %q does not say %q", err, c.message)
				}
				if len(w.accepted) != 0 {
					t.Error("something was accepted all the same")
				}
				return
			}
			if got := w.accepted[0].AccountID; got != c.want {
				t.Errorf("sent by account %d, want %d", got, c.want)
			}
		})
	}
}

func TestSendHandsEverythingToAcceptance(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := hello()
	r.FileUID, r.Label, r.ChatName = new("known"), new(" customer "), new("Ana")
	got, err := w.service().Send(t.Context(), w.principal(), r)
	if err != nil {
		t.Fatal(err)
	}
	a := w.accepted[0]
	if got.MessageUID == "" || got.MessageUID != a.Message.UID {
		t.Errorf("answered uid %q, stored %q", got.MessageUID, a.Message.UID)
	}
	a.Message.UID, a.Message.At, a.Location = "", time.Time{}, nil
	want := store.Acceptance{
		WorkspaceID: 3, AccountID: 2, MemberID: 5, Version: 7, Grant: 100, Label: "customer",
		Message: store.NewMessage{WhatsAppID: "3EB0C0FFEE", Text: "hello", FileID: 11, Origin: tideline.OriginPublicAPI, Credits: 2, Gap: 3 * time.Second},
		Chat:    store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Ana"},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("acceptance (-want +got):\n%s", diff)
	}
}

func TestSendRefusesWhatRoleAndPlanForbid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*tideline.Principal)
		code   tideline.Code
	}{
		"a collaborator":        {func(p *tideline.Principal) { p.Member.Role = tideline.RoleCollaborator }, tideline.CodePermissionDenied},
		"a plan without API":    {func(p *tideline.Principal) { p.Workspace.Plan.API = false }, tideline.CodePlanFeatureUnavailable},
		"a plan without files":  {func(p *tideline.Principal) { p.Workspace.Plan.Attachments = false }, tideline.CodePlanFeatureUnavailable},
		"a role nobody defined": {func(p *tideline.Principal) { p.Member.Role = "intern" }, tideline.CodePermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			p := w.principal()
			c.change(p)
			r := hello()
			r.FileUID = new("known")
			_, err := w.service().Send(t.Context(), p, r)
			if !tideline.IsCode(err, c.code) {
				t.Errorf("error %v, want code %s", err, c.code)
			}
		})
	}
}

func TestSendNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := hello()
	r.FileUID = new("unknown")
	if _, err := w.service().Send(t.Context(), w.principal(), r); !tideline.IsCode(err, tideline.CodeNotFound) || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("unknown file: %v", err)
	}
	r.FileUID, r.TemplateID = nil, new(int64(4711))
	if _, err := w.service().Send(t.Context(), w.principal(), r); !tideline.IsCode(err, tideline.CodeNotFound) || !strings.Contains(err.Error(), "4711") {
		t.Errorf("unknown template: %v", err)
	}
}

func TestSendGoesByWhatIsTrueAtAcceptance(t *testing.T) {
	t.Parallel()
	t.Run("an account that connected meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		s := w.service()
		w.meanwhile = func() {
			w.version++
			slices.Reverse(w.accounts)
		}
		if _, err := s.Send(t.Context(), w.principal(), hello()); err != nil {
			t.Fatal(err)
		}
		if len(w.accepted) != 1 || w.accepted[0].AccountID != 1 || w.accepted[0].Version != 8 {
			t.Errorf("accepted %+v, want once, by account 1, under version 8", w.accepted)
		}
	})
	t.Run("a token revoked meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		w.meanwhile = func() {
			w.version++
			w.gone = tideline.Errorf(tideline.CodeInvalidToken, "revoked")
		}
		if _, err := w.service().Send(t.Context(), w.principal(), hello()); !tideline.IsCode(err, tideline.CodeInvalidToken) {
			t.Errorf("error %v, want invalid_token", err)
		}
		if len(w.accepted) != 0 {
			t.Error("a revoked token sent a message")
		}
	})
	t.Run("a role lowered meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		p := w.principal()
		w.meanwhile = func() {
			w.version++
			w.member.Role = tideline.RoleCollaborator
		}
		if _, err := w.service().Send(t.Context(), p, hello()); !tideline.IsCode(err, tideline.CodePermissionDenied) {
			t.Errorf("error %v, want permission_denied", err)
		}
	})
}

func TestARepeatedSendGetsItsFirstAnswerWhateverHappenedSince(t *testing.T) {
	t.Parallel()
	setup := func() (*world, message.SendRequest) {
		w := newWorld()
		w.accounts = nil // gone since the first time
		w.replayed = map[string]store.Accepted{"k1": {MessageID: 4, UID: "first", ChatID: 2, Replayed: true}}
		r := hello()
		r.Idem = &store.Idempotency{Key: "k1"}
		return w, r
	}
	t.Run("the same request", func(t *testing.T) {
		t.Parallel()
		w, r := setup()
		got, err := w.service().Send(t.Context(), w.principal(), r)
		want := message.Receipt{MessageUID: "first", MessageID: 4, ChatID: 2, Replayed: true}
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})
	t.Run("another body", func(t *testing.T) {
		t.Parallel()
		w, r := setup()
		r.Idem.BodyHash[0] = 1
		if _, err := w.service().Send(t.Context(), w.principal(), r); !tideline.IsCode(err, tideline.CodeConflict) {
			t.Errorf("error %v, want conflict", err)
		}
	})
	t.Run("a key that nobody used", func(t *testing.T) {
		t.Parallel()
		w, r := setup()
		r.Idem.Key = "k2"
		if _, err := w.service().Send(t.Context(), w.principal(), r); !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("error %v, want the refusal", err)
		}
	})
	t.Run("a token that is revoked", func(t *testing.T) {
		t.Parallel()
		w, r := setup()
		w.gone = tideline.Errorf(tideline.CodeInvalidToken, "revoked")
		if _, err := w.service().Send(t.Context(), w.principal(), r); !tideline.IsCode(err, tideline.CodeInvalidToken) {
			t.Errorf("error %v, want invalid_token", err)
		}
	})
}
