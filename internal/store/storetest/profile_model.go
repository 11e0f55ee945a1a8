package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// testNameModel has a contact written to and heard from under any address and
// name, in any order. In the end it is one chat: called as somebody wished, if a
// chat of the contact was made by a send with a name, else as WhatsApp said last.
func testNameModel(t *testing.T, create func(testing.TB) Opener) {
	w := newWorld(t, create(t))
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		acc := w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484555%04d", serial)))
		called := func(p tideline.Peer, name string) tideline.Peer { p.Name = name; return p }
		var number, hidden, chosen bool // a chat is found by this address; somebody wished for a name
		hear := func(p tideline.Peer) int64 {
			got, err := w.store.Receive(context.Background(), w.reception(fmt.Sprint("M", w.serial.Add(1)), from(p), func(r *store.Reception) { r.AccountID = acc.ID }))
			if err != nil {
				rt.Fatalf("receive: %v", err)
			}
			number, hidden = number || p.JID != "", hidden || p.LID != ""
			return got.ChatID
		}
		write := func(jid tideline.JID, there *bool, wish string) {
			_, out := w.accept(func(a *store.Acceptance) {
				a.AccountID, a.Chat = acc.ID, store.ChatRef{JID: jid, Phone: jid.Phone(), Name: wish}
			})
			if out.Err != nil {
				rt.Fatalf("accept: %v", out.Err)
			}
			chosen = chosen || !*there && wish != ""
			*there = true
		}
		names := rapid.SampledFrom([]string{"", "Ana", "Ana (2)", "Lima", string(byBoth.Phone())})
		wishes := rapid.SampledFrom([]string{"", "wish", "wish (2)"})
		for range rapid.IntRange(0, 8).Draw(rt, "steps") {
			name := names.Draw(rt, "name")
			switch rapid.IntRange(0, 5).Draw(rt, "kind") {
			case 0:
				hear(called(byNumber, name))
			case 1:
				hear(called(byLID, name))
			case 2:
				hear(called(byBoth, name))
			case 3:
				write(anaJID, &number, wishes.Draw(rt, "wish"))
			case 4:
				write(anaLID, &hidden, wishes.Draw(rt, "wish"))
			case 5:
				if err := w.store.NameContacts(context.Background(), w.ws.ID, acc.ID, []tideline.Peer{called(byBoth, name)}); err != nil {
					rt.Fatalf("name contacts: %v", err)
				}
			}
		}
		want := "Last"
		id := hear(called(byBoth, want))
		if chosen {
			want = "wish"
		}
		c, err := w.store.Chat(context.Background(), w.ws.ID, id)
		if err != nil {
			rt.Fatalf("chat: %v", err)
		}
		if c.Name != want && !strings.HasPrefix(c.Name, want+" (") {
			rt.Fatalf("the chat is called %q, want %q", c.Name, want)
		}
		views, _, err := w.store.ListChats(context.Background(), w.ws.ID, store.ChatFilter{Accounts: []tideline.JID{acc.JID}}, store.Page{Limit: 10})
		if err != nil || len(views) != 1 {
			rt.Fatalf("%d chats, %v; want one", len(views), err)
		}
	})
}
