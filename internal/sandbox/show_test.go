package sandbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	ben   = "+14840000002"
	dilan = "+14840000004"
)

func openWorld(t *testing.T) *World {
	t.Helper()
	w, err := Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// await waits until a look at the world finds what it looks for.
func await[T any](t *testing.T, w *World, look func() (T, bool)) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, next := w.Changes()
		got, ok := look()
		if ok {
			return got
		}
		select {
		case <-next:
		case <-ctx.Done():
			t.Fatalf("waited in vain; now: %+v", got)
		}
	}
}

// chatOf gives the conversation of a phone once it is so.
func chatOf(t *testing.T, w *World, number, with string, so func(scene.Chat) bool) scene.Chat {
	t.Helper()
	return await(t, w, func() (scene.Chat, bool) {
		messages, err := w.Messages(number)
		if err != nil {
			t.Fatal(err)
		}
		notes, err := w.Notes(number)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range scene.Fold(messages, notes) {
			if c.With == with {
				return c, so(c)
			}
		}
		return scene.Chat{}, false
	})
}

func TestPeopleSeeWhatTheirPhonesDo(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	ctx := t.Context()
	id, err := w.Send(ctx, ben, scene.Draft{To: dilan, Text: "Where are you?"})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("not really a picture")
	if _, err := w.Send(ctx, ben, scene.Draft{To: dilan, Text: "look", File: &scene.Upload{Kind: "image", MIME: "image/png", Data: data}}); err != nil {
		t.Fatal(err)
	}
	two := func(c scene.Chat) bool { return len(c.Bubbles) == 2 }
	got := chatOf(t, w, dilan, ben, two)
	picture := got.Bubbles[1]
	if got.Bubbles[0].Text != "Where are you?" || got.Bubbles[0].Own || picture.File == nil || picture.Text != "look" {
		t.Errorf("Dilan sees %+v", got)
	}
	opened, mime, err := w.File(dilan, picture.ID)
	if err != nil || mime != "image/png" || !bytes.Equal(opened, data) {
		t.Errorf("Dilan opens %q of type %s: %v", opened, mime, err)
	}
	if err := w.React(ctx, dilan, id, "👍"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Send(ctx, dilan, scene.Draft{To: ben, Text: "On my way", ReplyTo: id}); err != nil {
		t.Fatal(err)
	}
	got = chatOf(t, w, ben, dilan, func(c scene.Chat) bool { return len(c.Bubbles) >= 3 })
	if b := got.Bubbles[0]; !b.Own || len(b.Reactions) != 1 || b.Reactions[0] != "👍" {
		t.Errorf("Ben's message is shown as %+v", b)
	}
	if b := got.Bubbles[2]; b.Quote == nil || b.Quote.ID != id {
		t.Errorf("Dilan's answer is shown as %+v", b)
	}
	if err := w.Edit(ctx, ben, id, "Where is everybody?"); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(ctx, ben, picture.ID); err != nil {
		t.Fatal(err)
	}
	chatOf(t, w, dilan, ben, func(c scene.Chat) bool {
		return c.Bubbles[0].Edited && c.Bubbles[0].Text == "Where is everybody?" && c.Bubbles[1].Deleted
	})
	group, err := w.CreateGroup(ctx, ben, "Launch", []string{dilan})
	if err != nil {
		t.Fatal(err)
	}
	if g := w.Groups(); len(g) != 1 || g[0].JID != group || g[0].Subject != "Launch" || len(g[0].Members) != 2 {
		t.Errorf("groups %+v", g)
	}
}

func TestPhonesAndFaultsAreChanged(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	ctx := t.Context()
	find := func(number string) scene.Phone {
		for _, p := range w.Phones() {
			if p.Number == number {
				return p
			}
		}
		return scene.Phone{}
	}
	eva := scene.Phone{Number: "+14840000005", Name: "Eva", Registered: true, Delivers: true, Reads: true}
	if err := w.SavePhone(ctx, eva); err != nil {
		t.Fatal(err)
	}
	eva.Reads, eva.AutoReply = false, "later"
	if err := w.SavePhone(ctx, eva); err != nil {
		t.Fatal(err)
	}
	if err := w.SetOnline(eva.Number, true); err != nil {
		t.Fatal(err)
	}
	if err := w.Limit(ctx, eva.Number, time.Hour); err != nil {
		t.Fatal(err)
	}
	if p := find(eva.Number); p.Reads || !p.Delivers || p.AutoReply != "later" || !p.Online || !p.Limited.After(w.Now()) {
		t.Errorf("Eva's phone is %+v", p)
	}
	if err := w.Limit(ctx, eva.Number, 0); err != nil {
		t.Fatal(err)
	}
	if p := find(eva.Number); p.Limited.After(w.Now()) {
		t.Errorf("Eva is still limited until %s", p.Limited)
	}
	if err := w.SetFault(scene.Fault{Kind: "delay_ack", Number: eva.Number, Delay: time.Second, Count: 2}); err != nil {
		t.Fatal(err)
	}
	faults := w.Faults()
	if len(faults) != 1 || faults[0].Kind != "delay_ack" || faults[0].Delay != time.Second || faults[0].Count != 2 {
		t.Errorf("faults %+v", faults)
	}
	w.ClearFaults(faults[0].ID)
	if n := len(w.Faults()); n != 0 {
		t.Errorf("%d faults are left", n)
	}
	for what, err := range map[string]error{
		"an unknown phone": w.React(ctx, "+14849999999", "x", "👍"),
		"no fault":         w.SetFault(scene.Fault{Kind: "gremlins"}),
		"a bad number":     w.SavePhone(ctx, scene.Phone{Number: "12"}),
		"no screen":        w.Scan(ctx, eva.Number, "1"),
	} {
		if err == nil || bytes.Contains([]byte(err.Error()), []byte("wasim")) {
			t.Errorf("%s: %v, want an error in words of people", what, err)
		}
	}
}

// screenOnly is a connector whose pairings show what a test says.
type screenOnly struct {
	whatsapp.Connector
	events chan whatsapp.PairEvent
}

func (c screenOnly) Pair(context.Context, whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	return c.events, nil
}

func TestAPairingIsSeenWhileItShowsACode(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	events := make(chan whatsapp.PairEvent, 4)
	out, err := w.Watch(screenOnly{events: events}).Pair(t.Context(), whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(w.Pairings()); n != 0 {
		t.Errorf("%d pairings before a code is shown", n)
	}
	events <- whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@nobody,AAAA,AAAA,AAAA"}}
	if e := <-out; e.QR == nil {
		t.Errorf("passed on %+v", e)
	}
	shown := await(t, w, func() ([]scene.Pairing, bool) { p := w.Pairings(); return p, len(p) == 1 })
	if err := w.Scan(t.Context(), ben, shown[0].ID); err == nil {
		t.Error("a code of nobody was scanned")
	}
	events <- whatsapp.PairEvent{Failed: errors.New("over")}
	close(events)
	if e := <-out; e.Failed == nil {
		t.Errorf("passed on %+v", e)
	}
	await(t, w, func() ([]scene.Pairing, bool) { p := w.Pairings(); return p, len(p) == 0 })
	if err := w.Scan(t.Context(), ben, shown[0].ID); !errors.Is(err, scene.ErrNoPairing) {
		t.Errorf("scan after the end: %v", err)
	}
}
