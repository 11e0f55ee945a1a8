package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

var auditTests = map[string]func(*testing.T, *world){
	"EveryChangeIsWrittenDownWithWhoMadeIt": func(t *testing.T, w *world) {
		same(t, "a new workspace", lines(w.log(store.AuditFilter{}))[:1], []string{`workspace.created workspace "The first" owner:""→"first@example.com"`})
		s := &scene{}
		seen := map[tideline.AuditAction]bool{tideline.AuditWorkspaceCreated: true, tideline.AuditMemberJoined: true} // of the latter below
		for i, c := range slices.Concat(auditedCalls, auditedEntries) {
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

	"WhoComesInDoesSoThemselves": func(t *testing.T, w *world) {
		eve, _, err := w.store.Invite(w.ctx(), invitee(w, "eve@x.y", tideline.RoleAgent), "", -1)
		w.must(err)
		enter := func(purpose tideline.LinkPurpose, secret byte, password string) []tideline.AuditEntry {
			t.Helper()
			w.must(w.store.CreateLink(w.ctx(), tideline.Link{WorkspaceID: w.ws.ID, MemberID: eve.ID, Purpose: purpose,
				CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}, [32]byte{secret}))
			before := len(w.log(store.AuditFilter{}))
			_, err := w.store.Redeem(w.ctx(), store.Redemption{LinkHash: [32]byte{secret}, At: w.now, Password: password, SessionHash: [32]byte{secret, 1},
				Session: tideline.Session{CreatedAt: w.now, SeenAt: w.now, ExpiresAt: w.now.Add(time.Hour)}})
			w.must(err)
			return w.log(store.AuditFilter{})[before:]
		}
		first := enter(tideline.LinkInvitation, 1, "$hidden")
		same(t, "by the invitation", lines(first), []string{`member.joined member "eve@x.y <eve@x.y>"`})
		same(t, "actor", first[0].Actor, tideline.Actor{MemberID: eve.ID, Via: tideline.ViaInbox})
		same(t, "by a link", lines(enter(tideline.LinkSignIn, 2, "")), []string{})
		same(t, "with another password", lines(enter(tideline.LinkSignIn, 3, "$hidden")), []string{`member.password_changed member "eve@x.y <eve@x.y>"`})
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
