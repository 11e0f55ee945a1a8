package wasim_test

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

func TestUnregisteredNumbersHaveNoAccount(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	const gone = "+14840000066"
	addPhone(t, srv, wasim.PhoneOptions{Number: gone, Unregistered: true})
	c := paired(t, srv, business)
	for _, number := range []string{gone, "+14840000067"} {
		_, err := c.SendMessage(timeout(t), jid(number), &waE2E.Message{Conversation: proto.String("anyone?")})
		if err == nil || !strings.Contains(err.Error(), "no LID found") {
			t.Errorf("send to %s: %v", number, err)
		}
	}
	list, err := c.IsOnWhatsApp(timeout(t), []string{ana, gone, "+14840000067"})
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]bool{}
	for _, r := range list {
		in[r.Query] = r.IsIn
		if r.IsIn && (r.PhoneNumber != jid(ana) || r.JID != phone(t, srv, ana).LID()) {
			t.Errorf("%+v", r)
		}
	}
	if len(in) != 3 || !in[ana] || in[gone] || in["+14840000067"] {
		t.Errorf("lookup answered %v", in)
	}
	if _, err = phone(t, srv, ana).Send(timeout(t), gone, "hello?"); !errors.Is(err, wasim.ErrNotRegistered) {
		t.Errorf("phone to unregistered number: %v", err)
	}
}

func TestPhoneSettingsDecideReceipts(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	addPhone(t, srv, wasim.PhoneOptions{Number: ana, NoRead: true})
	addPhone(t, srv, wasim.PhoneOptions{Number: bruno, NoDeliver: true})
	c := paired(t, srv, business)
	silent := c.sendText(bruno, "to bruno")
	await(t, phone(t, srv, bruno), hasText("to bruno"))
	unread := c.sendText(ana, "to ana")
	c.receipt(0, unread.ID, types.ReceiptTypeDelivered)
	// Receipts leave in order, so a later round shows that the others never came.
	addPhone(t, srv, wasim.PhoneOptions{Number: ana})
	read := c.sendText(ana, "again")
	c.receipt(0, read.ID, types.ReceiptTypeRead)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.log {
		if r, ok := e.(*events.Receipt); ok && (r.MessageIDs[0] == silent.ID || r.MessageIDs[0] == unread.ID && r.Type == types.ReceiptTypeRead) {
			t.Errorf("receipt %+v", r)
		}
	}
}

func TestOfflineCompanionGetsEverythingAtLogin(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	sent := c.sendText(ana, "before")
	c.receipt(0, sent.ID, types.ReceiptTypeRead)
	c.Disconnect()
	for _, text := range []string{"one", "two", "three"} {
		if _, err := phone(t, srv, ana).Send(timeout(t), business, text); err != nil {
			t.Fatal(err)
		}
	}
	sends := record(t, srv)
	skip := c.mark()
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		c.text(skip, text)
	}
	if e := event[*events.OfflineSyncCompleted](c, skip, nil); e.Count < 3 {
		t.Errorf("%d offline stanzas", e.Count)
	}
	event[*events.Connected](c, skip, nil)

	// Acknowledged, they don't come again.
	sends.await(3, isReceipt("inactive"))
	settle(t, c)
	c.Disconnect()
	skip = c.mark()
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	if e := event[*events.OfflineSyncCompleted](c, skip, nil); e.Count != 0 {
		t.Errorf("%d stanzas came again", e.Count)
	}
}

func TestRefusedMessageIsNotDelivered(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	for _, code := range []int{463, 479, 400} {
		fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuse, Number: ana, Code: code, Count: 1})
		_, err := c.SendMessage(timeout(t), jid(ana), &waE2E.Message{Conversation: proto.String("refused")})
		if !errors.Is(err, whatsmeow.ErrServerReturnedError) || !strings.HasSuffix(err.Error(), " "+strconv.Itoa(code)) {
			t.Errorf("code %d: %v", code, err)
		}
	}
	c.sendText(ana, "accepted")
	await(t, phone(t, srv, ana), hasText("accepted"))
	all, err := phone(t, srv, ana).Messages()
	if err != nil || len(all) != 1 {
		t.Errorf("phone has %+v, %v", all, err)
	}
}

func TestResendAfterLostAckIsOneMessageWithTwoAttempts(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	fault(t, srv, wasim.Fault{Kind: wasim.FaultDropAck, Number: business, Count: 1})
	extra := whatsmeow.SendRequestExtra{ID: "TIDELINE1", Timeout: 300 * time.Millisecond}
	msg := &waE2E.Message{Conversation: proto.String("once")}
	if _, err := c.SendMessage(timeout(t), jid(ana), msg, extra); !errors.Is(err, whatsmeow.ErrMessageTimedOut) {
		t.Fatalf("first attempt: %v", err)
	}
	await(t, phone(t, srv, ana), func(r wasim.Received) bool { return r.ID == extra.ID && r.Attempts == 1 })
	extra.Timeout = 0
	if _, err := c.SendMessage(timeout(t), jid(ana), msg, extra); err != nil {
		t.Fatal(err)
	}
	await(t, phone(t, srv, ana), func(r wasim.Received) bool { return r.ID == extra.ID && r.Attempts == 2 })
	all, err := phone(t, srv, ana).Messages()
	if err != nil || len(all) != 1 {
		t.Errorf("phone has %+v, %v", all, err)
	}
	if s := srv.Stats(); s.Retries != 0 || s.Duplicates != 2 { // the recipient's and the own phone's
		t.Errorf("stats %+v", s)
	}
}

func TestConnectionCutAroundAMessage(t *testing.T) {
	t.Parallel()
	for kind, attempts := range map[wasim.FaultKind]int{wasim.FaultCutBeforeAck: 2, wasim.FaultCutOnMessage: 1} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			srv := network(t, wasim.Options{})
			c := paired(t, srv, business)
			c.sendText(ana, "warm up")
			fault(t, srv, wasim.Fault{Kind: kind, Number: ana, Count: 1})
			// The client reconnects by itself and sends the same frame again.
			resp := c.sendText(ana, "through")
			r := await(t, phone(t, srv, ana), func(r wasim.Received) bool { return r.ID == resp.ID && r.Attempts == attempts })
			if r.Text != "through" {
				t.Errorf("%+v", r)
			}
			c.receipt(0, resp.ID, types.ReceiptTypeRead)
			if s := srv.Stats(); s.Retries != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestDroppedLostAndDelayedMessages(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	c.sendText(bruno, "warm up")
	fault(t, srv, wasim.Fault{Kind: wasim.FaultDropMessage, Number: bruno, Count: 1})
	_, err := c.SendMessage(timeout(t), jid(bruno), &waE2E.Message{Conversation: proto.String("dropped")},
		whatsmeow.SendRequestExtra{Timeout: 200 * time.Millisecond})
	if !errors.Is(err, whatsmeow.ErrMessageTimedOut) {
		t.Errorf("dropped: %v", err)
	}
	fault(t, srv, wasim.Fault{Kind: wasim.FaultLoseMessage, Number: bruno, Count: 1})
	c.sendText(bruno, "lost")
	f := fault(t, srv, wasim.Fault{Kind: wasim.FaultDelayAck, Delay: 50 * time.Millisecond})
	c.sendText(bruno, "delayed")
	srv.ClearFaults(f.ID)
	if left := srv.Faults(); len(left) != 0 {
		t.Errorf("faults left: %+v", left)
	}
	await(t, phone(t, srv, bruno), hasText("delayed"))
	all, err := phone(t, srv, bruno).Messages()
	if err != nil || len(all) != 2 {
		t.Errorf("phone has %+v, %v", all, err)
	}
}

func TestNoFaultTakesAwayTheAnswerToARetry(t *testing.T) {
	t.Parallel()
	for _, kind := range []wasim.FaultKind{wasim.FaultRefuse, wasim.FaultDropMessage, wasim.FaultLoseMessage} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			srv := network(t, wasim.Options{})
			c := paired(t, srv, business)
			c.sendText(ana, "fine")
			// Before the client gets the request, so before it can answer.
			srv.Trace(func(e wasim.TraceEvent) {
				if e.Direction == wasim.ToClient && e.Node.Tag == "receipt" && e.Node.Attrs["type"] == "retry" {
					fault(t, srv, wasim.Fault{Kind: kind, Number: ana, Count: 1})
				}
			})
			fault(t, srv, wasim.Fault{Kind: wasim.FaultFailDecrypt, Number: ana, Count: 1})
			resp := c.sendText(ana, "garbled")
			if r := await(t, phone(t, srv, ana), hasText("garbled")); r.ID != resp.ID {
				t.Errorf("%+v", r)
			}
			if left := srv.Faults(); len(left) != 1 || left[0].Kind != kind {
				t.Errorf("faults left: %+v", left)
			}
			srv.Trace(nil)
		})
	}
}

func TestPhoneAsksForARetry(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	c.sendText(ana, "fine")
	fault(t, srv, wasim.Fault{Kind: wasim.FaultFailDecrypt, Number: ana, Count: 2})
	resp := c.sendText(ana, "garbled")
	r := await(t, phone(t, srv, ana), hasText("garbled"))
	if r.ID != resp.ID || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
	c.receipt(0, resp.ID, types.ReceiptTypeRead)
	if s := srv.Stats(); s.Retries != 2 {
		t.Errorf("stats %+v", s)
	}
	c.sendText(ana, "fine again")
	await(t, phone(t, srv, ana), hasText("fine again"))
}

func TestClientAsksForARetry(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "first"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "first")
	c.sendText(ana, "answer")
	// The client loses its sessions, as after a restored backup.
	if err := c.Store.Sessions.DeleteAllSessions(t.Context(), phone(t, srv, ana).LID().User+"_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "second"); err != nil {
		t.Fatal(err)
	}
	event[*events.UndecryptableMessage](c, 0, nil)
	c.text(0, "second")
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "third"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "third")
}

func TestTwoClientsOfOneAccountAndOfTwo(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	first, second := paired(t, srv, business), paired(t, srv, business)
	other := paired(t, srv, ana)

	first.sendText(ana, "to another account")
	m := other.text(0, "to another account")
	if m.Info.Sender.User != first.Store.LID.User || m.Info.Sender.Device != first.Store.LID.Device {
		t.Errorf("%+v", m.Info)
	}
	copied := event(second, 0, func(m *events.Message) bool { return m.Message.GetConversation() == "to another account" })
	if !copied.Info.IsFromMe || copied.Info.Chat != phone(t, srv, ana).LID() {
		t.Errorf("copy: %+v", copied.Info)
	}
	if err := other.MarkRead(timeout(t), []string{m.Info.ID}, time.Now(), m.Info.Chat, m.Info.Sender); err != nil {
		t.Fatal(err)
	}
	first.receipt(0, m.Info.ID, types.ReceiptTypeRead)
	second.receipt(0, m.Info.ID, types.ReceiptTypeRead)

	// The phone itself writes: both companions see it as their account's own.
	if _, err := phone(t, srv, business).Send(timeout(t), bruno, "from the phone"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*testClient{first, second} {
		m := event(c, 0, func(m *events.Message) bool { return m.Message.GetConversation() == "from the phone" })
		if !m.Info.IsFromMe || m.Info.Chat != phone(t, srv, bruno).LID() {
			t.Errorf("copy: %+v", m.Info)
		}
	}
}

func TestNewCompanionIsAnnouncedToThoseWhoCacheDevices(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	c.sendText(ana, "to the phone alone")
	late := paired(t, srv, ana)
	// Clients handle stanzas in turn: once this one has come, the announcement has too.
	if _, err := phone(t, srv, bruno).Send(timeout(t), business, "by now"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "by now")
	var lookups atomic.Int64
	srv.Trace(func(e wasim.TraceEvent) {
		if e.Direction == wasim.FromClient && e.Node.Attrs["xmlns"] == "usync" && e.Device == *c.Store.ID {
			lookups.Add(1)
		}
	})
	c.sendText(ana, "to the companion too")
	late.text(0, "to the companion too")
	if err := phone(t, srv, ana).Unlink(timeout(t), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := phone(t, srv, bruno).Send(timeout(t), business, "and now"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "and now")
	c.sendText(ana, "to the phone alone again")
	await(t, phone(t, srv, ana), hasText("to the phone alone again"))
	if n := lookups.Load(); n != 0 {
		t.Errorf("the client looked devices up %d times, so it didn't believe what it was told", n)
	}
}

func TestClientReceiptsReachThePhone(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{Latency: time.Millisecond})
	c := paired(t, srv, business)
	sends := record(t, srv)
	id, err := phone(t, srv, ana).Send(timeout(t), business, "read me")
	if err != nil {
		t.Fatal(err)
	}
	m := c.text(0, "read me")
	if err = c.MarkRead(timeout(t), []string{id}, time.Now(), m.Info.Chat, m.Info.Sender); err != nil {
		t.Fatal(err)
	}
	sends.await(1, isReceipt("inactive"))
	sends.await(1, isReceipt("read"))
	settle(t, c)
	types := map[string]bool{}
	for _, r := range phone(t, srv, ana).Receipts() {
		if r.MessageID == id && r.From == business {
			types[r.Type] = true
		}
	}
	if !types["inactive"] || !types["read"] {
		t.Errorf("receipts %v", types)
	}
	resp := c.sendText(ana, "with latency")
	c.receipt(0, resp.ID, "read")
}

func TestMessageByNumber(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	p := addPhone(t, srv, wasim.PhoneOptions{Number: ana, AddressByNumber: true})
	c := paired(t, srv, business)
	if _, err := p.Send(timeout(t), business, "old style"); err != nil {
		t.Fatal(err)
	}
	m := c.text(0, "old style")
	if m.Info.Sender != jid(ana) || m.Info.SenderAlt != p.LID() {
		t.Errorf("%+v", m.Info)
	}
	c.sendText(ana, "answer")
	await(t, p, hasText("answer"))
}

func TestNoteToSelfIsLoggedOnce(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	resp := c.sendText(business, "remember the milk")
	r := await(t, phone(t, srv, business), hasText("remember the milk"))
	if !r.FromMe || r.From != business || r.To != business || r.ID != resp.ID || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
}
