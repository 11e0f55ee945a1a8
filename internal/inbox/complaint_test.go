package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

// What users of other servers complain about, tried on this one. The numbers are
// those of the list in docs/whatsapp.md.

func (l *live) fault(f wasim.Fault) string {
	l.t.Helper()
	f, err := l.net.SetFault(f)
	l.must(err)
	return f.ID
}

// all gives the stored messages of all chats by WhatsApp id.
func (l *live) all() map[string][]store.MessageView {
	l.t.Helper()
	chats, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 50})
	l.must(err)
	found := map[string][]store.MessageView{}
	for _, c := range chats {
		views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, c.Chat.ID, store.MessageFilter{OldestFirst: true}, store.Page{Limit: 100})
		l.must(err)
		for _, v := range views {
			found[v.Message.WhatsAppID] = append(found[v.Message.WhatsAppID], v)
		}
	}
	return found
}

// once waits until each message is stored, and checks that none is twice.
func (l *live) once(ids ...string) {
	l.t.Helper()
	l.until("stored message for each of those sent", func() bool {
		found := l.all()
		return !slices.ContainsFunc(ids, func(id string) bool { return len(found[id]) == 0 })
	})
	for id, views := range l.all() {
		if len(views) != 1 {
			l.t.Errorf("message %s is stored %d times", id, len(views))
		}
	}
}

func TestComplaint12TheFirstMessageAfterAMonthOfSilenceArrives(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	const month = 30 * 24 * time.Hour
	first := l.sends(customer, shop, said("see you"))
	l.stored(first, anything)
	for name, lose := range map[string]func(){
		"the customer's phone was restored from a backup": func() { l.fault(wasim.Fault{Kind: wasim.FaultLoseSessions, Number: customer}) },
		"the customer has a new phone":                    func() { l.fault(wasim.Fault{Kind: wasim.FaultNewPhone, Number: customer}) },
		"the server's database was": func() {
			l.stop()
			forgetSessions(t, l.dir)
			l.openStore()
			l.start()
		},
		"both were": func() {
			l.stop()
			forgetSessions(t, l.dir)
			l.fault(wasim.Fault{Kind: wasim.FaultLoseSessions, Number: customer})
			l.openStore()
			l.start()
		},
		"the server was away all the time, and its keys were used up": func() {
			l.stop()
			l.fault(wasim.Fault{Kind: wasim.FaultLoseKeys, Number: shop})
			l.fault(wasim.Fault{Kind: wasim.FaultLoseSessions, Number: customer})
			l.openStore()
			l.start()
		},
	} {
		l.net.AdvanceClock(month)
		lose()
		id := l.sends(customer, shop, said("I'm back: "+name))
		v := l.stored(id, anything)
		if v.Message.Text != "I'm back: "+name || v.Message.SentAt.Before(time.Now().Add(month-time.Hour)) {
			t.Errorf("%s: stored %+v", name, v.Message)
		}
		l.once(first, id)
		l.pair() // is active again
		answer := l.con.NewMessageID()
		if _, err := l.con.Send(l.ctx(), whatsapp.Outgoing{
			DeviceJID: l.acc.DeviceJID, MessageID: answer, To: tideline.Phone(customer).JID(), Text: "welcome back",
		}); err != nil {
			t.Fatalf("%s: answer: %v", name, err)
		}
		if _, err := l.phone(customer).Await(l.ctx(), func(r wasim.Received) bool { return r.ID == answer }); err != nil {
			t.Errorf("%s: answer: %v", name, err)
		}
	}
}

// failing refuses receptions as long as it is told to.
type failing struct {
	inbox.Storage
	refuse  *atomic.Bool
	refused *atomic.Int64
}

func (f failing) Receive(ctx context.Context, r store.Reception) (store.Received, error) {
	if f.refuse.Load() {
		f.refused.Add(1)
		return store.Received{}, errors.New("disk is full")
	}
	return f.Storage.Receive(ctx, r)
}

func TestComplaint13WhatCouldNotBeStoredIsNoDuplicateWhenItComesAgain(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	var refuse atomic.Bool
	var refused atomic.Int64
	l.storage = func(s inbox.Storage) inbox.Storage { return failing{s, &refuse, &refused} }
	l.stop()
	l.openStore()
	l.start()
	l.pair()
	tried := func(n int64) { l.until("attempt to store", func() bool { return refused.Load() >= n }) }

	refuse.Store(true)
	l.fault(wasim.Fault{Kind: wasim.FaultRepeatMessage, Number: shop, Count: 1}) // and WhatsApp repeats itself, too
	one := l.sends(customer, shop, said("while the disk was full"))
	tried(2)
	two := l.sends(customer, shop, said("and again"))
	// Neither may be forgotten by a restart in between.
	l.stop()
	l.openStore()
	l.start()
	tried(refused.Load() + 1)
	if n := len(l.all()); n != 0 {
		t.Fatalf("%d messages are stored: the test is no test", n)
	}
	refuse.Store(false)
	l.once(one, two)
	three := l.sends(customer, shop, said("the disk has room"))
	l.once(one, two, three)
}

func TestComplaint16AConversationUnderAHiddenIDIsWholeWhenTheNumberIsTold(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	hides := func(hide bool) {
		_, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: customer, Name: "Ana", HideNumber: hide})
		l.must(err)
	}
	// A chat by number is there already: somebody of the team has written to it.
	version, err := l.store.Version(l.ctx())
	l.must(err)
	accepted := l.store.Accept(l.ctx(), store.Acceptance{
		WorkspaceID: l.ws.ID, AccountID: l.acc.ID, MemberID: l.owner.ID, Version: version, Label: "vip",
		Chat:    store.ChatRef{JID: tideline.Phone(customer).JID(), Phone: customer},
		Message: store.NewMessage{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: "OURS", Text: "hello?", Origin: tideline.OriginPublicAPI, Credits: 1, At: time.Now()},
		Grant:   l.ws.Grant(), Location: l.ws.Location(),
	})
	l.must(accepted.Err)

	hides(true)
	ids := []string{l.sends(customer, shop, said("who is this?")), l.sends(customer, shop, said("hello"))}
	l.once(ids...)
	if v := l.all()[ids[0]][0]; v.Chat.Phone != "" || v.Chat.ID == accepted.ChatID {
		t.Fatalf("the number was known: %+v; the test is no test", v.Chat)
	}
	first := l.all()[ids[0]][0].Chat.ID
	ids = append(ids, l.sends(shop, customer, said("typed on the phone")))
	l.once(ids...)

	hides(false)
	ids = append(ids, l.sends(customer, shop, said("it's Ana")))
	l.once(ids...)
	l.until("single chat", func() bool {
		chats, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
		l.must(err)
		return len(chats) == 1
	})
	found := l.all()
	for _, id := range append(ids, "OURS") {
		if len(found[id]) != 1 || found[id][0].Chat.ID != accepted.ChatID || found[id][0].Chat.Phone != customer {
			t.Errorf("message %s is shown as %+v", id, found[id])
		}
	}
	labels, err := l.store.ChatLabels(l.ctx(), l.ws.ID, accepted.ChatID)
	if err != nil || !slices.Equal(labels, []string{"vip"}) {
		t.Errorf("labels %v, %v", labels, err)
	}
	if c, err := l.store.Chat(l.ctx(), l.ws.ID, first); err != nil || c.ID != accepted.ChatID {
		t.Errorf("the first chat's id leads to %+v, %v", c, err)
	}
}

func TestComplaint17TheNumberIsToldWheneverItIsKnown(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.stored(l.sends(customer, shop, said("this is my number")), anything)
	_, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: customer, Name: "Ana", HideNumber: true})
	l.must(err)
	for range 2 {
		for _, from := range []string{customer, shop} {
			to := shop
			if from == shop {
				to = customer
			}
			v := l.stored(l.sends(from, to, said("under the hidden id")), anything)
			if v.Chat.Phone != customer || from == customer && v.Message.Sender.Phone() != customer {
				t.Errorf("sender %+v in chat %+v: no number", v.Message.Sender, v.Chat)
			}
		}
		l.stop() // as for an upgrade
		l.openStore()
		l.start()
		l.pair()
	}
}

// busy holds the write lock of an SQLite file until it is told to let go.
func busy(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(context.WithoutCancel(t.Context()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestComplaint20NothingIsLostWhileADatabaseIsLockedOrBroken(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	keys, data := filepath.Join(l.dir, "whatsapp.db"), filepath.Join(l.dir, "tideline.db")
	ids := []string{l.sends(customer, shop, said("before"))}
	l.once(ids...)
	say := func(text string) { ids = append(ids, l.sends(customer, shop, said(text))) }

	for _, path := range []string{keys, data} {
		release := busy(t, path)
		for i := range 3 {
			say(fmt.Sprint("locked ", i))
		}
		<-time.After(300 * time.Millisecond) // long enough for the server to run into the lock
		release()
		l.once(ids...)
	}

	// The keys can't be read or written at all for a while; that is no verdict on
	// the messages that come then.
	onDatabase(t, keys, "ALTER TABLE whatsmeow_sessions RENAME TO hidden")
	logins := l.net.Stats().Logins
	for i := range 8 { // more than a phone would be asked to repeat
		say(fmt.Sprint("broken ", i))
	}
	l.until("login to have them repeated", func() bool { return l.net.Stats().Logins > logins+1 })
	for i := range 8 {
		say(fmt.Sprint("still broken ", i))
	}
	onDatabase(t, keys, "ALTER TABLE hidden RENAME TO whatsmeow_sessions")
	l.once(ids...)
	say("after")
	l.once(ids...)
	// The account's own state goes on: it can answer, and is answered.
	answer := l.con.NewMessageID()
	l.until("answer", func() bool {
		_, err := l.con.Send(l.ctx(), whatsapp.Outgoing{
			DeviceJID: l.acc.DeviceJID, MessageID: answer, To: tideline.Phone(customer).JID(), Text: "still here",
		})
		return err == nil
	})
	if _, err := l.phone(customer).Await(l.ctx(), func(r wasim.Received) bool { return r.ID == answer }); err != nil {
		t.Error(err)
	}
}

// TestComplaint26MemoryStaysFlat is not parallel: it counts what the whole process
// holds. Objects and not bytes, because a leak is many small things that nobody
// lets go of, and a busy machine doesn't change their number.
func TestComplaint26MemoryStaysFlat(t *testing.T) {
	l := newLiveOn(t, wasim.Options{MaxMessages: 20})
	const perRound = 30
	ctx := t.Context() // and not l.ctx, which keeps something of each call until the test ends
	says := func(from, to string) string {
		id, err := l.phone(from).Send(ctx, to, "hello")
		l.must(err)
		return id
	}
	round := func() {
		t.Helper()
		var last string
		for range perRound / 3 {
			last = says(customer, shop)
			says(shop, customer)
			answer := whatsapp.Outgoing{DeviceJID: l.acc.DeviceJID, MessageID: l.con.NewMessageID(), To: tideline.Phone(customer).JID(), Text: "hi"}
			if _, err := l.con.Send(ctx, answer); err != nil {
				t.Fatal(err)
			}
		}
		l.until("last message", func() bool {
			chats, _, err := l.store.ListChats(ctx, l.ws.ID, store.ChatFilter{}, store.Page{Limit: 1})
			l.must(err)
			if len(chats) == 0 {
				return false
			}
			newest, _, err := l.store.ChatMessages(ctx, l.ws.ID, chats[0].Chat.ID, store.MessageFilter{}, store.Page{Limit: 10})
			l.must(err)
			return slices.ContainsFunc(newest, func(v store.MessageView) bool { return v.Message.WhatsAppID == last })
		})
		logins := l.net.Stats().Logins
		l.fault(wasim.Fault{Kind: wasim.FaultCut})
		l.until("reconnect", func() bool {
			acc, err := l.store.Account(ctx, l.ws.ID, l.acc.ID)
			l.must(err)
			return l.net.Stats().Logins > logins && acc.State == tideline.AccountActive
		})
	}
	for range 6 { // until what keeps the last few hundred of something is full
		round()
	}
	measure := func() (objects uint64, goroutines int) {
		runtime.GC()
		runtime.GC() // what finalizers and pools let go of
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapObjects, runtime.NumGoroutine()
	}
	objects, goroutines := measure()
	const rounds = 8
	for range rounds {
		round()
	}
	after, left := measure()
	perMessage := (float64(after) - float64(objects)) / (rounds * perRound)
	t.Logf("%d objects and %d goroutines, after %d messages more %d and %d: %.2f objects a message", objects, goroutines, rounds*perRound, after, left, perMessage)
	// The emulated phones remember their last thousand ids and receipts, which are
	// not full by now and take about four.
	if perMessage > 6 {
		t.Errorf("each message leaves %.1f objects behind", perMessage)
	}
	if left > goroutines+3 {
		t.Errorf("%d goroutines became %d", goroutines, left)
	}
}
