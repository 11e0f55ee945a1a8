package connectortest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var presence = []scenario{
	{name: "ContactsSeeWhoComposes", run: composing},
	{name: "ContactsWhoComposeAreTold", run: contactsComposing},
	{name: "AnAccountIsOnlineWhileItIsAvailable", run: availability},
	{name: "WhatWasReadIsMarked", run: markedRead},
	{name: "NothingIsShownWithoutAConnection", run: presenceOffline},
}

// did waits until a phone saw the business do something.
func (w *world) did(number, kind string) {
	w.t.Helper()
	_, err := w.owner(number).AwaitActivity(w.ctx(), func(a wasim.Activity) bool { return a.From == business && a.Kind == kind })
	if err != nil {
		w.t.Fatalf("%s saw no %q: %v", number, kind, err)
	}
}

func (w *world) available(device string, available bool) {
	w.t.Helper()
	ctx := w.ctx()
	for {
		err := w.con.Available(ctx, device, available)
		if err == nil {
			return
		}
		// The phone tells the account's name a moment after it was linked, and without one
		// WhatsApp shows nobody.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			w.t.Fatal(err)
		}
	}
}

func composing(t *testing.T, w *world) {
	device := w.pair(business)
	w.available(device, true)
	to := tideline.Phone(ana).JID()
	for c, kind := range map[whatsapp.Composing]string{
		whatsapp.ComposingText: "composing", whatsapp.ComposingVoice: "recording", whatsapp.ComposingNothing: "paused",
	} {
		if err := w.con.Compose(w.ctx(), device, to, c); err != nil {
			t.Fatal(err)
		}
		w.did(ana, kind)
	}
	if err := w.con.Compose(w.ctx(), device, "status@broadcast", whatsapp.ComposingText); err == nil {
		t.Error("composing to everybody is not refused")
	}
}

// composes waits until the handler was told that somebody composes.
func (w *world) composes(want whatsapp.ComposingEvent) {
	w.t.Helper()
	if err := w.rec.until(w.ctx(), func() bool { return slices.Contains(w.rec.composed, want) }); err != nil {
		w.rec.mu.Lock()
		defer w.rec.mu.Unlock()
		w.t.Fatalf("told of %+v, want %+v: %v", w.rec.composed, want, err)
	}
}

func contactsComposing(t *testing.T, w *world) {
	device := w.pair(business)
	w.told(w.says(ana, "hello")) // so that both addresses are known
	who := w.contactPeer(ana)
	w.available(device, true)
	if err := w.con.Watch(w.ctx(), device, who); err != nil {
		t.Fatal(err)
	}
	for state, doing := range map[string]whatsapp.Composing{
		"composing": whatsapp.ComposingText, "recording": whatsapp.ComposingVoice, "paused": whatsapp.ComposingNothing,
	} {
		if err := w.owner(ana).Type(business, state); err != nil {
			t.Fatal(err)
		}
		w.composes(whatsapp.ComposingEvent{Chat: who, Sender: who, Doing: doing})
	}
	group := w.choir()
	if err := w.owner(ana).Type(string(group), "composing"); err != nil {
		t.Fatal(err)
	}
	w.composes(whatsapp.ComposingEvent{Chat: tideline.Peer{JID: group}, Sender: who, Doing: whatsapp.ComposingText})
}

func availability(t *testing.T, w *world) {
	device := w.pair(business)
	w.available(device, true)
	w.did(business, "available")
	w.available(device, false)
	w.did(business, "unavailable")
}

// isRead waits until a phone got a receipt by which its message is read.
func (w *world) isRead(number, id string) {
	w.t.Helper()
	var got []wasim.Receipt
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		got = w.owner(number).Receipts()
		if slices.ContainsFunc(got, func(r wasim.Receipt) bool { return r.MessageID == id && r.Type == "read" && r.From == business }) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-w.ctx().Done():
			w.t.Fatalf("message %s is not read; receipts %+v", id, got)
		}
	}
}

func markedRead(t *testing.T, w *world) {
	device := w.pair(business)
	var ids []string
	for _, text := range []string{"one", "two", "three"} {
		ids = append(ids, w.says(ana, text))
		w.told(ids[len(ids)-1])
	}
	who := w.contactPeer(ana)
	for range 2 {
		if err := w.con.MarkRead(w.ctx(), device, whatsapp.ReadMessages{Chat: who.JID, Sender: who, IDs: ids[:2], At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	w.isRead(ana, ids[0])
	w.isRead(ana, ids[1])
	if err := w.con.MarkRead(w.ctx(), device, whatsapp.ReadMessages{Chat: who.JID}); err != nil {
		t.Errorf("nothing to mark: %v", err)
	}

	group := w.choir()
	id, err := w.owner(ana).Send(w.ctx(), string(group), "to all")
	if err != nil {
		t.Fatal(err)
	}
	in := w.told(id)
	if err := w.con.MarkRead(w.ctx(), device, whatsapp.ReadMessages{Chat: group, Sender: in.Sender, IDs: []string{id}, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	w.isRead(ana, id)
	if slices.ContainsFunc(w.owner(ana).Receipts(), func(r wasim.Receipt) bool { return r.MessageID == ids[2] && r.Type == "read" }) {
		t.Error("what was not marked is read")
	}
}

func presenceOffline(t *testing.T, w *world) {
	device := w.pair(business)
	w.con.Disconnect(device)
	to := w.contactPeer(ana)
	for what, err := range map[string]error{
		"available": w.con.Available(w.ctx(), device, true),
		"watch":     w.con.Watch(w.ctx(), device, to),
		"compose":   w.con.Compose(w.ctx(), device, to.JID, whatsapp.ComposingText),
		"read":      w.con.MarkRead(w.ctx(), device, whatsapp.ReadMessages{Chat: to.JID, IDs: []string{"A"}, At: time.Now()}),
	} {
		if !errors.Is(err, whatsapp.ErrOffline) {
			t.Errorf("%s: %v, want ErrOffline", what, err)
		}
	}
}
