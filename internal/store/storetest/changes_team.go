package storetest

import (
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// teamReaders are those of the readers that serve whoever administers a workspace.
var teamReaders = []string{"Audit"}

// teamAnnouncements are the announcements of teams and of the uses of tokens.
var teamAnnouncements = map[string]func(*listener){
	"CreateTeam": func(l *listener) {
		l.announces("a team", func() { l.team("created") }, l.settingsChange())
	},
	"RenameTeam": func(l *listener) {
		made := l.team("to be renamed")
		l.announces("another name", func() { l.must(l.store.RenameTeam(l.ctx(), l.ws.ID, made.ID, "renamed")) }, l.settingsChange())
	},
	"DeleteTeam": func(l *listener) {
		made := l.team("to be deleted")
		l.announces("no team any more", func() { l.must(l.store.DeleteTeam(l.ctx(), l.ws.ID, made.ID)) }, l.settingsChange())
	},
	"MoveMember": func(l *listener) {
		made, m := l.team("to move to"), l.member("moved@example.com", tideline.RoleAgent)
		l.announces("another team", func() { l.must(l.store.MoveMember(l.ctx(), l.ws.ID, m.ID, made.ID)) }, l.settingsChange())
	},
	"HandOver": func(l *listener) {
		m := l.member("heir@example.com", tideline.RoleAdmin)
		l.announces("another owner", func() { l.must(l.store.HandOver(l.ctx(), l.ws.ID, l.owner.ID, m.ID)) }, l.settingsChange())
		l.must(l.store.HandOver(l.ctx(), l.ws.ID, m.ID, l.owner.ID))
	},
	"PutTokenUses": func(l *listener) {
		l.announces("a use", func() {
			l.must(l.store.PutTokenUses(l.ctx(), []store.TokenUse{{WorkspaceID: l.ws.ID, TokenID: 1, At: l.now}}))
		})
	},
}

func (l *listener) team(title string) tideline.Team {
	l.t.Helper()
	made, err := l.store.CreateTeam(l.ctx(), l.ws.ID, title)
	l.must(err)
	return made
}
