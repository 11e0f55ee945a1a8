package wasim_test

import (
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestClientPairedByQRSendsAndPhoneDecrypts(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)

	resp := c.sendText(ana, "Olá, Ana 👋")
	if resp.Timestamp.IsZero() {
		t.Error("the acknowledgement has no time")
	}
	got := await(t, phone(t, srv, ana), hasText("Olá, Ana 👋"))
	if got.ID != resp.ID || got.From != business || got.To != ana || got.Kind != "text" || got.Attempts != 1 {
		t.Errorf("phone logged %+v", got)
	}
	c.receipt(0, resp.ID, types.ReceiptTypeDelivered)
	c.receipt(0, resp.ID, types.ReceiptTypeRead)

	own := await(t, phone(t, srv, business), hasText("Olá, Ana 👋"))
	if !own.FromMe || own.To != ana || own.ID != resp.ID {
		t.Errorf("own phone logged %+v", own)
	}
	if n := srv.Stats(); n.Messages != 1 || n.Delivered != 2 || n.Duplicates != 0 || n.Retries != 0 {
		t.Errorf("stats %+v", n)
	}
}

func TestClientPairedByCode(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := newClient(t, srv)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.QR](c, 0, nil)
	code, err := c.PairPhone(timeout(t), business, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if err != nil {
		t.Fatal(err)
	}
	if err = phone(t, srv, business).EnterCode(timeout(t), code); err != nil {
		t.Fatal(err)
	}
	event[*events.Connected](c, 0, nil)
	resp := c.sendText(ana, "by code")
	await(t, phone(t, srv, ana), hasText("by code"))
	c.receipt(0, resp.ID, types.ReceiptTypeRead)
	list := phone(t, srv, business).Companions()
	if len(list) != 1 || list[0].Device != 1 || !list[0].Connected || list[0].JID != *c.Store.ID || list[0].LID != c.Store.LID {
		t.Errorf("companions %+v", list)
	}
}

func TestPhoneMessageReachesClient(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	id, err := phone(t, srv, ana).Send(timeout(t), business, "hi there")
	if err != nil {
		t.Fatal(err)
	}
	m := c.text(0, "hi there")
	if m.Info.ID != id || m.Info.Sender.Server != types.HiddenUserServer || m.Info.SenderAlt.ToNonAD() != jid(ana) || m.Info.PushName != "Ana" {
		t.Errorf("message info %+v", m.Info)
	}
	// Both directions use one session once both have spoken.
	resp := c.sendText(ana, "hello back")
	await(t, phone(t, srv, ana), hasText("hello back"))
	c.receipt(0, resp.ID, types.ReceiptTypeDelivered)
}

func TestPhoneRepliesByItself(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	addPhone(t, srv, wasim.PhoneOptions{Number: ana, Name: "Ana", AutoReply: "thanks"})
	c := paired(t, srv, business)
	c.sendText(ana, "one")
	c.text(0, "thanks")
	mark := c.mark()
	c.sendText(ana, "two")
	c.text(mark, "thanks")
	if s := srv.Stats(); s.Retries != 0 {
		t.Errorf("stats %+v", s)
	}
}
