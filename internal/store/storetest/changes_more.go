package storetest

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// settingsAnnouncements are the rows of announcements about what a team sets.
var settingsAnnouncements = map[string]func(*listener){
	"CreateWorkspace": func(l *listener) {
		var ws tideline.Workspace
		l.does("a workspace", func() { ws, _ = l.workspace("another", 10) })
		l.announced(tideline.Change{WorkspaceID: ws.ID, Kind: tideline.ChangeSettings})
	},
	"UpdateWorkspace": func(l *listener) {
		set := func(what string, u store.WorkspaceUpdate, want ...tideline.Change) {
			l.t.Helper()
			u.At = l.now
			l.announces(what, func() {
				_, err := l.store.UpdateWorkspace(l.ctx(), l.ws.ID, u)
				l.must(err)
			}, want...)
		}
		set("a name", store.WorkspaceUpdate{DisplayName: ptr("New")}, l.settingsChange())
		set("a gap", store.WorkspaceUpdate{Gap: &tideline.Gap{Min: 3 * time.Second, Max: 4 * time.Second}}, l.settingsChange(), l.queueChange(0))
	},
	"PutPlan": func(l *listener) {
		l.announces("the workspace's", func() { l.must(l.store.PutPlan(l.ctx(), l.ws.Plan)) }, l.settingsOfAll()...)
		l.announces("nobody's", func() { l.must(l.store.PutPlan(l.ctx(), tideline.Plan{Name: "nobody has it"})) })
	},
	"AddMember": func(l *listener) {
		l.announces("a member", func() { l.member("added@example.com", tideline.RoleAgent) }, l.settingsChange())
	},
	"SetMemberRole": func(l *listener) {
		m := l.member("promoted@example.com", tideline.RoleAgent)
		l.announces("a role", func() { l.must(l.store.SetMemberRole(l.ctx(), l.ws.ID, m.ID, tideline.RoleAdmin)) }, l.settingsChange())
	},
	"RemoveMember": func(l *listener) {
		m, c := l.member("leaves@example.com", tideline.RoleAgent), l.freshChat().ChatID
		l.update(c, func(u *store.ChatUpdate) { u.Responsible = &m.ID })
		l.announces("a member with a chat", func() { l.must(l.store.RemoveMember(l.ctx(), l.ws.ID, m.ID, l.now)) },
			l.settingsChange(), l.lostChange(c, m.ID))
	},
	"Invite": func(l *listener) {
		l.announces("an invitation", func() {
			_, _, err := l.store.Invite(l.ctx(), tideline.Member{WorkspaceID: l.ws.ID, Email: "invited@example.com", Role: tideline.RoleAgent,
				InvitedAt: l.now, CreatedAt: l.now}, "Sales", -1)
			l.must(err)
		}, l.settingsChange())
	},
	"RevokeInvitation": func(l *listener) {
		m, _, err := l.store.Invite(l.ctx(), tideline.Member{WorkspaceID: l.ws.ID, Email: "revoked@example.com", Role: tideline.RoleAgent,
			InvitedAt: l.now, CreatedAt: l.now}, "", -1)
		l.must(err)
		l.announces("the end of it", func() { l.must(l.store.RevokeInvitation(l.ctx(), l.ws.ID, m.ID, l.now)) }, l.settingsChange())
	},
	"CreateToken": func(l *listener) {
		l.announces("a token", func() { l.token(time.Time{}) }, l.settingsChange())
	},
	"RevokeToken": func(l *listener) {
		k, _ := l.token(time.Time{})
		l.announces("the end of it", func() { l.must(l.store.RevokeToken(l.ctx(), l.ws.ID, k.ID, l.now)) }, l.settingsChange())
	},

	"PutAccount": func(l *listener) {
		var a tideline.Account
		l.does("an account", func() {
			var err error
			a, err = l.store.PutAccount(l.ctx(), tideline.Account{WorkspaceID: l.ws.ID, JID: "14840000055@s.whatsapp.net", Phone: "+14840000055", CreatedAt: l.now})
			l.must(err)
		})
		l.announced(l.accountChange(a.ID))
		l.announces("the same again", func() { _, err := l.store.PutAccount(l.ctx(), a); l.must(err) }, l.accountChange(a.ID))
	},
	"SetAccountState": func(l *listener) {
		l.announces("a state", func() { l.must(l.store.SetAccountState(l.ctx(), l.acc.ID, tideline.AccountDisconnected, "x", l.now)) }, l.accountChange(l.acc.ID))
	},
	"SetAccountName": func(l *listener) {
		l.announces("a name", func() { l.must(l.store.SetAccountName(l.ctx(), l.acc.ID, "Shop 2")) }, l.accountChange(l.acc.ID))
	},
	"SetAccountHold": func(l *listener) {
		l.announces("a restriction", func() { l.must(l.store.SetAccountHold(l.ctx(), l.acc.ID, tideline.Hold{BannedUntil: l.now})) }, l.accountChange(l.acc.ID))
		l.must(l.store.SetAccountHold(l.ctx(), l.acc.ID, tideline.Hold{}))
	},
	"RemoveAccount": func(l *listener) {
		a := l.account(l.ws, "+14840000066")
		_, queued := l.accept(l.toFresh, func(in *store.Acceptance) { in.AccountID = a.ID })
		failed := l.messageChange(queued.ChatID, queued.MessageID)
		failed.AccountID = a.ID
		l.announces("an account with a queue", func() { l.must(l.store.RemoveAccount(l.ctx(), l.ws.ID, a.ID, l.now)) }, l.accountChange(a.ID), failed)
	},

	"CreateTextTemplate": func(l *listener) {
		l.announces("a template", func() { l.textTemplate() }, l.settingsChange())
	},
	"UpdateTextTemplate": func(l *listener) {
		t := l.textTemplate()
		l.announces("a template", func() { l.must(l.store.UpdateTextTemplate(l.ctx(), t)) }, l.settingsChange())
	},
	"DeleteTextTemplate": func(l *listener) {
		t := l.textTemplate()
		l.announces("a template", func() { l.must(l.store.DeleteTextTemplate(l.ctx(), l.ws.ID, t.ID)) }, l.settingsChange())
	},
	"CountTextTemplateUse": func(l *listener) {
		t := l.textTemplate()
		l.announces("a use", func() { l.must(l.store.CountTextTemplateUse(l.ctx(), l.ws.ID, t.ID)) }, l.settingsChange())
	},
	"CreateFile": func(l *listener) {
		l.announces("a file, which is seen with what it is sent in", func() { l.file("a.pdf") })
	},
	"WithdrawFile": func(l *listener) {
		f := l.file("a.pdf")
		l.announces("a file that nobody saw", func() { l.must(l.store.WithdrawFile(l.ctx(), l.ws.ID, f.ID)) })
	},
	"CreateTemplate": func(l *listener) {
		f := l.file("a.pdf")
		l.announces("a template", func() {
			_, err := l.store.CreateTemplate(l.ctx(), tideline.AttachmentTemplate{WorkspaceID: l.ws.ID, Name: "Menu", FileID: f.ID, CreatedAt: l.now})
			l.must(err)
		}, l.settingsChange())
	},
	"DeleteFile": func(l *listener) {
		f := l.file("a.pdf")
		l.announces("a file", func() { _, err := l.store.DeleteFile(l.ctx(), l.ws.ID, f.UID); l.must(err) }, l.settingsChange())
	},

	"PutWebhook": func(l *listener) {
		put := func() { l.putHook(hookURL("https://example.com/put")) }
		l.announces("a webhook", put, l.settingsChange())
		l.announces("the same", put)
	},
	"UpdateWebhook": func(l *listener) {
		h := l.putHook(hookURL("https://example.com/update"))
		l.announces("a webhook", func() {
			_, err := l.store.UpdateWebhook(l.ctx(), l.ws.ID, h.ID, store.WebhookUpdate{Enabled: ptr(false), By: "x", At: l.now})
			l.must(err)
		}, l.settingsChange())
	},
	"DeleteWebhook": func(l *listener) {
		h := l.putHook(hookURL("https://example.com/delete"))
		l.announces("a webhook", func() { l.must(l.store.DeleteWebhook(l.ctx(), l.ws.ID, h.ID, "x", l.now)) }, l.settingsChange())
	},
	"RotateSecret": func(l *listener) {
		h := l.putHook(hookURL("https://example.com/rotate"))
		l.announces("a secret", func() {
			_, err := l.store.RotateSecret(l.ctx(), l.ws.ID, h.ID, "whsec_b", "x", l.now, l.now)
			l.must(err)
		}, l.settingsChange())
	},
	"AddDelivery": func(l *listener) {
		h := l.putHook(hookURL("https://example.com/test"))
		l.announces("a test", func() { l.addDelivery(h, 0) }, l.settingsChange())
	},
	"PutDeliveries": func(l *listener) {
		l.putHook(hookURL("https://example.com/fan-out"))
		l.receiveMessage(l.freshID(), from(l.fresh()))
		l.announces("what is on its way", func() { l.fanOut(1000) })
	},
	"PutOutcomes": func(l *listener) {
		h := l.putHook(hookURL("https://example.com/outcomes"))
		d := l.addDelivery(h, 0)
		l.announces("an error", func() { l.outcome(d, tideline.DeliveryWaiting, func(o *store.Outcome) { o.Failed = true }) }, l.settingsChange())
		l.announces("another attempt", func() { l.outcome(d, tideline.DeliveryWaiting) })
		l.announces("the end of the errors", func() { l.outcome(d, tideline.DeliveryDelivered) }, l.settingsChange())
	},
	"ReplayDelivery": func(l *listener) {
		d := l.addDelivery(l.putHook(hookURL("https://example.com/replay")), 0)
		l.announces("a repetition", func() { _, err := l.store.ReplayDelivery(l.ctx(), l.ws.ID, d.ID, l.now); l.must(err) }, l.settingsChange())
	},
	"ReplayDeliveries": func(l *listener) {
		h := l.putHook(hookURL("https://example.com/replays"))
		replay := func() {
			_, err := l.store.ReplayDeliveries(l.ctx(), l.ws.ID, h.ID, store.DeliveryFilter{}, l.now)
			l.must(err)
		}
		l.announces("nothing", replay)
		l.addDelivery(h, 0)
		l.announces("a repetition", replay, l.settingsChange())
	},

	"Balance": func(l *listener) {
		read := func() { l.balance() }
		l.announces("nothing in the same period", read)
		l.now = l.now.AddDate(0, 1, 0)
		l.announces("the credits of a new period", read, l.queueChange(0))
		l.announces("nothing any more", read)
	},
	"AddAPICalls": func(l *listener) {
		l.announces("a count that nobody watches", func() {
			l.must(l.store.AddAPICalls(l.ctx(), []store.APIUsage{{WorkspaceID: l.ws.ID, PeriodStart: l.now, Calls: 1}}))
		})
	},
	"Secret": func(l *listener) {
		l.announces("the server's own", func() { _, err := l.store.Secret(l.ctx(), "of the row", 8); l.must(err) })
	},
	"SetSetting": func(l *listener) {
		l.announces("the server's own", func() { l.must(l.store.SetSetting(l.ctx(), "of the row", "x")) })
	},
	"Prune": func(l *listener) {
		l.announces("what nobody sees any more", func() { l.must(l.store.Prune(l.ctx(), l.now)) })
	},
}

// textTemplate makes a template.
func (l *listener) textTemplate() tideline.TextTemplate {
	l.t.Helper()
	t, err := l.store.CreateTextTemplate(l.ctx(), tideline.TextTemplate{WorkspaceID: l.ws.ID, Name: uuid.NewString(), Text: "Hello",
		Visibility: tideline.VisibilityPublic, AuthorID: l.owner.ID, CreatedAt: l.now})
	l.must(err)
	return t
}

// settingsOfAll is a change of the settings of each workspace.
func (l *listener) settingsOfAll() []tideline.Change {
	l.t.Helper()
	all, err := l.store.ListWorkspaces(l.ctx())
	l.must(err)
	changes := make([]tideline.Change, len(all))
	for i := range all {
		changes[i] = tideline.Change{WorkspaceID: all[i].ID, Kind: tideline.ChangeSettings}
	}
	return changes
}

// allAnnouncements are the rows of all tables.
func allAnnouncements() map[string]func(*listener) {
	all := maps.Clone(announcements)
	maps.Copy(all, settingsAnnouncements)
	maps.Copy(all, workAnnouncements)
	maps.Copy(all, toolAnnouncements)
	maps.Copy(all, teamAnnouncements)
	maps.Copy(all, retentionAnnouncements)
	maps.Copy(all, nodeAnnouncements)
	return all
}
