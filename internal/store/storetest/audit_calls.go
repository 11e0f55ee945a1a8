package storetest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// auditedCall is a call and the entries that it must write.
type auditedCall struct {
	name string
	call func(ctx context.Context, w *world, s *scene) error
	want []string
}

// scene is what the audited calls are about; they fill it as they go.
type scene struct {
	ben, cat tideline.Member
	team     tideline.Team
	token    tideline.Token
	second   tideline.Account
	hook     tideline.Webhook
	text     tideline.TextTemplate
	file     tideline.File
	chat     int64
	kept     tideline.AttachmentTemplate
	label    tideline.Label
}

func invitee(w *world, email string, role tideline.Role) tideline.Member {
	return tideline.Member{WorkspaceID: w.ws.ID, Email: email, DisplayName: email, Role: role, CreatedAt: w.now, InvitedAt: w.now}
}

// auditedCalls are all the methods that change what the log is about, in an order
// in which each finds what it needs. Those that change nothing write nothing.
var auditedCalls = []auditedCall{
	{"AddMember", func(ctx context.Context, w *world, s *scene) (err error) {
		s.ben, err = w.store.AddMember(ctx, tideline.Member{WorkspaceID: w.ws.ID, Email: "ben@x.y", DisplayName: "Ben", Role: tideline.RoleAgent, CreatedAt: w.now})
		return err
	}, []string{`member.added member "Ben <ben@x.y>" role:""→"agent"`}},
	{"SetMemberRole", func(ctx context.Context, w *world, s *scene) error {
		return w.store.SetMemberRole(ctx, w.ws.ID, s.ben.ID, tideline.RoleTeammate)
	}, []string{`member.role_changed member "Ben <ben@x.y>" role:"agent"→"teammate"`}},
	{"SetMemberRole to the same", func(ctx context.Context, w *world, s *scene) error {
		return w.store.SetMemberRole(ctx, w.ws.ID, s.ben.ID, tideline.RoleTeammate)
	}, nil},
	{"Invite", func(ctx context.Context, w *world, s *scene) (err error) {
		s.cat, _, err = w.store.Invite(ctx, invitee(w, "cat@x.y", tideline.RoleAgent), "Sales", -1)
		return err
	}, []string{`team.created team "Sales"`, `member.invited member "cat@x.y <cat@x.y>" role:""→"agent" team:""→"Sales"`}},
	{"Invite a member who is there", func(ctx context.Context, w *world, s *scene) error {
		_, _, err := w.store.Invite(ctx, invitee(w, "ben@x.y", tideline.RoleAdmin), "Sales", -1)
		return err
	}, []string{`member.role_changed member "Ben <ben@x.y>" role:"teammate"→"admin"`, `member.moved member "Ben <ben@x.y>" team:"Default"→"Sales"`}},
	{"RevokeInvitation", func(ctx context.Context, w *world, s *scene) error {
		return w.store.RevokeInvitation(ctx, w.ws.ID, s.cat.ID, w.now)
	}, []string{`member.invitation_revoked member "cat@x.y <cat@x.y>"`}},
	{"CreateTeam", func(ctx context.Context, w *world, s *scene) (err error) {
		s.team, err = w.store.CreateTeam(ctx, w.ws.ID, "Support")
		return err
	}, []string{`team.created team "Support"`}},
	{"RenameTeam", func(ctx context.Context, w *world, s *scene) error {
		return w.store.RenameTeam(ctx, w.ws.ID, s.team.ID, "Help desk")
	}, []string{`team.renamed team "Support" name:"Support"→"Help desk"`}},
	{"MoveMember", func(ctx context.Context, w *world, s *scene) error {
		return w.store.MoveMember(ctx, w.ws.ID, s.ben.ID, s.team.ID)
	}, []string{`member.moved member "Ben <ben@x.y>" team:"Sales"→"Help desk"`}},
	{"MoveMember to where they are", func(ctx context.Context, w *world, s *scene) error {
		return w.store.MoveMember(ctx, w.ws.ID, s.ben.ID, s.team.ID)
	}, nil},
	{"DeleteTeam", func(ctx context.Context, w *world, s *scene) error {
		return w.store.DeleteTeam(ctx, w.ws.ID, s.team.ID)
	}, []string{`team.deleted team "Help desk"`}},
	{"HandOver", func(ctx context.Context, w *world, s *scene) error {
		return w.store.HandOver(ctx, w.ws.ID, w.owner.ID, s.ben.ID)
	}, []string{
		`member.role_changed member "Owner of first <first@example.com>" role:"owner"→"admin"`,
		`member.role_changed member "Ben <ben@x.y>" role:"admin"→"owner"`,
	}},
	{"HandOver back", func(ctx context.Context, w *world, s *scene) error {
		return w.store.HandOver(ctx, w.ws.ID, s.ben.ID, w.owner.ID)
	}, []string{
		`member.role_changed member "Ben <ben@x.y>" role:"owner"→"admin"`,
		`member.role_changed member "Owner of first <first@example.com>" role:"admin"→"owner"`,
	}},
	{"CreateToken", func(ctx context.Context, w *world, s *scene) (err error) {
		s.token, err = w.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.ws.ID, MemberID: s.ben.ID, Name: "shop", Prefix: "tla_ab",
			Scope: tideline.ScopeSend, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}, [32]byte{8})
		return err
	}, []string{`token.created token "shop (tla_ab…)" member:""→"ben@x.y" scope:""→"send" expires:""→"2026-11-15T13:00:00Z"`}},
	{"RevokeToken", func(ctx context.Context, w *world, s *scene) error {
		return w.store.RevokeToken(ctx, w.ws.ID, s.token.ID, w.now)
	}, []string{`token.revoked token "shop (tla_ab…)" member:""→"ben@x.y"`}},
	{"RevokeToken again", func(ctx context.Context, w *world, s *scene) error {
		return w.store.RevokeToken(ctx, w.ws.ID, s.token.ID, w.now)
	}, nil},
	{"UpdateWorkspace", func(ctx context.Context, w *world, _ *scene) error {
		_, err := w.store.UpdateWorkspace(ctx, w.ws.ID, store.WorkspaceUpdate{DisplayName: ptr("New"), TimeZone: ptr("Europe/Berlin"),
			Credits: ptr(tideline.Unlimited), AddExtra: ptr(tideline.Credits(5)), Gap: &tideline.Gap{Min: time.Second, Max: time.Minute}, At: w.now})
		return err
	}, []string{`workspace.changed workspace "New" name:"The first"→"New" time_zone:"UTC"→"Europe/Berlin" credits:"1000"→"unlimited" gap:"1s-3s"→"1s-1m0s" extra_credits:""→"+5"`}},
	{"UpdateWorkspace to the same", func(ctx context.Context, w *world, _ *scene) error {
		_, err := w.store.UpdateWorkspace(ctx, w.ws.ID, store.WorkspaceUpdate{DisplayName: ptr("New"), At: w.now})
		return err
	}, nil},
	{"PutPlan", func(ctx context.Context, w *world, _ *scene) error {
		p := w.ws.Plan
		p.Seats = 7
		return w.store.PutPlan(ctx, p)
	}, []string{`plan.changed workspace "self-hosted" seats:"-1"→"7"`}},
	{"PutPlan of nobody", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.PutPlan(ctx, tideline.Plan{Name: "tiny"})
	}, nil},
	{"PutAccount", func(ctx context.Context, w *world, s *scene) (err error) {
		s.second, err = w.store.PutAccount(ctx, tideline.Account{WorkspaceID: w.ws.ID, JID: "14840000005@s.whatsapp.net", Phone: "+14840000005",
			DeviceJID: "14840000005:1@s.whatsapp.net", Name: "Shop", OwnerEmail: "ben@x.y", CreatedAt: w.now})
		return err
	}, []string{`account.paired account "Shop +14840000005" owner:""→"ben@x.y"`}},
	{"PutAccount of the same device", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.PutAccount(ctx, s.second)
		return err
	}, nil},
	{"SetAccountState", func(ctx context.Context, w *world, s *scene) error {
		return w.store.SetAccountState(ctx, s.second.ID, tideline.AccountActive, "", w.now)
	}, nil},
	{"SetAccountState to logged out", func(ctx context.Context, w *world, s *scene) error {
		return w.store.SetAccountState(ctx, s.second.ID, tideline.AccountLoggedOut, "unlinked on the phone", w.now)
	}, []string{`account.logged_out account "Shop +14840000005" reason:""→"unlinked on the phone"`}},
	{"SetAccountState to logged out again", func(ctx context.Context, w *world, s *scene) error {
		return w.store.SetAccountState(ctx, s.second.ID, tideline.AccountLoggedOut, "unlinked on the phone", w.now)
	}, nil},
	{"SetAccountState to logged out by a person, after the server", func(ctx context.Context, w *world, s *scene) error {
		server := tideline.WithActor(ctx, tideline.Actor{Via: tideline.ViaServer})
		w.must(w.store.SetAccountState(server, s.second.ID, tideline.AccountLoggedOut, "something else", w.now))
		return w.store.SetAccountState(ctx, s.second.ID, tideline.AccountLoggedOut, "logged out by the operator", w.now)
	}, []string{`account.logged_out account "Shop +14840000005" reason:""→"logged out by the operator"`}},
	{"RemoveAccount", func(ctx context.Context, w *world, s *scene) error {
		return w.store.RemoveAccount(ctx, w.ws.ID, s.second.ID, w.now)
	}, []string{`account.removed account "Shop +14840000005"`}},
	{"PutWebhook", func(ctx context.Context, w *world, s *scene) (err error) {
		s.hook, _, err = w.store.PutWebhook(ctx, tideline.Webhook{WorkspaceID: w.ws.ID, EventType: tideline.EventMessageNew,
			URL: "https://u:hidden@example.com/in?key=hidden", Secret: "whsec_hidden", UpdatedBy: "b", UpdatedAt: w.now}, -1)
		return err
	}, []string{`webhook.created webhook "message:new → https://example.com/in" enabled:""→"false"`}},
	{"PutWebhook of one that is disabled", func(ctx context.Context, w *world, s *scene) error {
		again := s.hook
		again.Enabled = true
		_, _, err := w.store.PutWebhook(ctx, again, -1)
		return err
	}, []string{`webhook.changed webhook "message:new → https://example.com/in" enabled:"false"→"true"`}},
	{"UpdateWebhook", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.UpdateWebhook(ctx, w.ws.ID, s.hook.ID, store.WebhookUpdate{URL: ptr("https://example.com/out?key=hidden"), At: w.now})
		return err
	}, []string{`webhook.changed webhook "message:new → https://example.com/out" url:"https://example.com/in"→"https://example.com/out"`}},
	{"RotateSecret", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.RotateSecret(ctx, w.ws.ID, s.hook.ID, "whsec_hidden2", "b", w.now, w.now)
		return err
	}, []string{`webhook.secret_changed webhook "message:new → https://example.com/out"`}},
	{"DeleteWebhook", func(ctx context.Context, w *world, s *scene) error {
		return w.store.DeleteWebhook(ctx, w.ws.ID, s.hook.ID, "b", w.now)
	}, []string{`webhook.deleted webhook "message:new → https://example.com/out"`}},
	{"CreateTextTemplate", func(ctx context.Context, w *world, s *scene) (err error) {
		s.text, err = w.store.CreateTextTemplate(ctx, tideline.TextTemplate{WorkspaceID: w.ws.ID, Name: "Hello", Text: "hidden",
			Visibility: tideline.VisibilityPublic, AuthorID: w.owner.ID, CreatedAt: w.now})
		return err
	}, []string{`template.created template "Hello"`}},
	{"UpdateTextTemplate", func(ctx context.Context, w *world, s *scene) error {
		s.text.Name, s.text.Text, s.text.Visibility = "Bye", "hidden too", tideline.VisibilityReadOnly
		return w.store.UpdateTextTemplate(ctx, s.text)
	}, []string{`template.changed template "Bye" name:"Hello"→"Bye" visibility:"public"→"read-only" text:""→""`}},
	{"UpdateTextTemplate to the same", func(ctx context.Context, w *world, s *scene) error {
		return w.store.UpdateTextTemplate(ctx, s.text)
	}, nil},
	{"UpdateTextTemplate to a private one", func(ctx context.Context, w *world, s *scene) error {
		s.text.Name, s.text.Visibility = "hidden", tideline.VisibilityPrivate
		return w.store.UpdateTextTemplate(ctx, s.text)
	}, []string{`template.changed template ""`}},
	{"CountTextTemplateUse", func(ctx context.Context, w *world, s *scene) error {
		return w.store.CountTextTemplateUse(ctx, w.ws.ID, s.text.ID)
	}, nil},
	{"DeleteTextTemplate", func(ctx context.Context, w *world, s *scene) error {
		return w.store.DeleteTextTemplate(ctx, w.ws.ID, s.text.ID)
	}, []string{`template.deleted template ""`}},
	{"CreateFile", func(ctx context.Context, w *world, s *scene) (err error) {
		s.file, err = w.store.CreateFile(ctx, tideline.File{UID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Name: "prices.pdf",
			MIMEType: "application/pdf", Size: 1, Blob: "b", UploadedBy: "a@x.y", UploadedAt: w.now})
		return err
	}, nil},
	{"CreateTemplate", func(ctx context.Context, w *world, s *scene) (err error) {
		s.kept, err = w.store.CreateTemplate(ctx, tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "prices", FileID: s.file.ID, CreatedAt: w.now})
		return err
	}, []string{`template.created attachment_template "prices"`}},
	{"UpdateTemplate", func(ctx context.Context, w *world, s *scene) error {
		return w.store.UpdateTemplate(ctx, w.ws.ID, s.kept.ID, store.TemplateUpdate{Name: ptr("Prices"), FileID: &s.file.ID})
	}, []string{`template.changed attachment_template "Prices" name:"prices"→"Prices" file:""→"prices.pdf"`}},
	{"DeleteTemplate", func(ctx context.Context, w *world, s *scene) error {
		return w.store.DeleteTemplate(ctx, w.ws.ID, s.kept.ID)
	},
		[]string{`template.deleted attachment_template "Prices"`}},
	{"CreateLabel", func(ctx context.Context, w *world, s *scene) (err error) {
		if _, err = w.store.CreateLabel(ctx, tideline.Label{WorkspaceID: w.ws.ID, Name: "gold"}); err == nil {
			s.label, err = w.store.CreateLabel(ctx, tideline.Label{WorkspaceID: w.ws.ID, Name: "silver"})
		}
		return err
	}, []string{`label.created label "gold"`, `label.created label "silver"`}},
	{"UpdateLabel", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.UpdateLabel(ctx, w.ws.ID, s.label.ID, store.LabelUpdate{Name: ptr("Silver"), Colour: ptr(tideline.ColourGrey)})
		return err
	}, []string{`label.changed label "Silver" name:"silver"→"Silver" colour:""→"grey"`}},
	{"UpdateLabel to the same", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.UpdateLabel(ctx, w.ws.ID, s.label.ID, store.LabelUpdate{Name: ptr("Silver"), Colour: ptr(tideline.ColourGrey)})
		return err
	}, nil},
	{"UpdateLabel into another", func(ctx context.Context, w *world, s *scene) (err error) {
		s.label, err = w.store.UpdateLabel(ctx, w.ws.ID, s.label.ID, store.LabelUpdate{Name: ptr("gold"), Merge: true})
		return err
	}, []string{`label.merged label "Silver" into:""→"gold"`}},
	{"DeleteLabel", func(ctx context.Context, w *world, s *scene) error {
		return w.store.DeleteLabel(ctx, w.ws.ID, s.label.ID)
	}, []string{`label.deleted label "gold"`}},
	{"DeleteFile", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.DeleteFile(ctx, w.ws.ID, s.file.UID)
		return err
	}, []string{`file.deleted file "prices.pdf" uploaded_by:""→"a@x.y"`}},
	{"Receive", func(_ context.Context, w *world, s *scene) error {
		s.chat = w.receiveMessage("A1").ChatID
		return nil
	}, nil},
	{"UpdateChat", func(ctx context.Context, w *world, s *scene) error {
		return w.store.UpdateChat(ctx, w.ws.ID, s.chat, store.ChatUpdate{Name: ptr("Best"), Responsible: &s.ben.ID, Closed: ptr(true), Read: ptr(true),
			AutoReply: ptr(true), By: w.owner.ID, At: w.now})
	}, []string{
		`chat.renamed chat "Ana" name:"Ana"→"Best"`, `chat.assigned chat "Ana" responsible:""→"Ben"`,
		`chat.closed chat "Ana"`, `chat.auto_reply_changed chat "Ana" auto_reply:"false"→"true"`,
	}},
	{"UpdateChat to the same", func(ctx context.Context, w *world, s *scene) error {
		return w.store.UpdateChat(ctx, w.ws.ID, s.chat, store.ChatUpdate{Name: ptr("Best"), Responsible: &s.ben.ID, Closed: ptr(true), Read: ptr(true),
			AutoReply: ptr(true), By: w.owner.ID, At: w.now})
	}, nil},
	{"UpdateChat to open", func(ctx context.Context, w *world, s *scene) error {
		return w.store.UpdateChat(ctx, w.ws.ID, s.chat, store.ChatUpdate{Closed: ptr(false), At: w.now})
	}, []string{`chat.reopened chat "Best"`}},
	{"PutLabels", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.PutLabels(ctx, w.ws.ID, s.chat, []string{"vip", "late"}, false)
		return err
	}, []string{`chat.labelled chat "Best" labels:""→"late, vip"`}},
	{"PutLabels of those that it has", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.PutLabels(ctx, w.ws.ID, s.chat, []string{"vip"}, false)
		return err
	}, nil},
	{"PutLabels in place of others", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.PutLabels(ctx, w.ws.ID, s.chat, []string{"vip"}, true)
		return err
	}, []string{`chat.labelled chat "Best" labels:"late, vip"→"vip"`}},
	{"AddNote", func(ctx context.Context, w *world, s *scene) error {
		return w.store.AddNote(ctx, store.Note{UID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ws.ID, ChatID: s.chat, MemberID: w.owner.ID, Text: "x", At: w.now})
	}, nil},
	{"RemoveMember", func(ctx context.Context, w *world, s *scene) error {
		return w.store.RemoveMember(ctx, w.ws.ID, s.ben.ID, w.now)
	}, []string{`chat.unassigned chat "Best" responsible:"Ben"→""`, `member.removed member "Ben <ben@x.y>"`}},
}
