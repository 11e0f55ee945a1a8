package storetest

import (
	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// workAnnouncements says what is announced of sign-in, of people at the queue, and
// of what a team sets up for its work.
var workAnnouncements = map[string]func(*listener){
	"CreateSession": func(l *listener) {
		l.announces("a session of somebody who joined long ago", func() { l.newSession() })
	},
	"EndSession": func(l *listener) {
		se := l.newSession()
		l.announces("the end of it", func() { l.must(l.store.EndSession(l.ctx(), l.ws.ID, l.owner.ID, se.ID)) }, l.settingsChange())
	},
	"EndSessions": func(l *listener) {
		end := func() {
			_, err := l.store.EndSessions(l.ctx(), l.ws.ID, l.owner.ID, 0)
			l.must(err)
		}
		l.newSession()
		l.announces("the end of all", end, l.settingsChange())
		l.announces("that there is none", end)
	},
	"NoteSeen": func(l *listener) {
		se := l.newSession()
		l.announces("what nobody watches", func() {
			l.must(l.store.NoteSeen(l.ctx(), []store.Sighting{{WorkspaceID: l.ws.ID, SessionID: se.ID, At: l.now}}))
		})
	},
	"CreateLink": func(l *listener) {
		l.announces("what is shown once", func() {
			l.must(l.store.CreateLink(l.ctx(), tideline.Link{WorkspaceID: l.ws.ID, MemberID: l.owner.ID, Purpose: tideline.LinkSignIn,
				CreatedAt: l.now, ExpiresAt: l.now.Add(tideline.InvitationLife)}, hash32(uuid.NewString())))
		})
	},
	"Redeem": func(l *listener) {
		link := hash32(uuid.NewString())
		l.must(l.store.CreateLink(l.ctx(), tideline.Link{WorkspaceID: l.ws.ID, MemberID: l.owner.ID, Purpose: tideline.LinkSignIn,
			CreatedAt: l.now, ExpiresAt: l.now.Add(tideline.InvitationLife)}, link))
		l.announces("who came in", func() {
			_, err := l.store.Redeem(l.ctx(), store.Redemption{LinkHash: link, SessionHash: hash32(uuid.NewString()), At: l.now,
				Session: tideline.Session{CreatedAt: l.now, SeenAt: l.now, ExpiresAt: l.now.Add(tideline.SessionLife)}})
			l.must(err)
		}, l.settingsChange())
	},
	"SetPassword": func(l *listener) {
		l.announces("the end of sessions", func() { l.must(l.store.SetPassword(l.ctx(), l.ws.ID, l.owner.ID, "$x", 0)) }, l.settingsChange())
	},
	"ReplacePasswordHash": func(l *listener) {
		l.announces("what nobody sees", func() { l.must(l.store.ReplacePasswordHash(l.ctx(), l.ws.ID, l.owner.ID, "$x", "$y")) })
	},
	"UpdateSelf": func(l *listener) {
		l.announces("a language", func() {
			_, err := l.store.UpdateSelf(l.ctx(), l.ws.ID, l.owner.ID, store.SelfUpdate{Language: ptr("es")})
			l.must(err)
		}, l.settingsChange())
	},

	"PauseAccount": func(l *listener) {
		l.announces("a pause", func() { l.must(l.store.PauseAccount(l.ctx(), l.ws.ID, l.acc.ID, "Ana", l.now)) }, l.accountChange(l.acc.ID))
	},
	"ResumeAccount": func(l *listener) {
		l.announces("its end", func() { l.must(l.store.ResumeAccount(l.ctx(), l.ws.ID, l.acc.ID, l.now)) }, l.accountChange(l.acc.ID))
	},
	"PutFirst": func(l *listener) {
		_, queued := l.queue()
		l.announces("another order", func() { l.must(l.store.PutFirst(l.ctx(), l.ws.ID, queued.MessageID)) }, l.queueChange(l.acc.ID))
	},
	"CancelQueued": func(l *listener) {
		_, queued := l.queue()
		cancel := func() {
			_, err := l.store.CancelQueued(l.ctx(), l.ws.ID, l.acc.ID, []int64{queued.MessageID}, "Ana", l.now)
			l.must(err)
		}
		l.announces("a message that ended", cancel, l.messageChange(queued.ChatID, queued.MessageID), l.queueChange(l.acc.ID))
		l.announces("nothing any more", cancel)
	},
}

func hash32(text string) (h [32]byte) {
	copy(h[:], text)
	return h
}

// newSession signs the owner in.
func (l *listener) newSession() tideline.Session {
	l.t.Helper()
	se, err := l.store.CreateSession(l.ctx(), tideline.Session{WorkspaceID: l.ws.ID, MemberID: l.owner.ID, CreatedAt: l.now, SeenAt: l.now,
		ExpiresAt: l.now.Add(tideline.SessionLife)}, hash32(uuid.NewString()))
	l.must(err)
	return se
}
