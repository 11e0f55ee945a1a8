package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var history = []scenario{
	{name: "HistoryIsAnnouncedAndRead", run: func(t *testing.T, w *world) { historyRead(t, w, wasim.HistoryExternal) }},
	{name: "HistoryInTheAnnouncementIsRead", run: func(t *testing.T, w *world) { historyRead(t, w, wasim.HistoryInline) }},
	{name: "HistoryIsAnnouncedUntilItIsNoted", run: historyRefused},
	{name: "HistoryOfAnotherDayIsLeftOut", run: historyTooOld},
}

// remembers gives the business a history of ana's texts, one per second, the last
// of which is age old.
func (w *world) remembers(mode wasim.HistoryMode, texts int, age time.Duration) {
	w.t.Helper()
	w.phone(wasim.PhoneOptions{Number: business, Name: "Business", History: mode})
	all := make([]wasim.PastMessage, texts)
	for i := range all {
		all[i] = wasim.PastMessage{
			Chat: ana, ID: fmt.Sprintf("P%04d", i), Text: fmt.Sprint("text ", i),
			Timestamp: time.Now().Add(time.Duration(i-texts)*time.Second - age), Unread: true,
		}
	}
	if err := w.owner(business).AddHistory(w.ctx(), all...); err != nil {
		w.t.Fatal(err)
	}
}

// announced waits until the handler was told of so many chunks, and gives each
// of them once, in the phone's order.
func (w *world) announced(chunks int) []whatsapp.HistoryChunk {
	w.t.Helper()
	var all []whatsapp.HistoryChunk
	err := w.rec.until(w.ctx(), func() bool {
		all = slices.Clone(w.rec.chunks)
		slices.SortStableFunc(all, func(a, b whatsapp.HistoryChunk) int { return a.Order - b.Order })
		all = slices.CompactFunc(all, func(a, b whatsapp.HistoryChunk) bool { return a.ID == b.ID })
		return len(all) >= chunks
	})
	if err != nil {
		w.t.Fatalf("%d of %d chunks were announced: %v", len(all), chunks, err)
	}
	return all
}

func historyRead(t *testing.T, w *world, mode wasim.HistoryMode) {
	const texts = 20 + 2*whatsapp.MaxHistoryPart + 1
	w.remembers(mode, texts, time.Hour)
	device := w.pair(business)
	var contacts []tideline.Peer
	var entries []whatsapp.HistoryEntry
	keep := func(_ context.Context, p whatsapp.HistoryPart) error {
		contacts = append(contacts, p.Contacts...)
		n := len(p.Contacts)
		for _, c := range p.Chats {
			if c.Peer.JID != w.contactPeer(ana).JID || c.Peer.LID != w.contactPeer(ana).LID || c.Unread == 0 {
				t.Errorf("chat of %+v with %d unread", c.Peer, c.Unread)
			}
			n += len(c.Entries)
			entries = append(entries, c.Entries...)
		}
		if n == 0 || n > whatsapp.MaxHistoryPart {
			t.Errorf("a part of %d", n)
		}
		return nil
	}
	chunks := w.announced(3) // the latest messages, names, the others
	if len(chunks) != 3 || chunks[2].Progress != 100 {
		t.Fatalf("chunks %+v", chunks)
	}
	for _, c := range chunks {
		full := errors.New("no room")
		err := w.con.History(w.ctx(), device, c.Ref, func(context.Context, whatsapp.HistoryPart) error { return full })
		if !errors.Is(err, full) {
			t.Errorf("a part that can't be stored: error %v", err)
		}
		if err := w.con.History(w.ctx(), device, c.Ref, keep); err != nil {
			t.Fatalf("read: %v", err)
		}
	}
	if !slices.Contains(contacts, w.contactPeer(ana)) {
		t.Errorf("contacts %+v, want %+v", contacts, w.contactPeer(ana))
	}
	slices.SortStableFunc(entries, func(a, b whatsapp.HistoryEntry) int { return a.At.Compare(b.At) })
	for i, e := range entries {
		if e.ID != fmt.Sprintf("P%04d", i) || e.Content == nil || e.Content.Text != fmt.Sprint("text ", i) || e.Sender.JID != w.contactPeer(ana).JID || e.Status != "" {
			t.Fatalf("entry %d is %+v", i, e)
		}
	}
	if len(entries) != texts {
		t.Errorf("%d entries, want %d", len(entries), texts)
	}
	none := func(context.Context, whatsapp.HistoryPart) error { return nil }
	if err := w.con.History(w.ctx(), device, []byte("\xff"), none); !errors.Is(err, whatsapp.ErrMediaBroken) {
		t.Errorf("a reference that is none: %v", err)
	}
	if err := w.con.History(w.ctx(), "14840000999:1@s.whatsapp.net", chunks[0].Ref, none); !errors.Is(err, whatsapp.ErrOffline) {
		t.Errorf("another device: %v", err)
	}
}

func historyRefused(t *testing.T, w *world) {
	w.remembers(wasim.HistoryInline, 3, time.Hour)
	w.rec.note(func() { w.rec.refuse = 2 })
	device := w.pair(business)
	for _, c := range w.announced(2) {
		if err := w.con.History(w.ctx(), device, c.Ref, func(context.Context, whatsapp.HistoryPart) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	if w.rec.refused != 2 {
		t.Errorf("%d announcements were refused, want 2", w.rec.refused)
	}
}

func historyTooOld(t *testing.T, w *world) {
	w.remembers(wasim.HistoryInline, 3, 40*365*24*time.Hour)
	device := w.pair(business)
	for _, c := range w.announced(2) {
		err := w.con.History(w.ctx(), device, c.Ref, func(_ context.Context, p whatsapp.HistoryPart) error {
			if len(p.Chats) > 0 {
				t.Errorf("chats %+v", p.Chats)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
