package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// historyOf is a part of a history with one chat; each reception is made as a live
// one would be.
func (w *world) historyOf(unread int, receptions ...store.Reception) store.History {
	return store.History{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chats: []store.HistoryChat{{Unread: unread, Receptions: receptions}}}
}

// remember stores a part of a history; it must succeed.
func (w *world) remember(unread int, receptions ...store.Reception) store.HistoryReceived {
	w.t.Helper()
	got, err := w.store.ReceiveHistory(w.ctx(), w.historyOf(unread, receptions...))
	w.must(err)
	return got
}

// onlyChat gives the only chat of the workspace.
func (w *world) onlyChat() store.ChatView {
	w.t.Helper()
	views, _, err := w.store.ListChats(w.ctx(), w.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
	w.must(err)
	if len(views) != 1 {
		w.t.Fatalf("%d chats, want one", len(views))
	}
	return views[0]
}

func status(s tideline.Status) func(*store.Reception) {
	return func(r *store.Reception) { r.Message.Status = s }
}

// byID gives the message of the only chat that has a WhatsApp id.
func (w *world) byID(id string) tideline.Message {
	w.t.Helper()
	views, _, err := w.store.ChatMessages(w.ctx(), w.ws.ID, w.onlyChat().Chat.ID, store.MessageFilter{}, store.Page{Limit: 100})
	w.must(err)
	i := slices.IndexFunc(views, func(v store.MessageView) bool { return v.Message.WhatsAppID == id })
	if i < 0 {
		w.t.Fatalf("no message %s", id)
	}
	return views[i].Message
}

var historyTests = map[string]func(*testing.T, *world){
	"WhatComesLiveAndAsHistoryAtTheSameTimeIsThereOnce": whatComesLiveAndAsHistory,
	"WhatIsSettledWhileChatsAreJoinedGoesAlong":         settlementsBesideATakeover,

	"AHistoryMakesAChatAsThePhoneHasIt": func(t *testing.T, w *world) {
		old := w.now.Add(-48 * time.Hour)
		got := w.remember(2,
			w.reception("A1", at(old)),
			w.reception("A2", at(old.Add(time.Hour)), ownPhone, status(tideline.StatusRead)),
			w.reception("A3", at(old.Add(2*time.Hour))),
			w.reception("A3", at(old.Add(2*time.Hour)), react("👍", old)),
			w.reception("A4", at(old.Add(3*time.Hour)), ownPhone, status(tideline.StatusSent)),
		)
		same(t, "outcome", got, store.HistoryReceived{Messages: 4, NewChats: 1})
		c := w.onlyChat()
		same(t, "chat", []any{c.Chat.Unread, c.Chat.Closed, c.Chat.CreatedAt, c.Chat.Name, c.Chat.LastMessageAt, c.Chat.LastMessageID},
			[]any{2, false, old, "Ana", old.Add(3 * time.Hour), w.byID("A4").ID})
		same(t, "texts", w.texts(c.Chat.ID, store.MessageFilter{}), []string{"text of A4", "text of A3", "text of A2", "text of A1"})
		for id, want := range map[string]tideline.Status{
			"A1": tideline.StatusDelivered, "A2": tideline.StatusRead, "A3": tideline.StatusDelivered, "A4": tideline.StatusSent,
		} {
			m := w.byID(id)
			same(t, id, []any{m.Status, m.Origin, m.Data, m.Credits}, []any{want, tideline.OriginWhatsApp, map[string]string{"history": "true"}, tideline.Credits(0)})
		}
		same(t, "history of our own", w.history(w.byID("A2").UID), []tideline.Status{tideline.StatusSent, tideline.StatusRead})
		same(t, "reactions", w.reactions(w.byID("A3").UID), []string{"Ana 👍"})
		same(t, "credits", w.balance().Used, tideline.Credits(0))
		w.receive(tideline.StatusDelivered, w.now, "A4")
		same(t, "receipt", w.byID("A4").Status, tideline.StatusDelivered)
		w.audit()
	},

	"AnExistingChatKeepsItsState": func(t *testing.T, w *world) {
		live := w.receiveMessage("L1")
		w.remember(7, w.reception("A1", at(w.now.Add(-time.Hour))), w.reception("A2", at(w.now.Add(-time.Minute)), ownPhone, status(tideline.StatusRead)))
		c := w.onlyChat().Chat
		same(t, "chat", []any{c.ID, c.Unread, c.Name, c.LastMessageID, c.LastMessageAt, c.CreatedAt},
			[]any{live.ChatID, 1, "Ana", live.MessageID, w.now, w.now.Add(-time.Hour)})
		same(t, "live message", w.byID("L1").Data, map[string]string(nil))
	},

	"AHistoryIsNoNews": func(t *testing.T, w *world) {
		w.causes("a history", func() {
			w.remember(3, w.reception("A1", at(w.now.Add(-time.Hour))), w.reception("A1", react("👍", w.now.Add(-time.Minute))),
				w.reception("A2", at(w.now.Add(-time.Hour)), withMedia), w.reception("A3", at(w.now.Add(-time.Hour)), ownPhone, status(tideline.StatusRead)))
			due, err := w.store.DueDownloads(w.ctx(), w.now.Add(time.Hour), 10)
			w.must(err)
			same(t, "downloads", len(due), 1)
			w.must(w.store.AbandonDownload(w.ctx(), w.ws.ID, due[0].MessageID, tideline.AttachmentGone))
		})
		w.causes("a message of it that also comes live", func() { w.receiveMessage("A1") }, tideline.EventMessageReceived)
		w.causes("one that was tried to be fetched", func() { w.receiveMessage("A2", withMedia) }, tideline.EventMessageReceived)
		w.causes("each once", func() { w.receiveMessage("A1"); w.receiveMessage("A2", withMedia); w.remember(0, w.reception("A1")) })
		w.remember(3, w.reception("A4", at(w.now.Add(-time.Hour)), withMedia))
		w.causes("one that is yet to be fetched", func() { w.receiveMessage("A4", withMedia) })
		due, err := w.store.DueDownloads(w.ctx(), w.now.Add(time.Hour), 10)
		w.must(err)
		w.causes("when it is", func() { w.must(w.store.AbandonDownload(w.ctx(), w.ws.ID, due[0].MessageID, tideline.AttachmentGone)) },
			tideline.EventMessageReceived)
	},

	"AHistoryThatComesAgainDoublesNothing": func(t *testing.T, w *world) {
		in, out := w.accept(to("+14840000100", ""))
		w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.At = w.now })
		before := w.balance()
		part := func() []store.Reception {
			return []store.Reception{
				w.reception("A1", at(w.now.Add(-time.Hour))),
				w.reception("A1", at(w.now.Add(-time.Hour)), edit("better"), at(w.now.Add(-time.Minute))),
				w.reception("A2", at(w.now.Add(-time.Hour)), ownPhone, status(tideline.StatusDelivered)),
				w.reception(in.Message.WhatsAppID, ownPhone, status(tideline.StatusRead)), // ours, as the phone shows it
			}
		}
		same(t, "first", w.remember(3, part()...).Messages, 2)
		want := w.onlyChat()
		for range 2 {
			same(t, "again", w.remember(9, part()...), store.HistoryReceived{})
		}
		same(t, "chat", w.onlyChat(), want)
		same(t, "texts", w.texts(want.Chat.ID, store.MessageFilter{}), []string{"hello", "text of A2", "better"})
		same(t, "ours", []any{w.byID(in.Message.WhatsAppID).Status, w.byID(in.Message.WhatsAppID).Data, w.byID(in.Message.WhatsAppID).Origin},
			[]any{tideline.StatusRead, map[string]string(nil), tideline.OriginPublicAPI})
		same(t, "credits", w.balance(), before)
		w.remember(0, w.reception("A2", ownPhone, status(tideline.StatusSent)))
		same(t, "never back", w.byID("A2").Status, tideline.StatusDelivered)
		w.audit()
	},

	"AMessageThatWaitsInTheQueueIsNotMovedByAHistory": func(t *testing.T, w *world) {
		in, out := w.accept(to("+14840000100", ""))
		w.remember(0, w.reception(in.Message.WhatsAppID, ownPhone, status(tideline.StatusRead)))
		same(t, "status", w.view(in.Message.UID).Message.Status, tideline.StatusPending)
		w.settle(out.MessageID, tideline.StatusSent)
		same(t, "status", w.view(in.Message.UID).Message.Status, tideline.StatusSent)
		w.audit()
	},

	"AMessageThatComesLiveAfterItsHistoryIsNews": func(t *testing.T, w *world) {
		w.receiveMessage("L1")
		w.remember(0, w.reception("A1"), w.reception("A2", ownPhone, status(tideline.StatusSent)))
		same(t, "unread", w.onlyChat().Chat.Unread, 1)
		got := w.receiveMessage("A1")
		same(t, "first time", []any{got.Duplicate, got.UID, w.onlyChat().Chat.Unread}, []any{false, w.byID("A1").UID, 2})
		same(t, "data", w.byID("A1").Data, map[string]string(nil))
		same(t, "second time", []any{w.receiveMessage("A1").Duplicate, w.onlyChat().Chat.Unread}, []any{true, 2})
		same(t, "own", []any{w.receiveMessage("A2", ownPhone).Duplicate, w.onlyChat().Chat.Unread, w.byID("A2").Data}, []any{false, 0, map[string]string(nil)})
		same(t, "texts", len(w.texts(w.onlyChat().Chat.ID, store.MessageFilter{})), 3)
	},

	"ChatsOfAHistoryAreInTheOrderOfTheirLastMessages": func(t *testing.T, w *world) {
		chat := func(n int, name string, last time.Time) store.HistoryChat {
			p := contact(n, name)
			return store.HistoryChat{Receptions: []store.Reception{
				w.reception(fmt.Sprint(name, 1), from(p), at(last.Add(-time.Hour))), w.reception(fmt.Sprint(name, 2), from(p), at(last)),
			}}
		}
		got, err := w.store.ReceiveHistory(w.ctx(), store.History{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chats: []store.HistoryChat{
			chat(101, "middle", w.now.Add(-2*time.Hour)), chat(102, "oldest", w.now.Add(-3*time.Hour)), chat(103, "latest", w.now),
		}})
		w.must(err)
		same(t, "outcome", got, store.HistoryReceived{Messages: 6, NewChats: 3})
		names, _ := w.names(store.ChatFilter{}, store.Page{Limit: 10})
		same(t, "order", names, []string{"latest", "middle", "oldest"})
	},

	"AHistoryNamesContactsAndJoinsTheirChats": func(t *testing.T, w *world) {
		meet := func(p ...tideline.Peer) {
			t.Helper()
			got, err := w.store.ReceiveHistory(w.ctx(), store.History{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Contacts: p})
			w.must(err)
			same(t, "outcome", got, store.HistoryReceived{})
		}
		meet(byBoth) // nobody yet
		names, _ := w.names(store.ChatFilter{}, store.Page{Limit: 10})
		same(t, "contacts make no chats", names, []string(nil))
		w.accept(to("+14840000100", ""))
		w.receiveMessage("A1", from(tideline.Peer{LID: anaLID}))
		meet(tideline.Peer{JID: anaJID, LID: anaLID})
		c := w.onlyChat().Chat
		same(t, "joined", []any{c.JID, c.LID, c.Name}, []any{anaJID, anaLID, "+14840000100"})
		meet(tideline.Peer{LID: anaLID, Name: "Ana"})
		same(t, "named", w.onlyChat().Chat.Name, "Ana")
		meet(tideline.Peer{JID: anaJID, Name: "Anna"})
		same(t, "keeps its name", w.onlyChat().Chat.Name, "Ana")
		w.remember(0, w.reception("G1", inGroup(tideline.Peer{JID: anaJID}), func(r *store.Reception) { r.Chat.Name = "" }))
		w.audit()
	},

	"AGroupOfAHistoryMayHaveNoName": func(t *testing.T, w *world) {
		unnamed := func(r *store.Reception) { r.Chat.Name = "" }
		got := w.remember(0, w.reception("G1", inGroup(byBoth), unnamed), w.reception("G2", inGroup(byLID), unnamed))
		same(t, "outcome", got, store.HistoryReceived{Messages: 2, NewChats: 1})
	},

	"AHistoryIsStoredWholeOrNotAtAll": func(t *testing.T, w *world) {
		bad := w.reception("A2")
		bad.Chat = tideline.Peer{}
		if _, err := w.store.ReceiveHistory(w.ctx(), w.historyOf(1, w.reception("A1"), bad)); err == nil {
			t.Error("a reception without a chat was stored")
		}
		other, _ := w.workspace("second", 10)
		h := w.historyOf(1, w.reception("A1"))
		h.WorkspaceID = other.ID
		_, err := w.store.ReceiveHistory(w.ctx(), h)
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.ReceiveHistory(w.ctx(), store.History{WorkspaceID: other.ID, AccountID: w.acc.ID, Contacts: []tideline.Peer{byBoth}})
		w.wantCode(err, tideline.CodeNotFound)
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		_, err = w.store.ReceiveHistory(w.ctx(), w.historyOf(1, w.reception("A1")))
		w.wantCode(err, tideline.CodeNotFound)
		names, _ := w.names(store.ChatFilter{}, store.Page{Limit: 10})
		same(t, "chats", names, []string(nil))
	},

	"AChunkOfAHistoryIsKeptUntilItIsRead": func(t *testing.T, w *world) {
		c := store.HistoryChunk{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chunk: "c1", Ref: []byte{1, 0, 2}, AnnouncedAt: w.now}
		second := c
		second.Chunk, second.AnnouncedAt = "c2", w.now.Add(time.Second)
		w.must(w.store.PutHistoryChunk(w.ctx(), c))
		w.must(w.store.PutHistoryChunk(w.ctx(), second))
		w.must(w.store.PutHistoryChunk(w.ctx(), store.HistoryChunk{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chunk: "c1", Ref: []byte("other"), AnnouncedAt: w.now.Add(-time.Hour)}))
		due := func(now time.Time) store.HistoryChunk {
			t.Helper()
			got, found, err := w.store.DueHistoryChunk(w.ctx(), now)
			w.must(err)
			same(t, "found", found, got.ID != 0)
			return got
		}
		same(t, "before", due(w.now.Add(-time.Second)), store.HistoryChunk{})
		first := due(w.now.Add(time.Minute))
		c.ID, c.DeviceJID = first.ID, w.acc.DeviceJID
		same(t, "due", first, c)
		w.must(w.store.PostponeHistoryChunk(w.ctx(), w.ws.ID, first.ID, w.now.Add(time.Hour), "offline"))
		same(t, "the other one", due(w.now.Add(time.Minute)).Chunk, "c2")
		next, err := w.store.NextHistoryChunk(w.ctx())
		w.must(err)
		same(t, "next", next, w.now.Add(time.Second))
		w.must(w.store.FinishHistoryChunk(w.ctx(), w.ws.ID, due(w.now.Add(time.Minute)).ID, w.now, ""))
		next, err = w.store.NextHistoryChunk(w.ctx())
		w.must(err)
		same(t, "next", next, w.now.Add(time.Hour))
		same(t, "attempts", due(w.now.Add(2*time.Hour)).Attempts, 1)
		other, _ := w.workspace("second", 10)
		w.wantCode(w.store.FinishHistoryChunk(w.ctx(), other.ID, first.ID, w.now, ""), tideline.CodeNotFound)
		w.wantCode(w.store.PostponeHistoryChunk(w.ctx(), other.ID, first.ID, w.now, ""), tideline.CodeNotFound)
		w.must(w.store.FinishHistoryChunk(w.ctx(), w.ws.ID, first.ID, w.now, "gone"))
		w.wantCode(w.store.FinishHistoryChunk(w.ctx(), w.ws.ID, first.ID, w.now, ""), tideline.CodeNotFound)
		w.wantCode(w.store.PostponeHistoryChunk(w.ctx(), w.ws.ID, first.ID, w.now, ""), tideline.CodeNotFound)
		// It is recognised for a while.
		again := func(at time.Time) store.HistoryChunk {
			t.Helper()
			w.must(w.store.Prune(w.ctx(), at))
			c.AnnouncedAt = at
			w.must(w.store.PutHistoryChunk(w.ctx(), c))
			return due(at)
		}
		same(t, "soon again", again(w.now.Add(time.Hour)), store.HistoryChunk{})
		same(t, "much later", again(w.now.Add(store.HistoryWindow+time.Hour)).Chunk, "c1")
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		same(t, "of a removed account", due(w.now.Add(2*store.HistoryWindow)).Removed, true)
		w.wantCode(w.store.PutHistoryChunk(w.ctx(), second), tideline.CodeNotFound)
		second.WorkspaceID = other.ID
		w.wantCode(w.store.PutHistoryChunk(w.ctx(), second), tideline.CodeNotFound)
	},
}

// testHistoryModel mixes what comes live with what a history says about the same
// chat, under any of the contact's addresses, in any order and repeated. What is
// shown at the end is what was said, however it came: every message once, marked
// only if it never came live, at its time, as it was last changed.
func testHistoryModel(t *testing.T, create func(testing.TB) Opener) {
	open := create(t)
	w := newWorld(t, open)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		acc := w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484666%04d", serial)))
		const n = 6
		type step struct {
			Messages []int // of a part; one when live
			Kind     int   // 0, 1 message, 2 reaction, 3 edit, 4 deletion
			Peer     int
			Past     bool
		}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			s := step{Kind: rapid.IntRange(0, 4).Draw(t, "kind"), Peer: rapid.IntRange(0, 2).Draw(t, "peer"), Past: rapid.Bool().Draw(t, "past")}
			most := 1
			if s.Past {
				most = 4
			}
			s.Messages = rapid.SliceOfN(rapid.IntRange(0, n-1), 1, most).Draw(t, "messages")
			return s
		}), 1, 25).Draw(rt, "steps")
		type message struct {
			Text, Emoji  string
			Mark         bool
			Status       tideline.Status
			At           time.Time
			here, edited bool
			gone         bool
		}
		model := make([]message, n)
		build := func(i int, s step) store.Reception {
			m := &model[i]
			said := w.now.Add(time.Duration(i) * time.Minute)
			change := []func(*store.Reception){from([]tideline.Peer{byNumber, byLID, byBoth}[s.Peer]), at(said), func(r *store.Reception) { r.AccountID = acc.ID }}
			if i%2 == 1 {
				change = append(change, ownPhone)
			}
			switch s.Kind {
			case 2:
				change, m.Emoji = append(change, react("👍", said)), "👍"
			case 3:
				change, m.edited = append(change, edit("edited"), at(said.Add(time.Hour))), true
			case 4:
				change, m.gone = append(change, remove, at(said.Add(2*time.Hour))), true
			default:
				m.Mark = s.Past && (!m.here || m.Mark)
				m.here, m.At = true, said
				if m.Status == "" {
					m.Status = tideline.StatusDelivered
					if i%2 == 1 {
						m.Status = tideline.StatusSent
					}
				}
				if s.Past && i%2 == 1 {
					change, m.Status = append(change, status(tideline.StatusRead)), tideline.StatusRead
				}
			}
			return w.reception(fmt.Sprint("M", i), change...)
		}
		for _, s := range steps {
			if !s.Past {
				if _, err := w.store.Receive(context.Background(), build(s.Messages[0], s)); err != nil {
					rt.Fatalf("receive: %v", err)
				}
				continue
			}
			h := store.History{WorkspaceID: w.ws.ID, AccountID: acc.ID, Chats: []store.HistoryChat{{Unread: 3}}}
			for _, i := range s.Messages {
				h.Chats[0].Receptions = append(h.Chats[0].Receptions, build(i, s))
			}
			if _, err := w.store.ReceiveHistory(context.Background(), h); err != nil {
				rt.Fatalf("receive history: %v", err)
			}
		}
		last := w.reception("last", at(w.now.Add(-time.Hour)), func(r *store.Reception) { r.AccountID = acc.ID }) // both addresses: one chat
		got, err := w.store.Receive(context.Background(), last)
		if err != nil {
			rt.Fatalf("receive: %v", err)
		}
		views, _, err := w.store.ChatMessages(context.Background(), w.ws.ID, got.ChatID, store.MessageFilter{OldestFirst: true}, store.Page{Limit: 100})
		if err != nil {
			rt.Fatalf("chat messages: %v", err)
		}
		var shown, want []any
		lastID := int64(0)
		for _, v := range views {
			if lastID = v.Message.ID; v.Message.WhatsAppID == "last" {
				continue
			}
			emoji := ""
			for _, r := range v.Reactions {
				emoji += r.Emoji
			}
			shown = append(shown, []any{v.Message.WhatsAppID, v.Message.Text, emoji, v.Message.Data["history"] != "", v.Message.Status, v.Message.SentAt})
		}
		for i, m := range model {
			if !m.here {
				continue
			}
			text := fmt.Sprint("text of M", i)
			switch {
			case m.gone:
				text, m.Mark = "", false
			case m.edited:
				text = "edited"
			}
			want = append(want, []any{fmt.Sprint("M", i), text, m.Emoji, m.Mark, m.Status, m.At})
		}
		same(rt, "messages", shown, want)
		chat, err := w.store.ChatView(context.Background(), w.ws.ID, got.ChatID)
		if err != nil {
			rt.Fatalf("chat view: %v", err)
		}
		same(rt, "last message", chat.Chat.LastMessageID, lastID)
	})
}
