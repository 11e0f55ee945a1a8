// Package storetest is the one suite that every implementation of store.Store
// must pass. Each test is named after the promise that it tries to break.
package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Opener opens one database; every call gives another Store on the same data,
// as another process would have.
type Opener func() (store.Store, error)

// Run runs the suite. create makes an empty database, which is removed when
// the test that it is given ends; it may be called from parallel tests.
func Run(t *testing.T, create func(t testing.TB) Opener) {
	groups := map[string]map[string]func(*testing.T, *world){
		"Accept":      acceptTests,
		"Idempotency": idempotencyTests,
		"Chats":       chatTests,
		"Settle":      settleTests,
		"Receipts":    receiptTests,
		"Inbox":       inboxTests,
		"InboxLists":  inboxListTests,
		"ChatCounts":  chatCountTests,
		"Profiles":    profileTests,
		"History":     historyTests,
		"Team":        teamTests,
		"Templates":   textTemplateTests,
		"Outbox":      outboxTests,
		"Ledger":      ledgerTests,
		"Directory":   directoryTests,
		"Workspaces":  workspaceTests,
		"Accounts":    accountTests,
		"Holds":       holdTests,
		"Files":       fileTests,
		"Settings":    settingsTests,
		"Concurrency": concurrencyTests,
		"Durability":  durabilityTests,
		"Walls":       wallTests,
		"Events":      eventTests,
		"Webhooks":    webhookTests,
		"Deliveries":  deliveryTests,
		"Sessions":    sessionTests,
		"Links":       linkTests,
		"Audit":       auditTests,
		"Teams":       teamSettingsTests,
		"Queue":       queueTests,
		"Usage":       usageTests,
		"Labels":      labelTests,
		"Tools":       toolTests,
		"Nodes":       nodeTests,
		"Signals":     signalTests,
		"SharedQueue": sharedQueueTests,
		"Retention":   retentionTests,
		"Archive":     archiveTests,
	}
	for group, tests := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, newWorld(t, create(t)))
				})
			}
		})
	}
	t.Run("Changes", func(t *testing.T) {
		t.Parallel()
		changeTests(t, create)
	})
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		testModel(t, create)
	})
	t.Run("InboxModel", func(t *testing.T) {
		t.Parallel()
		testInboxModel(t, create)
	})
	t.Run("HistoryModel", func(t *testing.T) {
		t.Parallel()
		testHistoryModel(t, create)
	})
	t.Run("NameModel", func(t *testing.T) {
		t.Parallel()
		testNameModel(t, create)
	})
	t.Run("SearchModel", func(t *testing.T) {
		t.Parallel()
		testSearchModel(t, create)
	})
	t.Run("NodeModel", func(t *testing.T) {
		t.Parallel()
		testNodeModel(t, create)
	})
	t.Run("FanOutModel", func(t *testing.T) {
		t.Parallel()
		testFanOutModel(t, create)
	})
}

// start is when the tests take place: the middle of a month, far from any
// period's border in any time zone.
var start = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// world is a store with one workspace, its owner and one connected account.
type world struct {
	t      tester
	open   Opener
	store  store.Store
	ws     tideline.Workspace
	owner  tideline.Member
	acc    tideline.Account
	now    time.Time
	serial atomic.Int64
}

func newWorld(t testing.TB, open Opener) *world {
	t.Helper()
	w := &world{t: t, open: open, now: start}
	w.store = w.another()
	w.ws, w.owner = w.workspace("first", 1000)
	w.acc = w.account(w.ws, "+14840000001")
	return w
}

// ctx gives a context that ends long after every healthy call.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w.t.Cleanup(cancel)
	return ctx
}

// another opens the database once more.
func (w *world) another() store.Store {
	w.t.Helper()
	s, err := w.open()
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

// workspace makes a workspace with credits per period and a fixed gap of 2 s.
func (w *world) workspace(slug string, credits tideline.Credits) (tideline.Workspace, tideline.Member) {
	w.t.Helper()
	ws, owner, err := w.store.CreateWorkspace(w.ctx(), tideline.Workspace{
		Slug: slug, DisplayName: "The " + slug, TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan},
		Credits: &credits, Gap: tideline.DefaultGap, CreatedAt: w.now,
	}, tideline.Member{Email: slug + "@example.com", DisplayName: "Owner of " + slug, CreatedAt: w.now})
	if err != nil {
		w.t.Fatalf("create workspace: %v", err)
	}
	return ws, owner
}

// account makes a connected account.
func (w *world) account(ws tideline.Workspace, phone tideline.Phone) tideline.Account {
	w.t.Helper()
	a, err := w.store.PutAccount(w.ctx(), tideline.Account{
		WorkspaceID: ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net", Phone: phone, Name: "Shop",
		State: tideline.AccountConnecting, OwnerName: "Ann", OwnerEmail: "ann@example.com", CreatedAt: w.now,
	})
	if err != nil {
		w.t.Fatalf("put account: %v", err)
	}
	if err := w.store.SetAccountState(w.ctx(), a.ID, tideline.AccountActive, "", w.now); err != nil {
		w.t.Fatalf("set account state: %v", err)
	}
	return a
}

// version reads the configuration version.
func (w *world) version() int64 {
	w.t.Helper()
	v, err := w.store.Version(w.ctx())
	if err != nil {
		w.t.Fatalf("version: %v", err)
	}
	return v
}

// acceptance is a text to a customer from the world's account.
func (w *world) acceptance(change ...func(*store.Acceptance)) store.Acceptance {
	a := store.Acceptance{
		WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MemberID: w.owner.ID, Version: w.version(),
		Message: store.NewMessage{
			UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: fmt.Sprintf("3EB0%08d", w.serial.Add(1)), Text: "hello",
			Origin: tideline.OriginPublicAPI, Credits: 1, Gap: 2 * time.Second, At: w.now,
		},
		Chat:  store.ChatRef{JID: "14840000099@s.whatsapp.net", Phone: "+14840000099"},
		Grant: w.ws.Grant(), Location: w.ws.Location(),
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

// accept accepts a message that must be accepted.
func (w *world) accept(change ...func(*store.Acceptance)) (store.Acceptance, store.Accepted) {
	w.t.Helper()
	in := w.acceptance(change...)
	out := w.store.Accept(w.ctx(), in)
	if out.Err != nil {
		w.t.Fatalf("accept: %v", out.Err)
	}
	return in, out
}

// settle settles a message of the world's account.
func (w *world) settle(id int64, status tideline.Status, change ...func(*store.Settlement)) {
	w.t.Helper()
	s := store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: id, Status: status, At: w.now}
	if status == tideline.StatusFailed {
		s.Reason = tideline.ReasonRejected
	}
	for _, c := range change {
		c(&s)
	}
	w.must(w.store.Settle(w.ctx(), s))
}

// receive applies a receipt for a message of the world's account.
func (w *world) receive(status tideline.Status, at time.Time, whatsAppIDs ...string) {
	w.t.Helper()
	w.must(w.store.ApplyReceipts(w.ctx(), store.Receipts{AccountID: w.acc.ID, WhatsAppIDs: whatsAppIDs, Status: status, At: at}))
}

// balance reads the workspace's balance.
func (w *world) balance() tideline.Balance {
	w.t.Helper()
	b, err := w.store.Balance(w.ctx(), w.ws.ID, w.now)
	w.must(err)
	return b
}

// entries reads the whole ledger of the workspace.
func (w *world) entries() []tideline.Entry {
	w.t.Helper()
	entries, err := w.store.LedgerEntries(w.ctx(), w.ws.ID, 0, 10000)
	w.must(err)
	return entries
}

// view reads a message.
func (w *world) view(uid string) store.MessageView {
	w.t.Helper()
	v, err := w.store.MessageByUID(w.ctx(), w.ws.ID, uid)
	w.must(err)
	return v
}

// history gives the words of a message's history.
func (w *world) history(uid string) []tideline.Status {
	w.t.Helper()
	var words []tideline.Status
	for _, c := range w.view(uid).History {
		words = append(words, c.Status)
	}
	return words
}

// backlog reads the whole queue.
func (w *world) backlog() []store.Queued {
	w.t.Helper()
	var all []store.Queued
	w.must(w.store.Backlog(w.ctx(), func(q store.Queued) error {
		all = append(all, q)
		return nil
	}))
	return all
}

// audit fails the test when the ledger does not add up.
func (w *world) audit() {
	w.t.Helper()
	faults, err := w.store.AuditLedger(w.ctx())
	w.must(err)
	for _, f := range faults {
		w.t.Errorf("audit: %s", f)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// wantCode fails the test unless err has the code.
func (w *world) wantCode(err error, code tideline.Code) {
	w.t.Helper()
	if got := tideline.ErrorCode(err); got != code || err == nil {
		w.t.Fatalf("error %v has code %q, want %q", err, got, code)
	}
}

// same fails the test when got differs from want.
func same(t tester, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func ptr[T any](v T) *T { return &v }
