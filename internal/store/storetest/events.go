package storetest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// events reads all events of the world's workspace after one, in small pages.
func (w *world) events(after int64) []store.EventView {
	w.t.Helper()
	var all []store.EventView
	for {
		page, more, err := w.store.ListEvents(w.ctx(), w.ws.ID, after, 3)
		w.must(err)
		all = append(all, page...)
		if !more {
			return all
		}
		after = page[len(page)-1].Event.ID
	}
}

// lastEvent is the id of the latest event.
func (w *world) lastEvent() int64 {
	w.t.Helper()
	if all := w.events(0); len(all) > 0 {
		return all[len(all)-1].Event.ID
	}
	return 0
}

// kinds gives the kinds of the events after one.
func (w *world) kinds(after int64) []tideline.EventType {
	w.t.Helper()
	kinds := []tideline.EventType{}
	for _, v := range w.events(after) {
		kinds = append(kinds, v.Event.Kind)
	}
	return kinds
}

// causes runs fn and compares the kinds of the events that it caused.
func (w *world) causes(what string, fn func(), want ...tideline.EventType) {
	w.t.Helper()
	before := w.lastEvent()
	fn()
	same(w.t, what, w.kinds(before), append([]tideline.EventType{}, want...))
}

func withMedia(r *store.Reception) {
	r.Message.Kind = tideline.KindImage
	r.Message.Media = &store.NewMedia{Name: "a.jpg", MIMEType: "image/jpeg", Size: 3, Ref: []byte("ref")}
}

// reacting makes a reception a reaction to a message.
func reacting(target, emoji string, at time.Time) func(*store.Reception) {
	return func(r *store.Reception) {
		r.Message, r.Reaction = nil, &store.NewReaction{Target: target, Emoji: emoji, At: at}
	}
}

var eventTests = map[string]func(*testing.T, *world){
	"AcceptingMakesOneOnlyWhenItMakesAChat": func(t *testing.T, w *world) {
		w.causes("first message", func() { w.accept() }, tideline.EventChatOutgoing)
		w.causes("more messages", func() {
			for range 5 {
				w.accept()
			}
		})
	},

	"MessagesThatEndMakeOne": func(t *testing.T, w *world) {
		_, sent := w.accept()
		_, failed := w.accept()
		after := w.lastEvent()
		w.settle(sent.MessageID, tideline.StatusSent)
		w.settle(sent.MessageID, tideline.StatusSent)
		w.settle(failed.MessageID, "")
		w.settle(failed.MessageID, tideline.StatusFailed)
		w.receive(tideline.StatusDelivered, w.now, w.view(sent.UID).Message.WhatsAppID)
		got := w.events(after)
		same(t, "kinds", w.kinds(after), []tideline.EventType{tideline.EventMessageSent, tideline.EventMessageFailed})
		v := got[0]
		same(t, "event", v.Event, tideline.Event{ID: v.Event.ID, UID: v.Event.UID, WorkspaceID: w.ws.ID, Kind: tideline.EventMessageSent,
			At: w.now, AccountID: w.acc.ID, ChatID: sent.ChatID, MessageID: sent.MessageID})
		same(t, "workspace", v.Workspace, tideline.Workspace{ID: w.ws.ID, Slug: w.ws.Slug, TimeZone: "UTC"})
		same(t, "message", v.Message.Message.UID, sent.UID)
		same(t, "who sent it", v.Message.MemberName, w.owner.DisplayName)
		same(t, "chat", v.Chat.Chat.Phone, tideline.Phone("+14840000099"))
		same(t, "account", v.Account.Account.JID, w.acc.JID)
		id, err := w.store.EventID(w.ctx(), w.ws.ID, v.Event.UID)
		w.must(err)
		same(t, "found by uid", id, v.Event.ID)
	},

	"AReceiptThatProvesASendMakesItSent": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.receive(tideline.StatusDelivered, w.now, in.Message.WhatsAppID)
		w.causes("settled as failed", func() { w.settle(out.MessageID, tideline.StatusFailed) }, tideline.EventMessageSent)
	},

	"WhatComesInMakesThemInOrder": func(t *testing.T, w *world) {
		w.causes("first message", func() { w.receiveMessage("A") }, tideline.EventChatIncoming, tideline.EventMessageReceived)
		w.causes("again", func() { w.receiveMessage("A") })
		w.causes("from the phone", func() { w.receiveMessage("B", ownPhone) }, tideline.EventMessageSent)
		w.causes("a group", func() { w.receiveMessage("C", inGroup(byBoth)) }, tideline.EventChatNew, tideline.EventMessageReceived)
		w.causes("begun on the phone", func() {
			w.receiveMessage("D", ownPhone, func(r *store.Reception) { r.Chat = tideline.Peer{JID: "14840000555@s.whatsapp.net"} })
		}, tideline.EventChatOutgoing, tideline.EventMessageSent)
		w.causes("echo of a send", func() {
			in, out := w.accept()
			w.settle(out.MessageID, tideline.StatusSent)
			w.receiveMessage(in.Message.WhatsAppID, ownPhone, func(r *store.Reception) { r.Chat = tideline.Peer{JID: in.Chat.JID} })
		}, tideline.EventChatOutgoing, tideline.EventMessageSent)
		w.causes("an edit", func() {
			_, err := w.store.Receive(w.ctx(), w.reception("", func(r *store.Reception) {
				r.Message, r.Edit = nil, &store.NewEdit{Target: "A", Text: "changed"}
			}))
			w.must(err)
		})
	},

	"CallsMakeTheirOwn": func(t *testing.T, w *world) {
		w.receiveMessage("A")
		for i, c := range []struct {
			fromMe bool
			status tideline.Status
			want   tideline.EventType
		}{
			{false, tideline.CallMissed, tideline.EventCallMissed},
			{false, tideline.CallAnswered, tideline.EventCallEnded},
			{false, tideline.CallRejected, tideline.EventCallEnded},
			{true, tideline.CallMissed, tideline.EventCallOutgoingDone},
		} {
			w.causes(string(c.status), func() {
				w.receiveMessage(string(rune('a'+i)), func(r *store.Reception) {
					r.FromMe, r.Message.Kind, r.Message.Status = c.fromMe, tideline.KindCall, c.status
				})
			}, c.want)
		}
	},

	"AttachmentsAreWaitedForOnce": func(t *testing.T, w *world) {
		w.receiveMessage("first")
		ends := map[string]func(got store.Received) error{
			"fetched": func(got store.Received) error {
				f := w.file("a.jpg")
				f.UID += "x"
				return w.store.FinishDownload(w.ctx(), w.ws.ID, got.MessageID, f)
			},
			"postponed": func(got store.Received) error {
				return w.store.PostponeDownload(w.ctx(), w.ws.ID, got.MessageID, w.now, "offline")
			},
			"given up": func(got store.Received) error {
				return w.store.AbandonDownload(w.ctx(), w.ws.ID, got.MessageID, tideline.AttachmentGone)
			},
			"deleted": func(store.Received) error {
				_, err := w.store.Receive(w.ctx(), w.reception("", func(r *store.Reception) {
					r.Message, r.Delete = nil, &store.NewDeletion{Target: "deleted"}
				}))
				return err
			},
		}
		for name, end := range ends {
			var got store.Received
			w.causes(name+": received", func() { got = w.receiveMessage(name, withMedia) })
			w.causes(name, func() { w.must(end(got)) }, tideline.EventMessageReceived)
			last := w.events(w.lastEvent() - 1)
			same(t, name+": message", last[len(last)-1].Event.MessageID, got.MessageID)
			w.causes(name+": afterwards", func() { _ = w.store.AbandonDownload(w.ctx(), w.ws.ID, got.MessageID, tideline.AttachmentGone) })
		}
	},

	"AttachmentsSentFromThePhoneAreSent": func(t *testing.T, w *world) {
		got := w.receiveMessage("A", withMedia, ownPhone)
		w.causes("fetched", func() {
			w.must(w.store.AbandonDownload(w.ctx(), w.ws.ID, got.MessageID, tideline.AttachmentGone))
		}, tideline.EventMessageSent)
	},

	"ReactionsTellWhatChanged": func(t *testing.T, w *world) {
		got := w.receiveMessage("A")
		react := func(emoji string, at time.Duration, change ...func(*store.Reception)) {
			t.Helper()
			w.receiveMessage("", append([]func(*store.Reception){reacting("A", emoji, w.now.Add(at))}, change...)...)
		}
		var detail tideline.EventDetail
		one := func(what string, fn func()) {
			t.Helper()
			w.causes(what, fn, tideline.EventReaction)
			all := w.events(0)
			e := all[len(all)-1].Event
			detail = e.Detail
			same(t, what+": message", e.MessageID, got.MessageID)
		}
		ana := tideline.Peer{JID: anaJID, LID: anaLID, Name: "Ana"}
		one("first", func() { react("👍", 1*time.Second) })
		same(t, "first", detail, tideline.EventDetail{Emoji: "👍", Reactor: &ana, Reactions: map[string]int{"👍": 1}})
		w.causes("the same again", func() { react("👍", 2*time.Second) })
		w.causes("an older one", func() { react("🔥", 0) })
		one("own", func() { react("👍", 3*time.Second, ownPhone) })
		same(t, "own", detail, tideline.EventDetail{Emoji: "👍", Own: true, Reactions: map[string]int{"👍": 2}})
		one("another", func() { react("🔥", 4*time.Second) })
		same(t, "another", detail, tideline.EventDetail{Emoji: "🔥", Previous: "👍", Reactor: &ana, Reactions: map[string]int{"👍": 1, "🔥": 1}})
		one("taken back", func() { react("", 5*time.Second) })
		same(t, "taken back", detail, tideline.EventDetail{Previous: "🔥", Reactor: &ana, Reactions: map[string]int{"👍": 1}})
		one("by a member", func() { w.must(w.store.PutReaction(w.ctx(), w.ws.ID, got.MessageID, "🎉", w.now.Add(6*time.Second))) })
		same(t, "by a member", detail, tideline.EventDetail{Emoji: "🎉", Previous: "👍", Own: true, Reactions: map[string]int{"🎉": 1}})
		w.causes("its echo", func() { react("🎉", 6*time.Second, ownPhone) })
	},

	"AReactionBeforeItsMessageIsToldWithIt": func(t *testing.T, w *world) {
		w.receiveMessage("first")
		w.causes("reaction", func() { w.receiveMessage("", reacting("late", "👍", w.now)) })
		w.causes("message", func() { w.receiveMessage("late") }, tideline.EventMessageReceived, tideline.EventReaction)
		all := w.events(0)
		same(t, "reactions", all[len(all)-1].Event.Detail.Reactions, map[string]int{"👍": 1})
		same(t, "shown", len(all[len(all)-1].Message.Reactions), 1)
	},

	"AccountsTellOnlyWhatLasts": func(t *testing.T, w *world) {
		same(t, "paired", w.kinds(0), []tideline.EventType{tideline.EventAccountConnected})
		set := func(states ...tideline.AccountState) func() {
			return func() {
				for _, s := range states {
					w.must(w.store.SetAccountState(w.ctx(), w.acc.ID, s, "because", w.now))
				}
			}
		}
		w.causes("an interruption", set(tideline.AccountDisconnected, tideline.AccountConnecting, tideline.AccountActive))
		w.causes("logged out", set(tideline.AccountLoggedOut, tideline.AccountLoggedOut), tideline.EventAccountDisconnected)
		all := w.events(0)
		same(t, "detail", all[len(all)-1].Event.Detail, tideline.EventDetail{State: tideline.AccountLoggedOut, Reason: "because"})
		w.causes("paired again", set(tideline.AccountConnecting, tideline.AccountActive), tideline.EventAccountConnected)
		w.causes("removed", func() {
			w.accept()
			w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		}, tideline.EventChatOutgoing, tideline.EventMessageFailed, tideline.EventAccountDisconnected)
		all = w.events(0)
		if v := all[len(all)-1]; v.Account == nil || !v.Account.Removed {
			t.Errorf("the account of the last event is %+v, want it removed", v.Account)
		}
	},

	"WhatIsRefusedMakesNone": func(t *testing.T, w *world) {
		w.causes("refused", func() {
			w.wantCode(w.store.SetAccountState(w.ctx(), 9999, tideline.AccountActive, "", w.now), tideline.CodeNotFound)
			w.wantCode(w.store.RemoveAccount(w.ctx(), w.ws.ID, 9999, w.now), tideline.CodeNotFound)
			_, err := w.store.Receive(w.ctx(), w.reception("A", func(r *store.Reception) { r.AccountID = 9999 }))
			w.wantCode(err, tideline.CodeNotFound)
			w.wantCode(w.store.Accept(w.ctx(), w.acceptance(func(a *store.Acceptance) { a.Message.FileID = 9999 })).Err, tideline.CodeNotFound)
			w.wantCode(w.store.Accept(w.ctx(), w.acceptance(func(a *store.Acceptance) { a.Message.Credits = 5000 })).Err, tideline.CodeQuotaExceeded)
		})
	},

	"WhatFailsInABatchLeavesNone": func(t *testing.T, w *world) {
		taken := w.view(w.receiveMessage("first").UID).Message.UID
		w.causes("one bad among good ones", func() {
			errs := make([]error, 12)
			together(len(errs), func(i int) {
				_, errs[i] = w.store.Receive(w.ctx(), w.reception("M"+string(rune('a'+i)), func(r *store.Reception) {
					if i == 5 { // in a chat of its own, so that it fails after its chat is made
						r.Message.UID = taken
						from(tideline.Peer{JID: "14840000333@s.whatsapp.net"})(r)
					}
				}))
			})
			for i, err := range errs {
				if (err != nil) != (i == 5) {
					t.Errorf("message %d: %v", i, err)
				}
			}
		}, slices.Repeat([]tideline.EventType{tideline.EventMessageReceived}, 11)...)
	},

	"TheyAreKeptApartByWorkspace": func(t *testing.T, w *world) {
		w.receiveMessage("A")
		other, _ := w.workspace("second", 10)
		got, more, err := w.store.ListEvents(w.ctx(), other.ID, 0, 10)
		w.must(err)
		same(t, "events of another workspace", len(got), 0)
		same(t, "more", more, false)
		_, err = w.store.EventID(w.ctx(), other.ID, w.events(0)[0].Event.UID)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"WhoAsksIsToldOfThem": func(t *testing.T, w *world) {
		var told atomic.Int64
		s := w.another()
		s.OnEvents(func() { told.Add(1) })
		_, err := s.Receive(w.ctx(), w.reception("A"))
		w.must(err)
		if told.Load() == 0 {
			t.Error("nobody was told of an event")
		}
		before := told.Load()
		_, err = s.Receive(w.ctx(), w.reception("A"))
		w.must(err)
		same(t, "told of nothing", told.Load(), before)
	},

	"AChatThatWasTakenOverIsShownAsTheOther": func(t *testing.T, w *world) {
		hidden := w.receiveMessage("A", from(byLID))
		number := w.receiveMessage("B", from(byNumber))
		both := w.receiveMessage("C", from(byBoth))
		same(t, "one chat", both.ChatID, number.ChatID)
		if hidden.ChatID == both.ChatID {
			t.Fatal("the chats were one from the beginning")
		}
		for _, v := range w.events(0) {
			if v.Event.ChatID != 0 && (v.Event.ChatID != both.ChatID || v.Chat.Chat.ID != both.ChatID) {
				t.Errorf("%s is in chat %d, shown as %d, want %d", v.Event.Kind, v.Event.ChatID, v.Chat.Chat.ID, both.ChatID)
			}
		}
	},

	// Many transactions append at the same time. Whoever goes on after the last
	// event it saw must see all of them.
	"AReaderMissesNone": func(t *testing.T, w *world) {
		stores := []store.Store{w.store, w.another()}
		const writers, each = 8, 15
		accounts := []tideline.Account{w.acc, w.account(w.ws, "+14840000002"), w.account(w.ws, "+14840000003"), w.account(w.ws, "+14840000004")}
		var running atomic.Int64
		running.Store(writers)
		var seen []int64
		together(writers+1, func(i int) {
			if i == writers {
				for after := int64(0); ; {
					last := running.Load() == 0
					page, _, err := w.store.ListEvents(w.ctx(), w.ws.ID, after, 50)
					if err != nil {
						t.Error(err)
						return
					}
					for _, v := range page {
						seen = append(seen, v.Event.ID)
						after = v.Event.ID
					}
					if last && len(page) == 0 {
						return
					}
				}
			}
			defer running.Add(-1)
			for n := range each {
				acc := accounts[(i+n)%len(accounts)]
				s := stores[i%2]
				var err error
				if n%3 == 0 { // an ordinary transaction, which runs beside the batches
					state := []tideline.AccountState{tideline.AccountLoggedOut, tideline.AccountActive}[n%2]
					err = s.SetAccountState(w.ctx(), acc.ID, state, "", w.now)
				} else {
					_, err = s.Receive(w.ctx(), w.reception(string(rune('A'+i))+string(rune('a'+n)), func(r *store.Reception) { r.AccountID = acc.ID }))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		var all []int64
		for _, v := range w.events(0) {
			all = append(all, v.Event.ID)
		}
		if !slices.Equal(seen, all) {
			t.Errorf("the reader saw %d of %d events", len(seen), len(all))
		}
	},
}
