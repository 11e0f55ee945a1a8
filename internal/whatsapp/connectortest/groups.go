package connectortest

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var groups = []scenario{
	{name: "GroupMessagesNameTheirWriter", run: groupMessages},
	{name: "SendToAGroup", run: sendToGroup},
	{name: "GroupWithItsMembers", run: groupMembers},
	{name: "NewsOfGroupsIsToldAndRepeatedUntilHandled", run: groupNews},
	{name: "NewsOfGroupsWhileAwayComesLater", run: groupNewsWhileAway},
	{name: "NamesOfTheAddressBookGoBeforeOthers", run: addressBook},
	{name: "PicturesAreFetchedOnceAndVanish", run: pictures},
}

// group has a phone make a group.
func (w *world) group(creator, subject string, numbers ...string) wasim.Group {
	w.t.Helper()
	jid, err := w.owner(creator).CreateGroup(w.ctx(), subject, numbers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return wasim.Group{JID: jid}
}

func (w *world) change(number string, g wasim.Group, c wasim.GroupChange) {
	w.t.Helper()
	if err := w.owner(number).ChangeGroup(w.ctx(), g.JID, c); err != nil {
		w.t.Fatal(err)
	}
}

// groupJID is how a group is named here.
func groupJID(g wasim.Group) tideline.JID { return tideline.JID(g.JID.String()) }

// member is somebody in a group, by both addresses.
func (w *world) member(number, name string, role tideline.GroupRole) tideline.GroupMember {
	p := w.contactPeer(number)
	p.Name = name
	return tideline.GroupMember{Peer: p, Role: role}
}

// newsOf waits until a chat was told to have changed, after the first n news.
func (w *world) newsOf(n int, chat tideline.Peer) {
	w.t.Helper()
	if err := w.rec.until(w.ctx(), func() bool {
		return slices.ContainsFunc(w.rec.news[n:], func(news whatsapp.News) bool {
			return slices.ContainsFunc(news.Changed, chat.Is)
		})
	}); err != nil {
		w.t.Fatalf("no news of %+v: %v; told: %+v", chat, err, w.rec.news)
	}
}

func (w *world) newsCount() (n int) {
	w.rec.note(func() { n = len(w.rec.news) })
	return n
}

func groupMessages(t *testing.T, w *world) {
	first, other := w.pair(business), w.pair(second)
	g := w.group(ana, "Choir", business, second)
	// The key of the sender comes with the first message only.
	for _, text := range []string{"one", "two"} {
		id, err := w.owner(ana).Send(w.ctx(), g.JID.String(), text)
		if err != nil {
			t.Fatal(err)
		}
		for range []string{first, other} {
			got := w.told(id)
			if got.Content == nil || got.Content.Text != text || got.FromMe || got.Sender != w.contactPeer(ana) || got.Chat != (tideline.Peer{JID: groupJID(g)}) {
				t.Errorf("got %+v with content %+v", got, got.Content)
			}
		}
		if err := w.rec.until(w.ctx(), func() bool {
			n := 0
			for _, m := range w.rec.messages {
				if m.ID == id {
					n++
				}
			}
			return n == 2
		}); err != nil {
			t.Errorf("not both accounts were told of %s: %v", id, err)
		}
	}
	id, err := w.owner(business).Send(w.ctx(), g.JID.String(), "typed on the phone")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.rec.until(w.ctx(), func() bool {
		own, others := false, false
		for _, m := range w.rec.messages {
			if m.ID == id && m.Chat.JID == groupJID(g) && m.Content.Text == "typed on the phone" {
				own = own || m.FromMe && m.Sender == (tideline.Peer{})
				others = others || !m.FromMe && m.Sender == w.contactPeer(business)
			}
		}
		return own && others
	}); err != nil {
		t.Errorf("what the owner typed was not told to both accounts: %+v", w.rec.messages)
	}
}

func sendToGroup(t *testing.T, w *world) {
	device := w.pair(business)
	g := w.group(ana, "Choir", business, second)
	asked := func() whatsapp.Inbound {
		id, err := w.owner(ana).Send(w.ctx(), g.JID.String(), "when do we meet?")
		if err != nil {
			t.Fatal(err)
		}
		return w.told(id)
	}()
	m := whatsapp.Outgoing{DeviceJID: device, MessageID: w.con.NewMessageID(), To: groupJID(g), Text: "at nine",
		Quote: &whatsapp.Quote{MessageID: asked.ID, Sender: asked.Sender, Text: "when do we meet?"}}
	w.send(m)
	w.send(m)
	for _, number := range []string{ana, second} {
		if got := w.shown(number, m.MessageID); got.Group != g.JID.String() || got.Text != "at nine" || got.Target != asked.ID {
			t.Errorf("phone %s shows %+v", number, got)
		}
		w.once(number, m.MessageID)
	}
	err := w.con.React(w.ctx(), whatsapp.Reaction{DeviceJID: device, Chat: asked.Chat.Address(), MessageID: asked.ID, Sender: asked.Sender, Emoji: "👍"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.owner(ana).Await(w.ctx(), func(r wasim.Received) bool { return r.Kind == "reaction" && r.Target == asked.ID && r.Group != "" }); err != nil {
		t.Errorf("the phone does not show the reaction: %v", err)
	}
	yes := true
	for _, c := range []wasim.GroupChange{{Announce: &yes}, {Remove: []string{business}}} {
		before := w.newsCount()
		w.change(ana, g, c)
		// The library changes its list of members without a lock (group.go,
		// updateGroupParticipantCache), so not while a send reads it.
		w.newsOf(before, tideline.Peer{JID: groupJID(g)})
		late := whatsapp.Outgoing{DeviceJID: device, MessageID: w.con.NewMessageID(), To: groupJID(g), Text: "too late"}
		if e := w.refused(late); e.Reason == "" {
			t.Errorf("after %+v sending failed with %v, which is not final", c, e)
		}
	}
}

func groupMembers(t *testing.T, w *world) {
	device := w.pair(business)
	g := w.group(ana, "Choir", business, second)
	want := tideline.Group{JID: groupJID(g), Subject: "Choir", Members: []tideline.GroupMember{
		w.member(ana, "", tideline.GroupOwner), w.member(business, "", tideline.GroupNormal), w.member(second, "", tideline.GroupNormal),
	}}
	check := func(what string) {
		t.Helper()
		got, err := w.con.Group(w.ctx(), device, groupJID(g))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s (-want +got):\n%s%v", what, diff, err)
		}
	}
	check("new")
	id, err := w.owner(ana).Send(w.ctx(), g.JID.String(), "hi")
	if err != nil {
		t.Fatal(err)
	}
	w.told(id)
	want.Members[0].Peer.Name = "Ana"
	check("after a message")
	subject, yes := "Band", true
	w.change(ana, g, wasim.GroupChange{Subject: &subject, Promote: []string{second}, Announce: &yes})
	want.Subject, want.Bar, want.Members[2].Role = subject, tideline.BarAdminsOnly, tideline.GroupAdmin
	check("changed")
	w.change(ana, g, wasim.GroupChange{Promote: []string{business}})
	want.Bar, want.Members[1].Role = "", tideline.GroupAdmin
	check("as an admin")
	w.change(ana, g, wasim.GroupChange{Remove: []string{business}})
	want = tideline.Group{JID: groupJID(g), Bar: tideline.BarLeft}
	check("after being removed")
	want.JID = "12036300000000@g.us"
	got, err := w.con.Group(w.ctx(), device, want.JID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("a group that is not there (-want +got):\n%s%v", diff, err)
	}
	if _, err := w.con.Group(w.ctx(), device, tideline.Phone(ana).JID()); err == nil {
		t.Error("a contact passes for a group")
	}
	w.con.Disconnect(device)
	if _, err := w.con.Group(w.ctx(), device, want.JID); !errors.Is(err, whatsapp.ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}

func groupNews(t *testing.T, w *world) {
	w.pair(business)
	g := w.group(ana, "Choir", business)
	chat := tideline.Peer{JID: groupJID(g)}
	w.newsOf(0, chat)
	subject, yes := "Band", true
	for _, c := range []wasim.GroupChange{{Subject: &subject}, {Add: []string{second}}, {Promote: []string{second}}, {Demote: []string{second}},
		{Announce: &yes}, {Remove: []string{second}}, {Remove: []string{business}}} {
		n := w.newsCount()
		w.rec.note(func() { w.rec.refuse = 1 })
		w.change(ana, g, c)
		w.newsOf(n, chat)
	}
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	if w.rec.refused != 7 {
		t.Errorf("%d news were refused, want 7", w.rec.refused)
	}
}

func groupNewsWhileAway(_ *testing.T, w *world) {
	device := w.pair(business)
	g := w.group(ana, "Choir", business)
	w.newsOf(0, tideline.Peer{JID: groupJID(g)})
	w.stop()
	subject := "Band"
	w.change(ana, g, wasim.GroupChange{Subject: &subject})
	w.start()
	w.active(device)
	w.newsOf(0, tideline.Peer{JID: groupJID(g)})
}

func addressBook(t *testing.T, w *world) {
	device := w.pair(business)
	want := w.contactPeer(ana)
	if got := w.told(w.says(ana, "hi")); got.Sender != want {
		t.Errorf("sender %+v, want %+v", got.Sender, want)
	}
	names := func(want ...string) {
		t.Helper()
		ctx := w.ctx()
		for {
			got, err := w.con.ContactNames(ctx, device, []tideline.Peer{{JID: tideline.Phone(ana).JID()}, {LID: w.contactPeer(ana).LID}, {JID: tideline.Phone(nobody).JID()}})
			diff := cmp.Diff(want, got)
			if diff == "" && err == nil {
				return
			}
			// A name is noted a moment after the message with it was told.
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("names (-want +got):\n%s%v", diff, err)
			}
		}
	}
	names("Ana", "Ana", "")
	for _, full := range []string{"Ana Lima", "Ana Lima (shop)"} {
		if err := w.owner(business).SaveContact(w.ctx(), ana, "Ana", full); err != nil {
			t.Fatal(err)
		}
		want.Name = full
		if err := w.rec.until(w.ctx(), func() bool {
			return slices.ContainsFunc(w.rec.news, func(n whatsapp.News) bool { return slices.Contains(n.Contacts, want) })
		}); err != nil {
			t.Fatalf("the name %q was not told: %+v", full, w.rec.news)
		}
		if got := w.told(w.says(ana, "hi again")); got.Sender != want || got.Chat != want {
			t.Errorf("sender %+v in chat %+v, want %+v", got.Sender, got.Chat, want)
		}
		names(full, full, "")
	}
	own, err := w.owner(business).Send(w.ctx(), ana, "typed on the phone")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.told(own); got.Chat != want {
		t.Errorf("typed on the phone, in chat %+v, want %+v", got.Chat, want)
	}
	w.stop()
	w.start()
	names(want.Name, want.Name, "") // nobody is connected
	if err := w.owner(business).SaveContact(w.ctx(), second, "Second", "The other shop"); err != nil {
		t.Fatal(err)
	}
	w.rec.note(func() { w.rec.refuse = 2 })
	w.pair(business) // another device, which gets the address book as a whole
	if err := w.rec.until(w.ctx(), func() bool {
		return slices.ContainsFunc(w.rec.news, func(n whatsapp.News) bool {
			return slices.ContainsFunc(n.Contacts, func(p tideline.Peer) bool { return p.Phone() == second && p.Name == "The other shop" })
		})
	}); err != nil {
		t.Fatalf("the address book was not told: %+v", w.rec.news)
	}
	if _, err := w.con.ContactNames(w.ctx(), "14849999999:1@s.whatsapp.net", nil); !errors.Is(err, whatsapp.ErrNoSession) {
		t.Errorf("names without a session: %v", err)
	}
}

func pictures(t *testing.T, w *world) {
	device := w.pair(business)
	g := w.group(ana, "Choir", business)
	w.told(w.says(ana, "hi"))
	for name, of := range map[string]tideline.Peer{
		"contact": w.contactPeer(ana), "by hidden id": {LID: w.contactPeer(ana).LID}, "group": {JID: groupJID(g)},
	} {
		fetch := func(known string, limit int64) (string, []byte, error) {
			var b bytes.Buffer
			id, err := w.con.Picture(w.ctx(), device, of, known, limit, &b)
			return id, b.Bytes(), err
		}
		set := func(image []byte) {
			t.Helper()
			n := w.newsCount()
			var err error
			if of.JID.IsGroup() {
				err = w.owner(ana).SetGroupPicture(w.ctx(), g.JID, image)
			} else {
				err = w.owner(ana).SetPicture(w.ctx(), image)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.newsOf(n, of)
		}
		if id, _, err := fetch("", 100); !errors.Is(err, whatsapp.ErrNoPicture) {
			t.Errorf("%s, none yet: %q, %v", name, id, err)
		}
		set([]byte("a picture"))
		first, data, err := fetch("", 100)
		if err != nil || string(data) != "a picture" || first == "" {
			t.Fatalf("%s: %q, %q, %v", name, first, data, err)
		}
		if id, data, err := fetch(first, 100); err != nil || id != first || len(data) != 0 {
			t.Errorf("%s, known: %q, %q, %v", name, id, data, err)
		}
		if _, _, err := fetch("", 3); !errors.Is(err, whatsapp.ErrMediaTooLarge) {
			t.Errorf("%s, too large: %v", name, err)
		}
		set([]byte("another"))
		if id, data, err := fetch(first, 100); err != nil || id == first || string(data) != "another" {
			t.Errorf("%s, another: %q, %q, %v", name, id, data, err)
		}
		set(nil)
		if id, _, err := fetch(first, 100); !errors.Is(err, whatsapp.ErrNoPicture) {
			t.Errorf("%s, removed: %q, %v", name, id, err)
		}
	}
	w.con.Disconnect(device)
	if _, err := w.con.Picture(w.ctx(), device, w.contactPeer(ana), "", 100, &bytes.Buffer{}); !errors.Is(err, whatsapp.ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}
