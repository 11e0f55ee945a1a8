package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// log gives the workspace's audit log, the earliest first.
func (w *world) log(f store.AuditFilter) []tideline.AuditEntry {
	w.t.Helper()
	entries, more, err := w.store.Audit(w.ctx(), w.ws.ID, f, 1000)
	w.must(err)
	if more {
		w.t.Fatalf("the log has more than %d entries", len(entries))
	}
	slices.Reverse(entries)
	return entries
}

// line shows an entry in one line.
func line(e tideline.AuditEntry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %q", e.Action, e.Target.Kind, e.Target.Name)
	for _, c := range e.Changes {
		fmt.Fprintf(&b, " %s:%q→%q", c.Field, c.Old, c.New)
	}
	return b.String()
}

func lines(entries []tideline.AuditEntry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, line(e))
	}
	return all
}

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
		return w.store.SetAccountState(ctx, s.second.ID, tideline.AccountLoggedOut, "", w.now)
	}, nil},
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
	{"CreateTemplate", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.CreateTemplate(ctx, tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "prices", FileID: s.file.ID, CreatedAt: w.now})
		return err
	}, []string{`template.created attachment_template "prices"`}},
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

var auditTests = map[string]func(*testing.T, *world){
	"EveryChangeIsWrittenDownWithWhoMadeIt": func(t *testing.T, w *world) {
		same(t, "a new workspace", lines(w.log(store.AuditFilter{}))[:1], []string{`workspace.created workspace "The first" owner:""→"first@example.com"`})
		s := &scene{}
		seen := map[tideline.AuditAction]bool{tideline.AuditWorkspaceCreated: true}
		for i, c := range auditedCalls {
			before := len(w.log(store.AuditFilter{}))
			actor := tideline.Actor{MemberID: w.owner.ID, TokenID: int64(i + 1), Via: tideline.ViaAPI}
			if err := c.call(tideline.WithActor(w.ctx(), actor), w, s); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			wrote := w.log(store.AuditFilter{})[before:]
			want := c.want
			if want == nil {
				want = []string{}
			}
			same(t, c.name, lines(wrote), want)
			for _, e := range wrote {
				seen[e.Action] = true
				same(t, c.name+": actor", e.Actor, actor)
				same(t, c.name+": name", e.ActorName, w.owner.DisplayName)
				same(t, c.name+": workspace", e.WorkspaceID, w.ws.ID)
				if (e.Target.Kind == tideline.TargetChat) != (e.ChatID != 0) {
					t.Errorf("%s: it is about a %s and in the chat %d", c.name, e.Target.Kind, e.ChatID)
				}
				if strings.Contains(line(e), "hidden") {
					t.Errorf("%s: the entry tells a secret: %s", c.name, line(e))
				}
			}
		}
		for _, a := range tideline.AuditActions() {
			if !seen[a] {
				t.Errorf("no call here writes %s", a)
			}
		}
	},

	"ARefusedChangeWritesNothing": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAgent)
		chat := w.receiveMessage("A1").ChatID
		w.receiveMessage("B1", from(contact(101, "Cat")))
		before := len(w.log(store.AuditFilter{}))
		stranger := int64(4711)
		for name, err := range map[string]error{
			// Each changes something before it is refused.
			"closed, assigned to nobody known": w.store.UpdateChat(w.ctx(), w.ws.ID, chat, store.ChatUpdate{Name: ptr("New"), Responsible: &stranger, Closed: ptr(true), At: w.now}),
			"a second owner":                   w.store.SetMemberRole(w.ctx(), w.ws.ID, ben.ID, tideline.RoleOwner),
			"a name that is taken":             w.store.UpdateChat(w.ctx(), w.ws.ID, chat, store.ChatUpdate{Name: ptr("Cat"), At: w.now}),
			"handed to nobody":                 w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, 4711),
			"an invitation without a seat": func() error {
				_, _, err := w.store.Invite(w.ctx(), invitee(w, "dan@x.y", tideline.RoleAgent), "A new team", 2)
				return err
			}(),
			"a plan that is not there": func() error {
				_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{DisplayName: ptr("New"), Plan: ptr("none"), At: w.now})
				return err
			}(),
		} {
			if err == nil {
				t.Errorf("%s: was done", name)
			}
		}
		same(t, "entries", lines(w.log(store.AuditFilter{})[before:]), []string{})
		teams, err := w.store.ListTeams(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "teams", len(teams), 0)
	},

	"NobodyNamedIsTheServer": func(t *testing.T, w *world) {
		w.member("ben@example.com", tideline.RoleAgent)
		all := w.log(store.AuditFilter{})
		last := all[len(all)-1]
		same(t, "actor", last.Actor, tideline.Actor{Via: tideline.ViaServer})
		same(t, "name", last.ActorName, "")
		same(t, "at", last.At, w.now)
	},

	"AcceptingAndSettlingWriteNothing": func(t *testing.T, w *world) {
		before := len(w.log(store.AuditFilter{}))
		in, out := w.accept(func(a *store.Acceptance) { a.Label = "new" })
		w.settle(out.MessageID, tideline.StatusSent)
		w.receive(tideline.StatusRead, w.now, in.Message.WhatsAppID)
		w.receiveMessage("A1")
		same(t, "entries", len(w.log(store.AuditFilter{})), before)
	},

	"EntriesAreFilteredAndPaged": func(t *testing.T, w *world) {
		chat, other := w.receiveMessage("A1").ChatID, w.receiveMessage("B1", from(contact(101, "Cat"))).ChatID
		ben := w.member("ben@example.com", tideline.RoleAgent)
		first := len(w.log(store.AuditFilter{}))
		as := func(m tideline.Member, via tideline.Via) context.Context {
			return tideline.WithActor(w.ctx(), tideline.Actor{MemberID: m.ID, Via: via})
		}
		for i := range 5 {
			at := w.now.Add(time.Duration(i/2) * time.Minute)
			w.must(w.store.UpdateChat(as(ben, tideline.ViaAPI), w.ws.ID, chat, store.ChatUpdate{Closed: ptr(i%2 == 0), At: at}))
		}
		w.must(w.store.UpdateChat(as(w.owner, tideline.ViaInbox), w.ws.ID, other, store.ChatUpdate{Closed: ptr(true), At: w.now.Add(time.Hour)}))
		_, err := w.store.CreateTeam(as(w.owner, tideline.ViaInbox), w.ws.ID, "chat")
		w.must(err)
		find := func(f store.AuditFilter) int { t.Helper(); return len(w.log(f)) }
		same(t, "by ben", find(store.AuditFilter{MemberID: ben.ID}), 5)
		same(t, "by the owner, in the inbox", find(store.AuditFilter{MemberID: w.owner.ID, Via: tideline.ViaInbox}), 2)
		same(t, "of chats", find(store.AuditFilter{Group: "chat"}), 6)
		same(t, "of teams", find(store.AuditFilter{Group: "team"}), 1)
		same(t, "of no group", find(store.AuditFilter{Group: "cha"}), 0)
		same(t, "about ben", find(store.AuditFilter{Kind: tideline.TargetMember, TargetID: ben.ID}), 1)
		same(t, "about members", find(store.AuditFilter{Kind: tideline.TargetMember}), 1)
		same(t, "in the chat", find(store.AuditFilter{ChatID: chat}), 5)
		same(t, "in time", find(store.AuditFilter{ChatID: chat, After: w.now.Add(time.Minute), Before: w.now.Add(2 * time.Minute)}), 2)

		all := w.log(store.AuditFilter{})
		slices.Reverse(all)
		var paged []tideline.AuditEntry
		f := store.AuditFilter{}
		for more := true; more; {
			var page []tideline.AuditEntry
			page, more, err = w.store.Audit(w.ctx(), w.ws.ID, f, 3)
			w.must(err)
			paged = append(paged, page...)
			if len(page) == 0 || len(page) < 3 && more {
				t.Fatalf("a page of %d entries and more: %v", len(page), more)
			}
			f.PastID = page[len(page)-1].ID
		}
		same(t, "in pages", paged, all)
		same(t, "at least", len(all) >= first+7, true)

		stranger, _ := w.workspace("other", 10)
		theirs, _, err := w.store.Audit(w.ctx(), stranger.ID, store.AuditFilter{MemberID: ben.ID}, 10)
		w.must(err)
		same(t, "of another workspace", len(theirs), 0)
		_, _, err = w.store.Audit(w.ctx(), stranger.ID, store.AuditFilter{ChatID: chat}, 10)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"AChatsHistoryFollowsItIntoAnotherOne": func(t *testing.T, w *world) {
		hidden := w.receiveMessage("A1", from(byLID)).ChatID
		w.receiveMessage("A2", from(byNumber))
		w.update(hidden, func(u *store.ChatUpdate) { u.Closed = ptr(true) })
		merged := w.receiveMessage("A3").ChatID
		w.update(merged, func(u *store.ChatUpdate) { u.Responsible = &w.owner.ID })
		for _, id := range []int64{hidden, merged} {
			var actions []tideline.AuditAction
			for _, e := range w.log(store.AuditFilter{ChatID: id}) {
				actions = append(actions, e.Action)
			}
			same(t, "history", actions, []tideline.AuditAction{tideline.AuditChatClosed, tideline.AuditChatAssigned})
		}
	},

	"EntriesAreKeptForALimitedTime": func(t *testing.T, w *world) {
		chat := w.receiveMessage("A1").ChatID
		for i := range 3 {
			w.must(w.store.UpdateChat(w.ctx(), w.ws.ID, chat, store.ChatUpdate{Closed: ptr(i%2 == 0), At: w.now.Add(time.Duration(i) * time.Hour)}))
		}
		w.must(w.store.Prune(w.ctx(), w.now.Add(tideline.AuditLife+time.Hour-time.Millisecond)))
		same(t, "left", len(w.log(store.AuditFilter{ChatID: chat})), 2)
		w.must(w.store.Prune(w.ctx(), w.now.Add(tideline.AuditLife+time.Hour)))
		same(t, "left a moment later", len(w.log(store.AuditFilter{ChatID: chat})), 1)
	},

	"TheLastUseOfATokenIsKept": func(t *testing.T, w *world) {
		k, hash := w.token(time.Time{})
		used := func() tideline.Token {
			t.Helper()
			tokens, err := w.store.ListTokens(w.ctx(), w.ws.ID)
			w.must(err)
			return tokens[len(tokens)-1]
		}
		same(t, "never", used().UsedAt, time.Time{})
		version := w.version()
		use := store.TokenUse{WorkspaceID: w.ws.ID, TokenID: k.ID, At: w.now.Add(time.Minute), From: "203.0.113.0/24"}
		earlier := store.TokenUse{WorkspaceID: w.ws.ID, TokenID: k.ID, At: w.now, From: "198.51.100.0/24"}
		other, _ := w.workspace("other", 10)
		version = max(version, w.version())
		stranger := store.TokenUse{WorkspaceID: other.ID, TokenID: k.ID, At: w.now.Add(time.Hour), From: "192.0.2.0/24"}
		w.must(w.store.PutTokenUses(w.ctx(), []store.TokenUse{use, earlier, stranger, {WorkspaceID: w.ws.ID, TokenID: 4711, At: w.now}}))
		got := used()
		same(t, "used", got.UsedAt, use.At)
		same(t, "from", got.UsedFrom, use.From)
		same(t, "version", w.version(), version)
		p, err := w.store.PrincipalByToken(w.ctx(), hash, w.now)
		w.must(err)
		same(t, "scope", p.Token.Scope, tideline.ScopeAll)
	},
}

var teamSettingsTests = map[string]func(*testing.T, *world){
	"ATeamThatIsDeletedLeavesItsMembersToTheDefaultTeam": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAgent)
		sales, err := w.store.CreateTeam(w.ctx(), w.ws.ID, "Sales")
		w.must(err)
		_, err = w.store.CreateTeam(w.ctx(), w.ws.ID, "Sales")
		w.wantCode(err, tideline.CodeConflict)
		support, err := w.store.CreateTeam(w.ctx(), w.ws.ID, "Support")
		w.must(err)
		w.wantCode(w.store.RenameTeam(w.ctx(), w.ws.ID, support.ID, "Sales"), tideline.CodeConflict)
		w.must(w.store.RenameTeam(w.ctx(), w.ws.ID, support.ID, "Help"))
		w.must(w.store.MoveMember(w.ctx(), w.ws.ID, ben.ID, sales.ID))
		tmpl, err := w.store.CreateTextTemplate(w.ctx(), tideline.TextTemplate{WorkspaceID: w.ws.ID, Name: "x", Text: "x", TeamID: &sales.ID,
			Visibility: tideline.VisibilityPublic, AuthorID: ben.ID, CreatedAt: w.now})
		w.must(err)
		other, _ := w.workspace("other", 10)
		w.wantCode(w.store.DeleteTeam(w.ctx(), other.ID, sales.ID), tideline.CodeNotFound)
		w.wantCode(w.store.RenameTeam(w.ctx(), other.ID, sales.ID, "y"), tideline.CodeNotFound)
		w.wantCode(w.store.MoveMember(w.ctx(), other.ID, ben.ID, 0), tideline.CodeNotFound)
		theirs, err := w.store.CreateTeam(w.ctx(), other.ID, "Sales")
		w.must(err)
		w.wantCode(w.store.MoveMember(w.ctx(), w.ws.ID, ben.ID, theirs.ID), tideline.CodeNotFound)
		version := w.version()
		w.must(w.store.DeleteTeam(w.ctx(), w.ws.ID, sales.ID))
		if w.version() <= version {
			t.Error("what is remembered of the team's members was not made void")
		}
		members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "team of the member", members[1].TeamID, int64(0))
		tmpl, err = w.store.TextTemplate(w.ctx(), w.ws.ID, tmpl.ID)
		w.must(err)
		same(t, "team of the template", tmpl.TeamID, new(int64))
		w.wantCode(w.store.DeleteTeam(w.ctx(), w.ws.ID, sales.ID), tideline.CodeNotFound)
		w.wantCode(w.store.MoveMember(w.ctx(), w.ws.ID, ben.ID, sales.ID), tideline.CodeNotFound)
	},

	"AWorkspaceIsHandedOverWhole": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAdmin)
		cat, _, err := w.store.Invite(w.ctx(), invitee(w, "cat@example.com", tideline.RoleAdmin), "", -1)
		w.must(err)
		other, stranger := w.workspace("other", 10)
		roles := func() map[string]tideline.Role {
			t.Helper()
			members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
			w.must(err)
			all := map[string]tideline.Role{}
			for _, m := range members {
				all[m.Email] = m.Role
			}
			return all
		}
		before := roles()
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, w.owner.ID), tideline.CodeConflict)
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, cat.ID), tideline.CodeConflict)
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, ben.ID, w.owner.ID), tideline.CodeConflict)
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, stranger.ID), tideline.CodeNotFound)
		w.wantCode(w.store.HandOver(w.ctx(), other.ID, w.owner.ID, stranger.ID), tideline.CodeNotFound)
		same(t, "roles", roles(), before)
		version := w.version()
		w.must(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, ben.ID))
		same(t, "roles", roles(), map[string]tideline.Role{w.owner.Email: tideline.RoleAdmin, ben.Email: tideline.RoleOwner, cat.Email: tideline.RoleAdmin})
		if w.version() <= version {
			t.Error("what is remembered of the two was not made void")
		}
	},
}
