package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/safehttp"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

// These tests have real storage, the guarded client and receivers on loopback.

// patience bounds every wait.
const patience = time.Minute

// impatient takes the place of tideline.DeliveryTimeout, so that a receiver that
// hangs doesn't take the test's time.
const impatient = 300 * time.Millisecond

type world struct {
	t        *testing.T
	store    *sqlstore.Store
	service  *webhook.Service
	owner    *tideline.Principal
	accounts []tideline.Account
}

func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, migrated.SQLite(t)))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, migrated.PostgreSQL(t)))
	})
}

// newWorld makes a workspace with two accounts and a dispatcher that runs.
func newWorld(t *testing.T, database string) *world {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: database, Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: st}
	now := time.Now()
	ws, owner, err := st.CreateWorkspace(t.Context(), tideline.Workspace{
		Slug: "acme", DisplayName: "Acme", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: now,
	}, tideline.Member{Email: "o@example.com", DisplayName: "O", Role: tideline.RoleOwner, CreatedAt: now})
	w.must(err)
	w.owner = &tideline.Principal{Workspace: ws, Member: owner}
	w.owner.Workspace.Plan.Webhooks = -1
	for n := range 2 {
		phone := tideline.Phone(fmt.Sprintf("+1484111000%d", n))
		a, err := st.PutAccount(t.Context(), tideline.Account{
			WorkspaceID: ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net", Phone: phone, Name: fmt.Sprintf("Desk %d", n),
			State: tideline.AccountConnecting, CreatedAt: now,
		})
		w.must(err)
		w.accounts = append(w.accounts, a)
	}
	log := slog.New(slog.DiscardHandler)
	renderer := &webhook.Renderer{PublicURL: "https://wa.example.org", APIPath: "/integrations/api"}
	client := safehttp.New(safehttp.Config{Guard: safehttp.NewGuard(netip.MustParsePrefix("127.0.0.1/32")), Timeout: impatient})
	d := webhook.NewDispatcher(webhook.Deps{Store: st, Poster: client, Renderer: renderer, Log: log}, webhook.Config{Poll: 100 * time.Millisecond})
	w.service = webhook.NewService(st, renderer, d.Changed, nil)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		client.CloseIdle()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) subscribe(as tideline.EventType, url string, accounts ...int64) tideline.Webhook {
	w.t.Helper()
	h, err := w.service.Create(w.t.Context(), w.owner, webhook.Subscription{EventType: as, URL: url, Accounts: accounts})
	w.must(err)
	return h
}

// receive stores a message that somebody wrote to an account.
func (w *world) receive(account int, peer tideline.Peer, id string) store.Received {
	w.t.Helper()
	now := time.Now()
	got, err := w.store.Receive(w.t.Context(), store.Reception{
		WorkspaceID: w.owner.Workspace.ID, AccountID: w.accounts[account].ID, Chat: peer, Sender: peer, At: now, ReceivedAt: now,
		Message: &store.NewInbound{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: id, Kind: tideline.KindText, Text: "text of " + id},
	})
	w.must(err)
	return got
}

// log waits until the webhook's deliveries are as done wants them.
func (w *world) log(hook tideline.Webhook, done func(list []store.Delivery) bool) []store.Delivery {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		list, _, err := w.service.Deliveries(w.t.Context(), w.owner, hook.ID, store.DeliveryFilter{}, store.Page{Limit: 1000})
		w.must(err)
		if done(list) {
			return list
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			w.t.Fatalf("the deliveries never were as they should: %+v", list)
		}
	}
}

// arrived waits until n deliveries of a webhook have arrived and there are no others.
func (w *world) arrived(hook tideline.Webhook, n int) []store.Delivery {
	w.t.Helper()
	return w.log(hook, func(list []store.Delivery) bool {
		for i := range list {
			if list[i].State != tideline.DeliveryDelivered {
				return false
			}
		}
		return len(list) == n
	})
}

// inbox is a receiver that takes everything.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.bodies = append(in.bodies, string(b))
	}))
	t.Cleanup(in.Close)
	return in
}

// got gives what came in.
func (in *inbox) got() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.bodies)
}

var ana = tideline.Peer{JID: "14840000001@s.whatsapp.net", LID: "77@lid", Name: "Ana"}

func TestComplaint14AMessageUnderTwoAddressesIsToldOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		in := newInbox(t)
		hook := w.subscribe(tideline.EventMessageNew, in.URL)
		w.receive(0, tideline.Peer{LID: ana.LID, Name: "Ana"}, "A1") // by hidden id only
		w.receive(0, ana, "A1")                                      // once more, with both
		w.receive(0, tideline.Peer{JID: ana.JID, Name: "Ana"}, "A1")
		w.receive(0, ana, "A2")
		list := w.arrived(hook, 2)
		if list[0].EventUID == list[1].EventUID || list[0].ChatID != list[1].ChatID {
			t.Errorf("deliveries %+v", list)
		}
		if bodies := in.got(); len(bodies) != 2 || !strings.Contains(bodies[1], `"phone":"+14840000001"`) {
			t.Errorf("told %q", bodies)
		}
	})
}

func TestComplaint36ManyURLsForManyNumbers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		type want struct {
			hook tideline.Webhook
			in   *inbox
			n    int
		}
		var all []want
		add := func(n int, as tideline.EventType, accounts ...int64) {
			in := newInbox(t)
			all = append(all, want{w.subscribe(as, in.URL, accounts...), in, n})
		}
		first, second := w.accounts[0].ID, w.accounts[1].ID
		add(5, tideline.EventMessageReceived)
		add(5, tideline.EventMessageNew, first, second)
		add(3, tideline.EventMessageReceived, first)
		add(2, tideline.EventMessageReceived, second)
		add(2, tideline.EventChatNew)
		add(1, tideline.EventChatIncoming, second)
		add(0, tideline.EventMessageSent)
		for n := range 5 {
			w.receive(n%2, ana, fmt.Sprintf("A%d", n))
		}
		for _, c := range all {
			w.arrived(c.hook, c.n)
			bodies := c.in.got()
			if len(bodies) != c.n {
				t.Errorf("%s for %v got %d, want %d", c.hook.EventType, c.hook.Accounts, len(bodies), c.n)
			}
			for _, b := range bodies {
				if !strings.Contains(b, `"event_type":"`+string(c.hook.EventType)+`"`) {
					t.Errorf("%s got %s", c.hook.EventType, b)
				}
			}
		}
	})
}

// TestWhatReceiversDoWrong has one receiver for each thing that goes wrong, and
// one that works, whose deliveries none of the others delays.
func TestWhatReceiversDoWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string // in the note of the failed delivery
	}{
		"fails": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500 Internal Server Error"},
		"hangs": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client went away
			<-r.Context().Done()
		}, "no answer in time"},
		"resets": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}, "connection reset by peer|EOF"},
		"redirects to a metadata service": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
		}, "307 Temporary Redirect: redirects are not followed"},
		"is gone": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, "410 Gone"},
		"speaks no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, "220 smtp.example.com ESMTP\r\n")
			_ = c.Close()
		}, "malformed HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, migrated.SQLite(t))
			bad := httptest.NewServer(c.answer)
			t.Cleanup(bad.Close)
			good := newInbox(t)
			wrong := w.subscribe(tideline.EventMessageNew, bad.URL+"?token=s3cret")
			right := w.subscribe(tideline.EventMessageNew, good.URL)
			for n := range 20 {
				w.receive(0, ana, fmt.Sprintf("A%d", n))
			}
			w.arrived(right, 20)
			gone := name == "is gone"
			list := w.log(wrong, func(list []store.Delivery) bool { // once disabled, it gets no more
				return (len(list) == 20 || gone && len(list) > 0) && list[len(list)-1].Attempts > 0
			})
			first := list[len(list)-1]
			ok := false
			for part := range strings.SplitSeq(c.want, "|") {
				ok = ok || strings.Contains(first.Note, part)
			}
			if !ok || first.State != tideline.DeliveryWaiting {
				t.Errorf("%+v, want a note with %q", first, c.want)
			}
			_, attempts, err := w.service.Delivery(t.Context(), w.owner, first.ID)
			w.must(err)
			if len(attempts) == 0 || strings.Contains(fmt.Sprintf("%+v", attempts), "s3cret") {
				t.Errorf("log %+v", attempts)
			}
			if h, err := w.service.Get(t.Context(), w.owner, wrong.ID); err != nil || h.Enabled == gone {
				t.Errorf("enabled %v, %v", h.Enabled, err)
			}
		})
	}
}

func TestASlowReceiverTakesEverything(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(impatient / 3) }))
		t.Cleanup(slow.Close)
		hook := w.subscribe(tideline.EventMessageNew, slow.URL)
		for n := range 30 {
			peer := tideline.Peer{JID: tideline.JID(fmt.Sprintf("1484000010%d@s.whatsapp.net", n%5))}
			w.receive(0, peer, fmt.Sprintf("A%d", n))
		}
		w.arrived(hook, 30)
		if got, err := w.store.Webhook(t.Context(), w.owner.Workspace.ID, hook.ID); err != nil || got.ErrorsCounter != 0 {
			t.Errorf("the webhook of a slow receiver: %+v, %v", got, err)
		}
	})
}
