package connectortest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var inbound = []scenario{
	{name: "InboundText", run: inboundText},
	{name: "InboundIsRepeatedUntilHandled", run: inboundRepeated},
	{name: "InboundWhileAwayComesLater", run: inboundWhileAway},
	{name: "InboundFromTheOwnPhone", run: inboundOwn},
	{name: "InboundFileIsFetched", run: inboundFile},
	{name: "ReactionAndAnswerReachThePhone", run: reactionAndAnswer},
}

// told waits until the handler was told of the message with an id.
func (w *world) told(id string) whatsapp.Inbound {
	w.t.Helper()
	got, err := w.rec.message(w.ctx(), func(m whatsapp.Inbound) bool { return m.ID == id })
	if err != nil {
		w.t.Fatalf("message %s did not come: %v", id, err)
	}
	return got
}

// says has a phone send a text to the business.
func (w *world) says(number, text string) string {
	w.t.Helper()
	id, err := w.owner(number).Send(w.ctx(), business, text)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// contactPeer is how a phone's owner is named when both addresses are known.
func (w *world) contactPeer(number string) tideline.Peer {
	p := w.owner(number)
	return tideline.Peer{JID: tideline.JID(p.JID().String()), LID: tideline.JID(p.LID().String()), Name: p.Options().Name}
}

func inboundText(t *testing.T, w *world) {
	w.pair(business)
	for _, byNumber := range []bool{false, true} {
		w.phone(wasim.PhoneOptions{Number: ana, Name: "Ana", AddressByNumber: byNumber})
		const text = "Olá 👋\nzweite Zeile"
		got := w.told(w.says(ana, text))
		want := w.contactPeer(ana)
		if got.Content == nil || got.Content.Kind != tideline.KindText || got.Content.Text != text || got.FromMe ||
			got.Sender != want || got.Chat != want {
			t.Errorf("by number %v: got %+v with content %+v, want a text of %+v", byNumber, got, got.Content, want)
		}
		if d := time.Since(got.At); d < -time.Minute || d > time.Minute {
			t.Errorf("sent at %s, want about now", got.At)
		}
	}
}

func inboundRepeated(t *testing.T, w *world) {
	device := w.pair(business)
	mark := w.rec.mark()
	w.rec.note(func() { w.rec.refuse = 2 })
	id := w.says(ana, "do you hear me?")
	w.told(id)
	w.state(device, mark, tideline.AccountActive) // it was connected again for that
	next := w.says(ana, "and now?")
	w.told(next)
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	if w.rec.refused != 2 {
		t.Errorf("%d messages were refused, want 2", w.rec.refused)
	}
}

func inboundWhileAway(_ *testing.T, w *world) {
	device := w.pair(business)
	w.stop()
	first, second := w.says(ana, "one"), w.says(ana, "two")
	w.start()
	w.active(device)
	w.told(first)
	w.told(second)
}

func inboundOwn(t *testing.T, w *world) {
	w.pair(business)
	id, err := w.owner(business).Send(w.ctx(), ana, "typed on the phone")
	if err != nil {
		t.Fatal(err)
	}
	got := w.told(id)
	want := w.contactPeer(ana)
	want.Name = ""
	if !got.FromMe || got.Chat != want || got.Sender != (tideline.Peer{}) || got.Content == nil || got.Content.Text != "typed on the phone" {
		t.Errorf("got %+v with content %+v", got, got.Content)
	}
}

func inboundFile(t *testing.T, w *world) {
	device := w.pair(business)
	data := bytes.Repeat([]byte("%PDF-1.7 "), 5000)
	id, err := w.owner(ana).SendFile(w.ctx(), business, wasim.File{Kind: "document", Name: "offer.pdf", MIME: "application/pdf", Data: data, Caption: "have a look"})
	if err != nil {
		t.Fatal(err)
	}
	got := w.told(id)
	c := got.Content
	if c == nil || c.Media == nil || c.Kind != tideline.KindDocument || c.Text != "have a look" ||
		c.Media.Name != "offer.pdf" || c.Media.MIMEType != "application/pdf" || c.Media.Size != int64(len(data)) {
		t.Fatalf("got %+v with content %+v", got, c)
	}
	var b bytes.Buffer
	if err := w.con.Fetch(w.ctx(), device, c.Media.Ref, int64(len(data)), &b); err != nil || !bytes.Equal(b.Bytes(), data) {
		t.Errorf("fetched %d bytes and %v, want %d", b.Len(), err, len(data))
	}
	if err := w.con.Fetch(w.ctx(), device, c.Media.Ref, int64(len(data))-1, &b); !errors.Is(err, whatsapp.ErrMediaTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	if err := w.con.Fetch(w.ctx(), device, []byte(`{}`), 1000, &b); !errors.Is(err, whatsapp.ErrMediaBroken) {
		t.Errorf("an empty reference: %v", err)
	}
}

func reactionAndAnswer(t *testing.T, w *world) {
	device := w.pair(business)
	asked := w.told(w.says(ana, "when do you open?"))
	m := w.text(device, ana, "at nine")
	m.Quote = &whatsapp.Quote{MessageID: asked.ID, Sender: asked.Sender, Text: "when do you open?"}
	w.send(m)
	if got := w.shown(ana, m.MessageID); got.Target != asked.ID || got.Text != "at nine" {
		t.Errorf("the phone shows %+v, want an answer to %s", got, asked.ID)
	}
	for _, emoji := range []string{"👍", ""} {
		err := w.con.React(w.ctx(), whatsapp.Reaction{DeviceJID: device, Chat: asked.Chat.Address(), MessageID: asked.ID, Sender: asked.Sender, Emoji: emoji})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.owner(ana).Await(w.ctx(), func(r wasim.Received) bool {
			return r.Kind == "reaction" && r.Target == asked.ID && r.Text == emoji
		}); err != nil {
			t.Errorf("the phone does not show the reaction %q: %v", emoji, err)
		}
	}
}
