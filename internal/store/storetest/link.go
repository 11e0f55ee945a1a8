package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// link makes a link that is good for an hour and gives its hash.
func (w *world) link(m tideline.Member, purpose tideline.LinkPurpose) [32]byte {
	w.t.Helper()
	hash := w.secret()
	w.must(w.store.CreateLink(w.ctx(), tideline.Link{WorkspaceID: m.WorkspaceID, MemberID: m.ID, Purpose: purpose, CreatedAt: w.now,
		ExpiresAt: w.now.Add(time.Hour)}, hash))
	return hash
}

func (w *world) redemption(link [32]byte) store.Redemption {
	se := w.newSession(tideline.Member{})
	se.ByLink = true
	return store.Redemption{LinkHash: link, Session: se, SessionHash: w.secret(), At: w.now}
}

func (w *world) redeem(r store.Redemption) error {
	_, err := w.store.Redeem(w.ctx(), r)
	return err
}

// inviteAs invites a member once more.
func (w *world) inviteAs(m tideline.Member, role tideline.Role) error {
	_, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: m.WorkspaceID, Email: m.Email, DisplayName: m.DisplayName, Role: role,
		CreatedAt: w.now, InvitedAt: w.now}, "", -1)
	return err
}

var linkTests = map[string]func(*testing.T, *world){
	"ALinkLetsItsMemberInOnce": func(t *testing.T, w *world) {
		hash := w.link(w.owner, tideline.LinkSignIn)
		for range 2 { // looking uses nothing up
			v, err := w.store.LinkOf(w.ctx(), hash, w.now)
			w.must(err)
			same(t, "view", v, store.LinkView{
				Link:  tideline.Link{WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Purpose: tideline.LinkSignIn, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)},
				Login: store.Login{Workspace: w.ws, Member: w.owner},
			})
		}
		r := w.redemption(hash)
		s, err := w.store.Redeem(w.ctx(), r)
		w.must(err)
		p, err := w.store.PrincipalBySession(w.ctx(), r.SessionHash, w.now)
		w.must(err)
		same(t, "session", p.Session, s)
		same(t, "whose", []any{p.Member.ID, s.ByLink}, []any{w.owner.ID, true})
		_, err = w.store.Redeem(w.ctx(), w.redemption(hash))
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.LinkOf(w.ctx(), hash, w.now)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"OfManyWhoFollowALinkOneGetsIn": func(t *testing.T, w *world) {
		hash := w.link(w.owner, tideline.LinkSignIn)
		stores := []store.Store{w.store, w.another()}
		var in atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			r := w.redemption(hash)
			wg.Go(func() {
				_, err := stores[i%2].Redeem(w.ctx(), r)
				switch {
				case err == nil:
					in.Add(1)
				case !tideline.IsCode(err, tideline.CodeNotFound):
					t.Errorf("refused with %v", err)
				}
			})
		}
		wg.Wait()
		same(t, "who got in", in.Load(), int64(1))
		same(t, "sessions", len(w.sessionIDs(w.owner, w.now)), 1)
	},

	"ALinkExpires": func(t *testing.T, w *world) {
		hash := w.link(w.owner, tideline.LinkSignIn)
		r := w.redemption(hash)
		r.At = w.now.Add(time.Hour)
		_, err := w.store.Redeem(w.ctx(), r)
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.LinkOf(w.ctx(), hash, r.At)
		w.wantCode(err, tideline.CodeNotFound)
		r.At = r.At.Add(-time.Millisecond)
		_, err = w.store.Redeem(w.ctx(), r)
		w.must(err)
	},

	"AnInvitationIsAcceptedWithAPassword": func(t *testing.T, w *world) {
		eve, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "eve", Role: tideline.RoleAgent,
			CreatedAt: w.now, InvitedAt: w.now}, "", -1)
		w.must(err)
		former := w.link(eve, tideline.LinkInvitation)
		hash := w.link(eve, tideline.LinkInvitation)
		_, err = w.store.LinkOf(w.ctx(), former, w.now) // an invitation takes its predecessor's place
		w.wantCode(err, tideline.CodeNotFound)
		version := w.version()
		r := w.redemption(hash)
		r.Password, r.DisplayName = "phc", "Eve"
		_, err = w.store.Redeem(w.ctx(), r)
		w.must(err)
		if v := w.version(); v <= version {
			t.Errorf("version %d after %d", v, version)
		}
		login, err := w.store.LoginOf(w.ctx(), w.ws.ID, eve.ID)
		w.must(err)
		same(t, "login", []any{login.Password, login.Member.DisplayName, login.Member.JoinedAt, login.Member.Status()},
			[]any{"phc", "Eve", w.now, tideline.MemberActive})
	},

	"ARevokedInvitationLetsNobodyIn": func(t *testing.T, w *world) {
		eve, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "eve", Role: tideline.RoleAgent,
			CreatedAt: w.now, InvitedAt: w.now}, "", -1)
		w.must(err)
		hash := w.link(eve, tideline.LinkInvitation)
		w.must(w.store.RevokeInvitation(w.ctx(), w.ws.ID, eve.ID, w.now))
		_, err = w.store.Redeem(w.ctx(), w.redemption(hash))
		w.wantCode(err, tideline.CodeNotFound)
	},

	// Whoever invited somebody has their link too, and must not get in with it as
	// who they have become since.
	"AnInvitationsLinkEndsWhenItsMemberChanges": func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			change func(eve tideline.Member) error
			good   bool // afterwards
		}{
			"another role": {func(m tideline.Member) error {
				return w.store.SetMemberRole(w.ctx(), w.ws.ID, m.ID, tideline.RoleAdmin)
			}, false},
			"the same role":               {func(m tideline.Member) error { return w.store.SetMemberRole(w.ctx(), w.ws.ID, m.ID, m.Role) }, true},
			"invited to another role":     {func(m tideline.Member) error { return w.inviteAs(m, tideline.RoleAdmin) }, false},
			"invited to the same role":    {func(m tideline.Member) error { return w.inviteAs(m, m.Role) }, true},
			"a password of their own":     {func(m tideline.Member) error { return w.store.SetPassword(w.ctx(), w.ws.ID, m.ID, "phc", 0) }, false},
			"a sign-in by another link":   {func(m tideline.Member) error { return w.redeem(w.redemption(w.link(m, tideline.LinkSignIn))) }, false},
			"another member's sign-in":    {func(tideline.Member) error { return w.redeem(w.redemption(w.link(w.owner, tideline.LinkSignIn))) }, true},
			"another member's own choice": {func(tideline.Member) error { return w.store.SetPassword(w.ctx(), w.ws.ID, w.owner.ID, "phc", 0) }, true},
		} {
			eve, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: fmt.Sprintf("eve%d@example.com", w.serial.Add(1)),
				DisplayName: "eve", Role: tideline.RoleAgent, CreatedAt: w.now, InvitedAt: w.now}, "", -1)
			w.must(err)
			hash := w.link(eve, tideline.LinkInvitation)
			w.must(c.change(eve))
			if _, err = w.store.LinkOf(w.ctx(), hash, w.now); tideline.IsCode(err, tideline.CodeNotFound) == c.good || c.good && err != nil {
				t.Errorf("%s: the invitation's link: %v, want it good: %v", name, err, c.good)
			}
		}
	},

	"AChosenPasswordEndsTheOtherLinks": func(t *testing.T, w *world) {
		eve, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "eve", Role: tideline.RoleAgent,
			CreatedAt: w.now, InvitedAt: w.now}, "", -1)
		w.must(err)
		other := w.link(eve, tideline.LinkSignIn)
		r := w.redemption(w.link(eve, tideline.LinkInvitation))
		r.Password = "phc"
		w.must(w.redeem(r))
		_, err = w.store.LinkOf(w.ctx(), other, w.now)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"SigningInIsJoining": func(t *testing.T, w *world) {
		eve, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "eve", Role: tideline.RoleAgent,
			CreatedAt: w.now, InvitedAt: w.now}, "", -1)
		w.must(err)
		version := w.version()
		w.session(eve)
		login, err := w.store.LoginOf(w.ctx(), w.ws.ID, eve.ID)
		w.must(err)
		same(t, "joined", login.Member.JoinedAt, w.now)
		if v := w.version(); v <= version {
			t.Errorf("version %d after %d", v, version)
		}
	},
}
