package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// testModel runs random sequences of everything that touches credits and the
// outbox against a model in memory, and compares the two all along.
func testModel(t *testing.T, create func(testing.TB) Opener) {
	w := newWorld(t, create(t))
	var serial int
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		m := newModel(rt, w, serial)
		rt.Repeat(map[string]func(*rapid.T){
			"accept":         m.accept,
			"accept again":   m.accept, // twice as likely
			"accept keyed":   m.acceptKeyed,
			"sent":           func(rt *rapid.T) { m.settle(rt, tideline.StatusSent) },
			"failed":         func(rt *rapid.T) { m.settle(rt, tideline.StatusFailed) },
			"failed again":   func(rt *rapid.T) { m.settle(rt, tideline.StatusFailed) },
			"attempt":        func(rt *rapid.T) { m.settle(rt, "") },
			"delivered":      func(rt *rapid.T) { m.receive(rt, tideline.StatusDelivered) },
			"read":           func(rt *rapid.T) { m.receive(rt, tideline.StatusRead) },
			"time passes":    m.advance,
			"grant changes":  m.setGrant,
			"extra credits":  m.addExtra,
			"zone changes":   m.setZone,
			"remove account": m.removeAccount,
			"pair again":     m.pairAgain,
			"look":           m.compareBalance,
			"cancel":         m.cancel,
			"first":          m.putFirst,
			"drop":           m.drop,
			"list":           m.compareOrder,
			"":               m.compareQueue,
		})
		m.compareBalance(rt)
		m.compareOrder(rt)
		m.compareMessages(rt)
		m.world.audit()
	})
}

// modelMessage is what the model knows about an accepted message.
type modelMessage struct {
	id         int64
	uid        string
	whatsAppID string
	account    int // index in model.accounts
	gap        time.Duration
	charge     tideline.Entry
	status     tideline.Status
	history    []tideline.Status
	early      []tideline.Status // receipts that came before the settlement
	place      int               // below 0 when it was put first
}

// modelKey is the use of an Idempotency-Key.
type modelKey struct {
	message *modelMessage
	body    byte
	at      time.Time
}

// model is a workspace in memory: what the database should hold.
type model struct {
	world    *world
	grant    tideline.Credits
	zone     *time.Location
	balance  tideline.Balance
	accounts []tideline.Account
	removed  []bool
	messages []*modelMessage
	keys     map[string]modelKey
}

// newModel makes a workspace with two accounts for one sequence, next to those
// of earlier sequences.
func newModel(rt *rapid.T, parent *world, serial int) *model {
	w := &world{t: rt, open: parent.open, store: parent.store, now: start}
	w.serial.Store(int64(serial) * 100_000)
	m := &model{world: w, zone: time.UTC, grant: rapid.SampledFrom([]tideline.Credits{0, 3, 20}).Draw(rt, "grant"), keys: make(map[string]modelKey)}
	w.ws, w.owner = w.workspace(fmt.Sprintf("model-%d", serial), m.grant)
	for i := range 2 {
		m.accounts = append(m.accounts, w.account(w.ws, tideline.Phone(fmt.Sprintf("+1555%06d%d", serial, i))))
	}
	m.removed = make([]bool, len(m.accounts))
	m.open()
	return m
}

// open opens the period that the workspace is in.
func (m *model) open() { m.balance.OpenPeriod(m.world.now, m.zone, m.grant) }

func (m *model) accept(rt *rapid.T) { m.send(rt, "", 0) }

func (m *model) acceptKeyed(rt *rapid.T) {
	m.send(rt, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key"), byte(rapid.IntRange(1, 2).Draw(rt, "body")))
}

// send accepts a message and predicts the outcome.
func (m *model) send(rt *rapid.T, key string, body byte) {
	w, account := m.world, rapid.IntRange(0, len(m.accounts)-1).Draw(rt, "account")
	cost := tideline.Credits(rapid.IntRange(1, 2).Draw(rt, "cost"))
	in := w.acceptance(to(tideline.Phone(fmt.Sprintf("+148400009%02d", rapid.IntRange(0, 3).Draw(rt, "chat"))), ""))
	in.AccountID, in.Grant, in.Location, in.Message.Credits = m.accounts[account].ID, m.grant, m.zone, cost
	in.Message.Gap = time.Duration(rapid.IntRange(0, 5000).Draw(rt, "gap")) * time.Millisecond
	if key != "" {
		withKey(key, body)(&in)
	}
	out := w.store.Accept(w.ctx(), in)

	if used, ok := m.keys[key]; ok && key != "" && w.now.Sub(used.at) < store.IdempotencyWindow {
		if used.body != body {
			wantCode(rt, "a key with another body", out.Err, tideline.CodeConflict)
		} else if !out.Replayed || out.MessageID != used.message.id || out.UID != used.message.uid {
			rt.Fatalf("a repeated key gave %+v, not message %d", out, used.message.id)
		}
		return
	}
	if m.removed[account] {
		wantCode(rt, "a removed account's message", out.Err, tideline.CodeNotFound)
		return
	}
	m.open()
	charge, ok := m.balance.Charge(cost, out.MessageID, w.now)
	if !ok {
		wantCode(rt, "a message beyond the balance", out.Err, tideline.CodeQuotaExceeded)
		return
	}
	if out.Err != nil || out.Replayed {
		rt.Fatalf("an affordable message was not accepted: %+v", out)
	}
	msg := &modelMessage{id: out.MessageID, uid: out.UID, whatsAppID: in.Message.WhatsAppID, account: account, gap: in.Message.Gap,
		charge: charge, status: tideline.StatusPending}
	m.messages = append(m.messages, msg)
	if key != "" {
		m.keys[key] = modelKey{msg, body, w.now}
	}
}

// pick draws one of the messages; nil when there are none.
func (m *model) pick(rt *rapid.T) *modelMessage {
	if len(m.messages) == 0 {
		return nil
	}
	// Mostly a late one: those are still queued.
	i := rapid.IntRange(0, len(m.messages)-1).Draw(rt, "message")
	return m.messages[len(m.messages)-1-i]
}

func (m *model) settle(rt *rapid.T, status tideline.Status) {
	w, msg := m.world, m.pick(rt)
	if msg == nil {
		return
	}
	s := store.Settlement{WorkspaceID: w.ws.ID, AccountID: m.accounts[msg.account].ID, MessageID: msg.id, Status: status, At: w.now}
	if status == tideline.StatusFailed {
		s.Reason = tideline.ReasonRejected
	}
	w.must(w.store.Settle(w.ctx(), s))
	if status != "" {
		m.end(msg, status)
	}
}

// end settles a message of the model unless it is settled already.
func (m *model) end(msg *modelMessage, status tideline.Status) {
	if msg.status != tideline.StatusPending {
		return
	}
	if len(msg.early) > 0 {
		status = tideline.StatusSent
	}
	msg.status, msg.history = status, []tideline.Status{status}
	if status == tideline.StatusFailed {
		m.open()
		m.balance.Refund(msg.charge, m.world.now)
	}
	// Kept receipts are applied in the order of their ranks.
	slices.SortFunc(msg.early, func(a, b tideline.Status) int { return a.Rank() - b.Rank() })
	for _, s := range msg.early {
		msg.move(s)
	}
}

// move applies a receipt to a settled message.
func (msg *modelMessage) move(status tideline.Status) {
	if status.MayFollow(msg.status) {
		msg.status = status
		msg.history = append(msg.history, status)
	}
}

func (m *model) receive(rt *rapid.T, status tideline.Status) {
	msg := m.pick(rt)
	if msg == nil {
		return
	}
	w := m.world
	w.must(w.store.ApplyReceipts(w.ctx(), store.Receipts{AccountID: m.accounts[msg.account].ID,
		WhatsAppIDs: []string{msg.whatsAppID, "3EB0UNKNOWN"}, Status: status, At: w.now}))
	if msg.status == tideline.StatusPending {
		msg.early = append(msg.early, status)
	} else {
		msg.move(status)
	}
}

func (m *model) advance(rt *rapid.T) {
	hours := rapid.SampledFrom([]int{1, 20, 24, 400, 1000}).Draw(rt, "hours")
	m.world.now = m.world.now.Add(time.Duration(hours) * time.Hour)
}

func (m *model) setGrant(rt *rapid.T) {
	m.open()
	m.grant = rapid.SampledFrom([]tideline.Credits{tideline.Unlimited, 0, 1, 5, 30}).Draw(rt, "grant")
	m.world.setCredits(m.grant)
	if m.grant != m.balance.Granted {
		m.balance.SetGrant(m.grant, m.world.now, "")
	}
}

func (m *model) addExtra(rt *rapid.T) {
	n := tideline.Credits(rapid.IntRange(-5, 5).Draw(rt, "credits"))
	m.open()
	w := m.world
	_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{AddExtra: &n, At: w.now})
	w.must(err)
	m.balance.AddExtra(n, w.now, "")
}

func (m *model) setZone(rt *rapid.T) {
	name := rapid.SampledFrom([]string{"UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"}).Draw(rt, "zone")
	m.open() // as the update does, before the new zone counts
	w := m.world
	updated, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{TimeZone: &name, At: w.now})
	w.must(err)
	m.zone = updated.Location()
}

func (m *model) removeAccount(rt *rapid.T) {
	i := rapid.IntRange(0, len(m.accounts)-1).Draw(rt, "account")
	w := m.world
	err := w.store.RemoveAccount(w.ctx(), w.ws.ID, m.accounts[i].ID, w.now)
	if m.removed[i] {
		wantCode(rt, "a second removal", err, tideline.CodeNotFound)
		return
	}
	w.must(err)
	m.removed[i] = true
	for _, msg := range m.messages {
		if msg.account == i {
			m.end(msg, tideline.StatusFailed)
		}
	}
}

func (m *model) pairAgain(rt *rapid.T) {
	i := rapid.IntRange(0, len(m.accounts)-1).Draw(rt, "account")
	a, err := m.world.store.PutAccount(m.world.ctx(), m.accounts[i])
	m.world.must(err)
	same(rt, "account id", a.ID, m.accounts[i].ID)
	m.removed[i] = false
}

func (m *model) compareBalance(rt *rapid.T) {
	m.open()
	same(rt, "balance", m.world.balance(), m.balance)
	if m.balance.Period < 0 || m.balance.Extra < 0 {
		rt.Fatalf("the balance is negative: %+v", m.balance)
	}
}

func (m *model) compareQueue(rt *rapid.T) {
	own := make(map[int64]bool)
	for _, a := range m.accounts {
		own[a.ID] = true
	}
	var got, want []store.Queued
	for _, q := range m.world.backlog() {
		if own[q.AccountID] {
			got = append(got, q)
		}
	}
	for _, msg := range m.messages {
		if msg.status == tideline.StatusPending {
			want = append(want, store.Queued{AccountID: m.accounts[msg.account].ID, MessageID: msg.id, Gap: msg.gap})
		}
	}
	same(rt, "queue", got, want)
}

func (m *model) compareMessages(rt *rapid.T) {
	for _, msg := range m.messages {
		v := m.world.view(msg.uid)
		same(rt, "status", v.Message.Status, msg.status)
		same(rt, "history", m.world.history(msg.uid), msg.history)
	}
}

func wantCode(t tester, what string, err error, code tideline.Code) {
	t.Helper()
	if !tideline.IsCode(err, code) {
		t.Fatalf("%s: %v, want %s", what, err, code)
	}
}
