package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	anaJID   = tideline.JID("14840000100@s.whatsapp.net")
	anaLID   = tideline.JID("777000100@lid")
	groupJID = tideline.JID("1203630000@g.us")
)

// The three ways in which WhatsApp names a contact.
var (
	byNumber = tideline.Peer{JID: anaJID, Name: "Ana"}
	byLID    = tideline.Peer{LID: anaLID, Name: "Ana"}
	byBoth   = tideline.Peer{JID: anaJID, LID: anaLID, Name: "Ana"}
)

// reception is a text from ana to the world's account.
func (w *world) reception(id string, change ...func(*store.Reception)) store.Reception {
	r := store.Reception{
		WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chat: byBoth, Sender: byBoth, At: w.now, ReceivedAt: w.now.Add(time.Second),
		Message: &store.NewInbound{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: id, Kind: tideline.KindText, Text: "text of " + id},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// receiveMessage stores what came in; it must succeed.
func (w *world) receiveMessage(id string, change ...func(*store.Reception)) store.Received {
	w.t.Helper()
	got, err := w.store.Receive(w.ctx(), w.reception(id, change...))
	w.must(err)
	return got
}

func from(p tideline.Peer) func(*store.Reception) {
	return func(r *store.Reception) { r.Chat, r.Sender = p, p }
}

func inGroup(p tideline.Peer) func(*store.Reception) {
	return func(r *store.Reception) { r.Chat, r.Sender = tideline.Peer{JID: groupJID, Name: "Choir"}, p }
}

// ownPhone makes it something that the owner typed on the phone.
func ownPhone(r *store.Reception) { r.FromMe, r.Sender = true, tideline.Peer{} }

func at(t time.Time) func(*store.Reception) {
	return func(r *store.Reception) { r.At = t }
}

func react(emoji string, at time.Time) func(*store.Reception) {
	return func(r *store.Reception) {
		r.Reaction = &store.NewReaction{Target: r.Message.WhatsAppID, Emoji: emoji, At: at}
		r.Message = nil
	}
}

func edit(text string) func(*store.Reception) {
	return func(r *store.Reception) {
		r.Edit = &store.NewEdit{Target: r.Message.WhatsAppID, Text: text}
		r.Message = nil
	}
}

func remove(r *store.Reception) {
	r.Delete = &store.NewDeletion{Target: r.Message.WhatsAppID}
	r.Message = nil
}

// texts lists the texts of a chat, the latest first.
func (w *world) texts(chatID int64, f store.MessageFilter) []string {
	w.t.Helper()
	views, _, err := w.store.ChatMessages(w.ctx(), w.ws.ID, chatID, f, store.Page{Limit: 100})
	w.must(err)
	var texts []string
	for _, v := range views {
		texts = append(texts, v.Message.Text)
	}
	return texts
}

func (w *world) chat(id int64) store.ChatView {
	w.t.Helper()
	v, err := w.store.ChatView(w.ctx(), w.ws.ID, id)
	w.must(err)
	return v
}

// reactions gives a message's reactions in words.
func (w *world) reactions(uid string) []string {
	w.t.Helper()
	var words []string
	for _, r := range w.view(uid).Reactions {
		who := r.Peer.Name
		if r.Own {
			who = "us"
		}
		words = append(words, who+" "+r.Emoji)
	}
	return words
}

var inboxTests = map[string]func(*testing.T, *world){
	"AMessageIsStoredAsItCame": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1", func(r *store.Reception) {
			r.Message.Data = map[string]string{"latitude": "52.5"}
			r.Message.Kind = tideline.KindLocation
		})
		v := w.view(got.UID)
		want := tideline.Message{
			ID: got.MessageID, UID: got.UID, WorkspaceID: w.ws.ID, AccountID: w.acc.ID, ChatID: got.ChatID, WhatsAppID: "A1",
			Kind: tideline.KindLocation, Sender: byBoth, Text: "text of A1", Data: map[string]string{"latitude": "52.5"},
			Origin: tideline.OriginWhatsApp, Status: tideline.StatusDelivered, AcceptedAt: w.now.Add(time.Second), SentAt: w.now,
		}
		same(t, "message", v.Message, want)
		same(t, "new chat", got.NewChat, true)
		c := w.chat(got.ChatID)
		same(t, "chat", c.Chat, tideline.Chat{ID: got.ChatID, WorkspaceID: w.ws.ID, AccountID: w.acc.ID, JID: anaJID, LID: anaLID,
			Phone: "+14840000100", Name: "Ana", Unread: 1, CreatedAt: w.now.Add(time.Second), LastMessageID: got.MessageID, LastMessageAt: w.now})
		same(t, "last message", c.LastMessageUID, got.UID)
		w.audit()
	},

	"AMessageThatComesAgainIsStoredOnce": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1")
		again := w.receiveMessage("A1", func(r *store.Reception) { r.Message.Text = "something else" })
		same(t, "duplicate", again.Duplicate, true)
		same(t, "uid", again.UID, first.UID)
		same(t, "texts", w.texts(first.ChatID, store.MessageFilter{}), []string{"text of A1"})
		same(t, "unread", w.chat(first.ChatID).Chat.Unread, 1)
	},

	"TheSameIdInAnotherChatIsAnotherMessage": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1")
		other := w.receiveMessage("A1", from(tideline.Peer{JID: "14840000101@s.whatsapp.net"}))
		same(t, "duplicate", other.Duplicate, false)
		if first.UID == other.UID || first.ChatID == other.ChatID {
			t.Error("two contacts share a message")
		}
	},

	"AStrangersIdThatIsOneOfOursHarmsNothing": func(t *testing.T, w *world) {
		in, out := w.accept(to("+14840000100", ""))
		got := w.receiveMessage(in.Message.WhatsAppID)
		same(t, "duplicate", got.Duplicate, false)
		w.settle(out.MessageID, tideline.StatusSent)
		same(t, "ours", w.view(in.Message.UID).Message.Status, tideline.StatusSent)
		w.audit()
	},

	"OneChatWhicheverAddressCameFirst": func(t *testing.T, w *world) {
		for i, order := range [][]tideline.Peer{
			{byNumber, byBoth, byLID}, {byLID, byBoth, byNumber}, {byBoth, byNumber, byLID}, {byBoth, byLID, byNumber},
		} {
			acc := w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484000090%d", i)))
			chats := make(map[int64]bool)
			for n, p := range order {
				got := w.receiveMessage(fmt.Sprintf("M%d", n), from(p), func(r *store.Reception) { r.AccountID = acc.ID })
				chats[got.ChatID] = true
			}
			same(t, fmt.Sprintf("chats of order %d", i), len(chats), 1)
		}
	},

	"ALateMappingMergesTwoChats": func(t *testing.T, w *world) {
		_, out := w.accept(to("+14840000100", ""), func(a *store.Acceptance) { a.Label = "paid" })
		w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.At = w.now })
		hidden := w.receiveMessage("A1", from(byLID), at(w.now.Add(time.Second)))
		if hidden.ChatID == out.ChatID {
			t.Fatal("nobody knew yet that these are one")
		}
		// Something is on its way to the hidden id, with a label.
		queued, pending := w.accept(func(a *store.Acceptance) { a.Chat, a.Label = store.ChatRef{JID: anaLID}, "vip" })
		same(t, "chat by hidden id", pending.ChatID, hidden.ChatID)
		w.receiveMessage("A1", from(byLID), react("🎉", w.now))

		merged := w.receiveMessage("A2", from(byBoth), at(w.now.Add(2*time.Second)))
		same(t, "chat", merged.ChatID, out.ChatID)
		same(t, "texts", w.texts(out.ChatID, store.MessageFilter{}), []string{"text of A2", "text of A1", "hello", "hello"})
		c := w.chat(hidden.ChatID)
		same(t, "the old id names the chat", c.Chat.ID, out.ChatID)
		same(t, "labels", c.Labels, []string{"paid", "vip"})
		same(t, "unread", c.Chat.Unread, 2)
		same(t, "name", c.Chat.Name, "Ana")
		same(t, "last message", c.Chat.LastMessageID, merged.MessageID)
		same(t, "addresses", []tideline.JID{c.Chat.JID, c.Chat.LID}, []tideline.JID{anaJID, anaLID})
		same(t, "reactions", w.reactions(hidden.UID), []string{"Ana 🎉"})
		// Both ways of sending go to it, and a message that came to the old chat is known.
		_, number := w.accept(to("+14840000100", ""))
		_, lid := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: anaLID} })
		same(t, "sends", []int64{number.ChatID, lid.ChatID}, []int64{out.ChatID, out.ChatID})
		same(t, "redelivery", w.receiveMessage("A1", from(byLID)).Duplicate, true)
		w.settle(pending.MessageID, tideline.StatusSent)
		same(t, "the queued one", w.view(queued.Message.UID).Message.ChatID, out.ChatID)
		w.audit()
	},

	"AMessageThatCameToBothChatsStaysOnce": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1", from(byNumber))
		w.receiveMessage("A1", from(byLID))
		w.receiveMessage("A2", from(byBoth))
		same(t, "texts", len(w.texts(first.ChatID, store.MessageFilter{})), 2)
	},

	"ANewNumberBehindAHiddenIdIsANewChat": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1", from(byBoth))
		moved := tideline.Peer{JID: "14840000555@s.whatsapp.net", LID: anaLID}
		second := w.receiveMessage("A2", from(moved))
		if first.ChatID == second.ChatID {
			t.Error("two numbers share a chat")
		}
		same(t, "by hidden id", w.receiveMessage("A3", from(byLID)).ChatID, second.ChatID)
	},

	"TwoAccountsInAGroupAreTwoChats": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		a := w.receiveMessage("G1", inGroup(byBoth))
		b := w.receiveMessage("G1", inGroup(byBoth), func(r *store.Reception) { r.AccountID = second.ID })
		if a.ChatID == b.ChatID {
			t.Error("two accounts share a chat")
		}
		same(t, "name", w.chat(b.ChatID).Chat.Name, "Choir (2)")
		same(t, "sender", w.view(a.UID).Message.Sender, byBoth)
	},

	"AGroupIsUnnamedUntilItIsNamed": func(t *testing.T, w *world) {
		first := w.receiveMessage("G1", inGroup(byBoth), func(r *store.Reception) { r.Chat.Name = "" })
		same(t, "unnamed", first.Unnamed, true)
		w.accept(to("+14840000101", "Choir"))
		w.must(w.store.PutGroup(w.ctx(), w.ws.ID, first.ChatID, tideline.Group{Subject: "Choir"}))
		same(t, "name", w.chatName(first.ChatID), "Choir (2)")
		same(t, "unnamed", w.receiveMessage("G2", inGroup(byBoth)).Unnamed, false)
		same(t, "a contact", w.receiveMessage("A1", from(byNumber)).Unnamed, false)
	},

	"ABetterNameReplacesAnAutomaticOneOnly": func(t *testing.T, w *world) {
		_, auto := w.accept(to("+14840000100", ""))
		w.receiveMessage("A1")
		same(t, "automatic", w.chatName(auto.ChatID), "Ana")
		_, chosen := w.accept(to("+14840000101", "Doctor Bob"))
		w.receiveMessage("B1", from(tideline.Peer{JID: "14840000101@s.whatsapp.net", Name: "bobby"}))
		same(t, "chosen", w.chatName(chosen.ChatID), "Doctor Bob")
	},

	"WhatTheOwnerTypedOnThePhoneIsStoredOnce": func(t *testing.T, w *world) {
		w.receiveMessage("A1")
		w.receive(tideline.StatusDelivered, w.now.Add(time.Second), "P1") // overtakes the message
		got := w.receiveMessage("P1", ownPhone)
		again := w.receiveMessage("P1", ownPhone)
		same(t, "duplicate", again.Duplicate, true)
		v := w.view(got.UID)
		same(t, "from me", v.Message.FromMe, true)
		same(t, "origin", v.Message.Origin, tideline.OriginWhatsApp)
		same(t, "history", w.history(got.UID), []tideline.Status{tideline.StatusSent, tideline.StatusDelivered})
		same(t, "unread", w.chat(got.ChatID).Chat.Unread, 0)
		w.receive(tideline.StatusRead, w.now.Add(time.Minute), "P1")
		same(t, "status", w.view(got.UID).Message.Status, tideline.StatusRead)
		same(t, "credits", w.balance().Used, tideline.Credits(0))
		w.audit()
	},

	"AnEchoOfOurOwnSendIsNotAnotherMessage": func(t *testing.T, w *world) {
		in, out := w.accept(to("+14840000100", ""))
		echo := w.receiveMessage(in.Message.WhatsAppID, ownPhone, func(r *store.Reception) { r.Chat = byLID })
		same(t, "while it is sent", []any{echo.Duplicate, echo.UID}, []any{true, in.Message.UID})
		w.settle(out.MessageID, tideline.StatusSent)
		echo = w.receiveMessage(in.Message.WhatsAppID, ownPhone, func(r *store.Reception) { r.Chat = byLID })
		same(t, "afterwards", []any{echo.Duplicate, echo.UID}, []any{true, in.Message.UID})
		w.audit()
	},

	"AReactionIsSetChangedAndCleared": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1")
		step := func(want []string, change ...func(*store.Reception)) {
			t.Helper()
			w.receiveMessage("A1", change...)
			same(t, "reactions", w.reactions(got.UID), want)
		}
		step([]string{"Ana 👍"}, react("👍", w.now))
		step([]string{"Ana ❤"}, react("❤", w.now.Add(time.Second)))
		step([]string{"Ana ❤"}, react("👍", w.now)) // late
		step([]string{"Ana ❤", "us 😂"}, ownPhone, react("😂", w.now.Add(2*time.Second)))
		step([]string{"us 😂"}, react("", w.now.Add(3*time.Second)))
		step([]string{"us 😂"}, react("❤", w.now.Add(time.Second))) // repeated after it was taken back
		w.must(w.store.PutReaction(w.ctx(), w.ws.ID, got.MessageID, "", w.now.Add(time.Hour)))
		same(t, "ours cleared", w.reactions(got.UID), []string(nil))
		same(t, "texts", len(w.texts(got.ChatID, store.MessageFilter{})), 1)
	},

	"AnEditChangesTheTextOfItsOwnSenderOnly": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1", inGroup(byBoth))
		bob := tideline.Peer{JID: "14840000101@s.whatsapp.net"}
		w.receiveMessage("A1", inGroup(bob), edit("forged"))
		same(t, "by another", w.view(got.UID).Message.Text, "text of A1")
		w.receiveMessage("A1", inGroup(byLID), edit("better"), at(w.now.Add(time.Minute)))
		w.receiveMessage("A1", inGroup(byBoth), edit("older"), at(w.now.Add(time.Second)))
		m := w.view(got.UID).Message
		same(t, "by its sender", m.Text, "better")
		same(t, "when", m.EditedAt, w.now.Add(time.Minute))
	},

	"ADeletedMessageLosesItsTextAndFile": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1", func(r *store.Reception) { r.Message.Media = &store.NewMedia{Ref: []byte("ref")} })
		w.receiveMessage("A1", ownPhone, remove)
		same(t, "by us", w.view(got.UID).Message.Text, "text of A1")
		w.receiveMessage("A1", remove, at(w.now.Add(time.Minute)))
		w.receiveMessage("A1", edit("back again"), at(w.now.Add(time.Hour)))
		m := w.view(got.UID).Message
		same(t, "text", m.Text, "")
		same(t, "when", m.DeletedAt, w.now.Add(time.Minute))
		w.wantCode(w.store.FinishDownload(w.ctx(), w.ws.ID, got.MessageID, tideline.File{UID: "f"}), tideline.CodeNotFound)
		same(t, "comes again", w.receiveMessage("A1").Duplicate, true)
	},

	"AChangeThatOvertakesItsMessageIsKeptForIt": func(t *testing.T, w *world) {
		w.receiveMessage("A1", react("👍", w.now))
		w.receiveMessage("A1", edit("better"), at(w.now.Add(time.Minute)))
		w.receiveMessage("A2", remove)
		w.receiveMessage("A3", from(byLID), edit("by hidden id"))
		first, second, third := w.receiveMessage("A1"), w.receiveMessage("A2"), w.receiveMessage("A3")
		same(t, "edited", w.view(first.UID).Message.Text, "better")
		same(t, "reactions", w.reactions(first.UID), []string{"Ana 👍"})
		same(t, "deleted", w.view(second.UID).Message.Text, "")
		same(t, "edited by hidden id", w.view(third.UID).Message.Text, "by hidden id")
	},

	"AnAnswerNamesWhatItAnswers": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1")
		answer := w.receiveMessage("A2", func(r *store.Reception) { r.Message.ReplyTo = "A1" })
		same(t, "inbound", w.view(answer.UID).ReplyToUID, first.UID)
		in, out := w.accept(to("+14840000100", ""), func(a *store.Acceptance) { a.Message.ReplyTo = "A2" })
		same(t, "outbound", w.view(in.Message.UID).ReplyToUID, answer.UID)
		o, err := w.store.Outgoing(w.ctx(), out.MessageID)
		w.must(err)
		same(t, "quote", o.Quote, &tideline.Message{WhatsAppID: "A2", Sender: tideline.Peer{JID: anaJID, LID: anaLID}, Text: "text of A2"})
	},

	"AnAttachmentIsFetchedLater": func(t *testing.T, w *world) {
		media := func(r *store.Reception) {
			r.Message.Kind = tideline.KindImage
			r.Message.Media = &store.NewMedia{Name: "a.jpg", MIMEType: "image/jpeg", Size: 12, Ref: []byte{1, 2}}
		}
		got := w.receiveMessage("A1", media)
		same(t, "data", w.view(got.UID).Message.Data, map[string]string{"attachment": "downloading"})
		due, err := w.store.DueDownloads(w.ctx(), w.now.Add(time.Minute), 10)
		w.must(err)
		same(t, "due", due, []store.Download{{MessageID: got.MessageID, WorkspaceID: w.ws.ID, AccountID: w.acc.ID, DeviceJID: w.acc.DeviceJID, Kind: tideline.KindImage,
			Name: "a.jpg", MIMEType: "image/jpeg", Size: 12, Ref: []byte{1, 2}, SentAt: w.now}})
		w.must(w.store.PostponeDownload(w.ctx(), w.ws.ID, got.MessageID, w.now.Add(time.Hour), "offline"))
		due, err = w.store.DueDownloads(w.ctx(), w.now.Add(time.Minute), 10)
		w.must(err)
		same(t, "due after postponing", len(due), 0)
		next, err := w.store.NextDownload(w.ctx())
		w.must(err)
		same(t, "next", next, w.now.Add(time.Hour))
		other, _ := w.workspace("second", 10)
		w.wantCode(w.store.FinishDownload(w.ctx(), other.ID, got.MessageID, tideline.File{UID: "f1"}), tideline.CodeNotFound)
		w.must(w.store.FinishDownload(w.ctx(), w.ws.ID, got.MessageID, tideline.File{UID: "f1", Name: "a.jpg", MIMEType: "image/jpeg", Size: 12, Blob: "b", UploadedAt: w.now}))
		v := w.view(got.UID)
		if v.File == nil || v.File.UID != "f1" || v.File.WorkspaceID != w.ws.ID || len(v.Message.Data) != 0 {
			t.Errorf("file %+v, data %v", v.File, v.Message.Data)
		}
		lost := w.receiveMessage("A2", media)
		w.must(w.store.AbandonDownload(w.ctx(), w.ws.ID, lost.MessageID, tideline.AttachmentGone))
		same(t, "data of a lost one", w.view(lost.UID).Message.Data, map[string]string{"attachment": "gone"})
		next, err = w.store.NextDownload(w.ctx())
		w.must(err)
		same(t, "next after all", next, time.Time{})
	},

	"ARemovedAccountTakesNothingIn": func(t *testing.T, w *world) {
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		_, err := w.store.Receive(w.ctx(), w.reception("A1"))
		w.wantCode(err, tideline.CodeNotFound)
	},

	"NoWayIntoAnotherWorkspace": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1")
		other, _ := w.workspace("second", 10)
		_, err := w.store.Receive(w.ctx(), w.reception("A2", func(r *store.Reception) { r.WorkspaceID = other.ID }))
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.ChatView(w.ctx(), other.ID, got.ChatID)
		w.wantCode(err, tideline.CodeNotFound)
		_, _, err = w.store.ChatMessages(w.ctx(), other.ID, got.ChatID, store.MessageFilter{}, store.Page{Limit: 1})
		w.wantCode(err, tideline.CodeNotFound)
		w.wantCode(w.store.PutReaction(w.ctx(), other.ID, got.MessageID, "👍", w.now), tideline.CodeNotFound)
		w.wantCode(w.store.PutGroup(w.ctx(), other.ID, got.ChatID, tideline.Group{Subject: "mine"}), tideline.CodeNotFound)
		w.wantCode(w.store.NameContacts(w.ctx(), other.ID, w.acc.ID, []tideline.Peer{{JID: byBoth.JID, Name: "mine"}}), tideline.CodeNotFound)
		chats, _, err := w.store.ListChats(w.ctx(), other.ID, store.ChatFilter{}, store.Page{Limit: 10})
		w.must(err)
		same(t, "chats", len(chats), 0)
	},
}
