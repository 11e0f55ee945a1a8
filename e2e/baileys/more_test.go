package baileys

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
	"github.com/tidelinehq/tideline/wasim/wasimtest"
)

// TestBaileysKnowsWhatElseHappens goes through what isn't a message between two people: groups, names, typing,
// calls, history, and a second device.
func TestBaileysKnowsWhatElseHappens(t *testing.T) {
	// Not parallel: link sets the key that all whatsmeow clients of a process check.
	srv := wasimtest.Start(t, wasim.Options{TLSListen: "127.0.0.1:0"})
	shop := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: ours, Name: "Shop"})
	phone := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: theirs, Name: "Bea", History: wasim.HistoryExternal})
	if err := phone.AddHistory(t.Context(), wasim.PastMessage{
		Chat: ours, Message: &waE2E.Message{Conversation: proto.String("long ago")}, Timestamp: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	m := link(t, srv, shop)
	b := pair(t, srv.Network(), t.TempDir(), func(qr string) {
		if err := phone.ScanQR(t.Context(), qr); err != nil {
			t.Fatal(err)
		}
	})
	if e := b.await("history", 0, func(e event) bool { return e.Event == "history" }); e.Chats != 1 || e.Messages != 1 {
		t.Errorf("history %+v", e)
	}

	// A group that Baileys makes, and one that a phone makes: both clients write and read in each.
	var made struct {
		JID string `json:"jid"`
	}
	b.do(map[string]any{"do": "group", "to": jidOf(ours), "name": "Made by Baileys"}, &made)
	byPhone, err := shop.CreateGroup(t.Context(), "Made by a phone", theirs)
	if err != nil {
		t.Fatal(err)
	}
	next(m, func(e *events.JoinedGroup) bool { return e.JID.String() == made.JID && e.Name == "Made by Baileys" })
	next(m, func(e *events.JoinedGroup) bool { return e.JID == byPhone })
	for _, group := range []string{made.JID, byPhone.String()} {
		id := b.send(map[string]any{"do": "text", "to": group, "text": "Baileys in " + group})
		// The key to the group's messages comes with the first one, as a message of its own.
		next(m, func(e *events.Message) bool {
			words := e.Message.GetConversation() + e.Message.GetExtendedTextMessage().GetText()
			return e.Info.ID == id && words == "Baileys in "+group && e.Info.Chat.String() == group
		})
		jid, err := types.ParseJID(group)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.SendMessage(t.Context(), jid, &waE2E.Message{Conversation: proto.String("whatsmeow in " + group)}); err != nil {
			t.Fatal(err)
		}
		if e := b.message(0, "whatsmeow in "+group); e.Chat != group || e.Participant == "" {
			t.Errorf("Baileys received %+v", e)
		}
		if _, err := shop.Send(t.Context(), group, "the phone in "+group); err != nil {
			t.Fatal(err)
		}
		if e := b.message(0, "the phone in "+group); e.Chat != group || !strings.HasPrefix(e.Participant, shop.LID().User) {
			t.Errorf("Baileys received %+v", e)
		}
	}

	// A second device of the shop gets what Baileys writes, although Baileys knew the shop before.
	b.send(map[string]any{"do": "text", "to": jidOf(ours), "text": "to one device"})
	second := link(t, srv, shop)
	if _, err := shop.Send(t.Context(), theirs, "by now you know"); err != nil {
		t.Fatal(err)
	}
	b.message(0, "by now you know")
	id := b.send(map[string]any{"do": "text", "to": jidOf(ours), "text": "to two devices"})
	for _, one := range []*meow{m, second} {
		next(one, func(e *events.Message) bool { return e.Info.ID == id })
	}

	// A phone that can't decrypt asks Baileys to encrypt anew.
	if _, err := srv.SetFault(wasim.Fault{Kind: wasim.FaultFailDecrypt, Number: ours, Count: 1}); err != nil {
		t.Fatal(err)
	}
	id = b.send(map[string]any{"do": "text", "to": jidOf(ours), "text": "once more, please"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := shop.Await(ctx, func(r wasim.Received) bool { return r.ID == id }); err != nil {
		t.Fatal(err)
	}
	if n := srv.Stats().Retries; n != 1 {
		t.Errorf("%d requests to encrypt anew", n)
	}

	// Typing, both ways.
	b.do(map[string]any{"do": "typing", "to": shop.LID().String(), "state": "composing"}, nil)
	if e := next[*events.ChatPresence](m, nil); e.State != types.ChatPresenceComposing || e.Sender.User != phone.LID().User {
		t.Errorf("%+v", e)
	}
	if err := shop.Type(theirs, "recording"); err != nil {
		t.Fatal(err)
	}
	b.await("typing", 0, func(e event) bool {
		return e.Event == "presence" && e.Presences[shop.LID().String()].State == "recording"
	})

	// Names and settings of the phone, and a call.
	if err := phone.SaveContact(t.Context(), ours, "Shop", "The Shop Around the Corner"); err != nil {
		t.Fatal(err)
	}
	b.await("contact's name", 0, func(e event) bool { return e.Event == "contact" && e.Name == "The Shop Around the Corner" })
	if err := phone.Sync(t.Context(), appstate.BuildArchive(shop.LID(), true, time.Now(), nil)); err != nil {
		t.Fatal(err)
	}
	b.await("archived chat", 0, func(e event) bool {
		return e.Event == "chat" && e.Chat == shop.LID().String() && e.Status == "archived"
	})
	call, err := shop.Call(t.Context(), theirs, false)
	if err != nil {
		t.Fatal(err)
	}
	b.await("call", 0, func(e event) bool { return e.Event == "call" && e.id() == call && e.Status == "offer" })
	if err := shop.HangUp(t.Context(), theirs, call, "timeout"); err != nil {
		t.Fatal(err)
	}
	b.await("end of call", 0, func(e event) bool { return e.Event == "call" && e.id() == call && e.Status != "offer" })
}
