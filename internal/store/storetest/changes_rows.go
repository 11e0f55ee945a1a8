package storetest

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// announcements says, for every method of store.Store that writes, which changes
// it announces. The rows share a world, so each works with things of its own.
var announcements = map[string]func(*listener){
	"Accept": func(l *listener) {
		var in store.Acceptance
		var first, second store.Accepted
		l.does("a first message", func() { in, first = l.accept(l.toFresh) })
		l.announced(l.chatChange(first.ChatID), l.messageChange(first.ChatID, first.MessageID))
		again := func(a *store.Acceptance) { a.Chat = in.Chat }
		l.does("a second", func() { _, second = l.accept(again) })
		l.announced(l.messageChange(first.ChatID, second.MessageID))
		l.does("one with a new label", func() {
			_, second = l.accept(again, func(a *store.Acceptance) { a.Label = "a label of acceptance" })
		})
		l.announced(l.messageChange(first.ChatID, second.MessageID), l.chatChange(first.ChatID), l.settingsChange())
	},
	"Settle": func(l *listener) {
		_, a := l.queue()
		_, b := l.queue()
		l.announces("another attempt", func() { l.settle(a.MessageID, "") }, l.queueChange(l.acc.ID))
		l.announces("sent", func() { l.settle(a.MessageID, tideline.StatusSent) }, l.messageChange(a.ChatID, a.MessageID))
		l.announces("again", func() { l.settle(a.MessageID, tideline.StatusSent) })
		l.announces("failed", func() { l.settle(b.MessageID, tideline.StatusFailed) }, l.messageChange(b.ChatID, b.MessageID))
	},
	"ApplyReceipts": func(l *listener) {
		in, a := l.queue()
		l.settle(a.MessageID, tideline.StatusSent)
		read := func() { l.receive(tideline.StatusRead, l.now, in.Message.WhatsAppID) }
		l.announces("read", read, l.messageChange(a.ChatID, a.MessageID))
		l.announces("again", read)
		l.announces("of an unknown message", func() { l.receive(tideline.StatusRead, l.now, l.freshID()) })
	},
	"Receive": receivedChanges,
	"ReceiveHistory": func(l *listener) {
		p, id := l.fresh(), l.freshID()
		old := l.reception(id, from(p), at(l.now.Add(-time.Hour)))
		var chat int64
		l.does("what was not there", func() {
			l.remember(2, old)
			c, err := l.store.ChatByName(l.ctx(), l.ws.ID, p.Name)
			l.must(err)
			chat = c.ID
		})
		l.announced(l.chatChange(chat), l.messageChange(chat, l.messageIn(chat)))
		l.announces("again", func() { l.remember(2, old) })
		l.announces("the same live", func() { l.receiveMessage(id, from(p)) }, l.messageChange(chat, l.messageIn(chat)))
		l.announces("who a contact is", func() {
			q := p
			q.LID = "4711" + p.LID
			_, err := l.store.ReceiveHistory(l.ctx(), store.History{WorkspaceID: l.ws.ID, AccountID: l.acc.ID, Contacts: []tideline.Peer{q}})
			l.must(err)
		}, l.chatChange(chat))
	},
	"PutReaction": func(l *listener) {
		m := l.freshChat()
		smile := func() { l.must(l.store.PutReaction(l.ctx(), l.ws.ID, m.MessageID, "🙂", l.now)) }
		l.announces("one", smile, l.messageChange(m.ChatID, m.MessageID))
		l.announces("the same again", smile)
	},

	"FinishDownload": func(l *listener) {
		m := l.receiveMessage(l.freshID(), from(l.fresh()), withMedia)
		l.announces("finished", func() {
			l.must(l.store.FinishDownload(l.ctx(), l.ws.ID, m.MessageID, tideline.File{UID: uuid.NewString(), Name: "a.jpg", MIMEType: "image/jpeg", UploadedAt: l.now}))
		}, l.messageChange(m.ChatID, m.MessageID))
	},
	"PostponeDownload": func(l *listener) {
		m := l.receiveMessage(l.freshID(), from(l.fresh()), withMedia)
		l.announces("postponed", func() {
			l.must(l.store.PostponeDownload(l.ctx(), l.ws.ID, m.MessageID, l.now.Add(time.Hour), "no answer"))
		})
	},
	"AbandonDownload": func(l *listener) {
		m := l.receiveMessage(l.freshID(), from(l.fresh()), withMedia)
		l.announces("given up", func() { l.must(l.store.AbandonDownload(l.ctx(), l.ws.ID, m.MessageID, tideline.AttachmentGone)) },
			l.messageChange(m.ChatID, m.MessageID))
	},

	"UpdateChat": func(l *listener) {
		c := l.freshChat().ChatID
		ben := l.member("ben.of.chats@example.com", tideline.RoleAgent)
		set := func(what string, change func(*store.ChatUpdate), want ...tideline.Change) {
			l.t.Helper()
			l.announces(what, func() { l.update(c, change) }, want...)
		}
		set("name", func(u *store.ChatUpdate) { u.Name = ptr("A chosen name") }, l.chatChange(c))
		set("read", func(u *store.ChatUpdate) { u.Read = ptr(true) }, l.chatChange(c))
		set("read again", func(u *store.ChatUpdate) { u.Read = ptr(true) })
		set("closed", func(u *store.ChatUpdate) { u.Closed = ptr(true) }, l.chatChange(c))
		set("closed again", func(u *store.ChatUpdate) { u.Closed = ptr(true) })
		set("auto-reply", func(u *store.ChatUpdate) { u.AutoReply = ptr(true) }, l.chatChange(c))
		set("assigned", func(u *store.ChatUpdate) { u.Responsible = &l.owner.ID }, l.chatChange(c))
		set("to somebody else", func(u *store.ChatUpdate) { u.Responsible = &ben.ID }, l.lostChange(c, l.owner.ID))
		set("to nobody", func(u *store.ChatUpdate) { u.Responsible = ptr(int64(0)) }, l.lostChange(c, ben.ID))
		set("nothing", func(*store.ChatUpdate) {})
	},
	"PutLabels": func(l *listener) {
		c := l.freshChat().ChatID
		put := func() {
			_, err := l.store.PutLabels(l.ctx(), l.ws.ID, c, []string{"a label of the chat"}, true)
			l.must(err)
		}
		l.announces("a new label", put, l.chatChange(c), l.settingsChange())
		l.announces("one that is there", put, l.chatChange(c))
	},
	"AddNote": func(l *listener) {
		c := l.freshChat().ChatID
		var uid string
		l.does("a note", func() { uid = l.note(c, "she paid", l.now) })
		l.announced(l.messageChange(c, l.view(uid).Message.ID))
	},

	"NameContacts": func(l *listener) {
		p := l.fresh()
		c := l.receiveMessage(l.freshID(), from(p)).ChatID
		name := func() {
			l.must(l.store.NameContacts(l.ctx(), l.ws.ID, l.acc.ID, []tideline.Peer{{JID: p.JID, Name: "New name of " + p.Name}, {JID: "1@s.whatsapp.net", Name: "x"}}))
		}
		l.announces("a new name", name, l.chatChange(c))
		l.announces("the same", name)
	},
	"PutGroup": func(l *listener) {
		c := l.receiveMessage(l.freshID(), inGroup(l.fresh())).ChatID
		l.announces("its members", func() { l.putGroup(c) }, l.chatChange(c))
		l.announces("the same", func() { l.putGroup(c) })
		l.announces("a subject", func() { l.putGroup(c, func(g *tideline.Group) { g.Subject = "Orchestra" }) }, l.chatChange(c))
		l.announces("left", func() { l.putGroup(c, func(g *tideline.Group) { g.Bar = tideline.BarLeft }) }, l.chatChange(c))
	},
	"FinishProfile": func(l *listener) {
		c := l.freshChat().ChatID
		p := store.Profile{ChatID: c, WorkspaceID: l.ws.ID, AccountID: l.acc.ID}
		l.announces("a picture", func() { l.must(l.store.FinishProfile(l.ctx(), p, l.now, l.picture("p1"))) }, l.chatChange(c))
		l.announces("no news", func() { l.must(l.store.FinishProfile(l.ctx(), p, l.now, nil)) })
	},
	"LookAgain": func(l *listener) {
		p := l.fresh()
		l.receiveMessage(l.freshID(), from(p))
		l.announces("that WhatsApp will be asked", func() { l.must(l.store.LookAgain(l.ctx(), l.ws.ID, l.acc.ID, p, l.now, time.Minute)) })
	},
	"LookAtGroups": func(l *listener) {
		l.announces("that WhatsApp will be asked", func() { l.must(l.store.LookAtGroups(l.ctx(), l.ws.ID, l.acc.ID, l.now)) })
	},
	"PostponeProfile": func(l *listener) {
		p := store.Profile{ChatID: l.freshChat().ChatID, WorkspaceID: l.ws.ID, AccountID: l.acc.ID}
		l.announces("that WhatsApp will be asked later", func() { l.must(l.store.PostponeProfile(l.ctx(), p, l.now)) })
	},
	"SeenChats": func(l *listener) {
		c := l.freshChat().ChatID
		l.announces("what the server looked at", func() { l.must(l.store.SeenChats(l.ctx(), c, l.now)) })
	},
	"ForgetBlob": func(l *listener) {
		l.announces("bytes that nothing refers to", func() { l.must(l.store.ForgetBlob(l.ctx(), "files/none")) })
	},

	"PutHistoryChunk": func(l *listener) {
		l.announces("what is yet to be read", func() { l.chunk("c-put") })
	},
	"PostponeHistoryChunk": func(l *listener) {
		c := l.chunk("c-postponed")
		l.announces("when it is read", func() { l.must(l.store.PostponeHistoryChunk(l.ctx(), l.ws.ID, c.ID, l.now.Add(time.Hour), "x")) })
		l.must(l.store.FinishHistoryChunk(l.ctx(), l.ws.ID, c.ID, l.now, ""))
	},
	"FinishHistoryChunk": func(l *listener) {
		c := l.chunk("c-finished")
		l.announces("that it is read", func() { l.must(l.store.FinishHistoryChunk(l.ctx(), l.ws.ID, c.ID, l.now, "")) })
	},
}

// receivedChanges is the row of Receive.
func receivedChanges(l *listener) {
	p, id := l.fresh(), l.freshID()
	var got store.Received
	l.does("a first message", func() { got = l.receiveMessage(id, from(p)) })
	chat, message := l.chatChange(got.ChatID), l.messageChange(got.ChatID, got.MessageID)
	l.announced(chat, message)
	change := func(what string, how func(*store.Reception), want ...tideline.Change) {
		l.t.Helper()
		l.announces(what, func() { l.receiveMessage(id, from(p), how) }, want...)
	}
	change("the same again", func(*store.Reception) {})
	change("a reaction", react("🙂", l.now), message)
	change("the same reaction", react("🙂", l.now))
	change("an edit", edit("better"), message)
	change("a deletion", remove, message)
	change("a second deletion", remove)
	l.announces("what changes a message that is not there", func() { l.receiveMessage(l.freshID(), from(p), edit("x")) })

	// The same person, first by hidden id only, is two chats until both are named at once.
	q := l.fresh()
	hidden := l.receiveMessage(l.freshID(), from(tideline.Peer{LID: q.LID, Name: q.Name}))
	l.update(hidden.ChatID, func(u *store.ChatUpdate) { u.Responsible = &l.owner.ID })
	known := l.receiveMessage(l.freshID(), from(tideline.Peer{JID: q.JID, Name: q.Name}))
	var joined store.Received
	l.does("who is who", func() { joined = l.receiveMessage(l.freshID(), from(q)) })
	l.announced(l.lostChange(hidden.ChatID, l.owner.ID), l.chatChange(known.ChatID), l.messageChange(known.ChatID, joined.MessageID))
}

// announced compares what the last fn announced with changes.
func (l *listener) announced(want ...tideline.Change) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	same(l.t, l.last, distinctChanges(l.heard), distinctChanges(want))
}

// messageIn gives the id of the latest message of a chat.
func (l *listener) messageIn(chatID int64) int64 {
	l.t.Helper()
	views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, chatID, store.MessageFilter{}, store.Page{Limit: 1})
	l.must(err)
	return views[0].Message.ID
}

// chunk announces a chunk of history and gives it back as the only due one.
func (l *listener) chunk(name string) store.HistoryChunk {
	l.t.Helper()
	l.must(l.store.PutHistoryChunk(l.ctx(), store.HistoryChunk{WorkspaceID: l.ws.ID, AccountID: l.acc.ID, Chunk: name, Ref: []byte("ref"),
		AnnouncedAt: l.now.Add(-time.Duration(l.serial.Add(1)) * time.Hour)}))
	c, _, err := l.store.DueHistoryChunk(l.ctx(), l.now)
	l.must(err)
	if !strings.HasPrefix(c.Chunk, name) {
		l.t.Fatalf("due is %q, want %q", c.Chunk, name)
	}
	return c
}
