package storetest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// secret draws a hash that no other call gives.
func (w *world) secret() [32]byte {
	return [32]byte{byte(w.serial.Add(1)), 5}
}

// session signs a member in and gives the session with its hash.
func (w *world) session(m tideline.Member) (tideline.Session, [32]byte) {
	w.t.Helper()
	hash := w.secret()
	s, err := w.store.CreateSession(w.ctx(), w.newSession(m), hash)
	w.must(err)
	return s, hash
}

func (w *world) newSession(m tideline.Member) tideline.Session {
	return tideline.Session{WorkspaceID: m.WorkspaceID, MemberID: m.ID, CreatedAt: w.now, SeenAt: w.now, ExpiresAt: w.now.Add(tideline.SessionLife),
		UserAgent: "Firefox", Address: "192.0.2.1"}
}

// sessionIDs gives the ids of a member's sessions as they are listed.
func (w *world) sessionIDs(m tideline.Member, now time.Time) []int64 {
	w.t.Helper()
	list, err := w.store.ListSessions(w.ctx(), m.WorkspaceID, m.ID, now)
	w.must(err)
	ids := []int64{}
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

func (w *world) wantEnded(hash [32]byte) {
	w.t.Helper()
	_, err := w.store.PrincipalBySession(w.ctx(), hash, w.now)
	w.wantCode(err, tideline.CodeInvalidToken)
}

var sessionTests = map[string]func(*testing.T, *world){
	"ASessionNamesItsPrincipal": func(t *testing.T, w *world) {
		s, hash := w.session(w.owner)
		p, err := w.store.PrincipalBySession(w.ctx(), hash, w.now)
		w.must(err)
		same(t, "principal", p, tideline.Principal{Workspace: w.ws, Member: w.owner, Session: s, Version: w.version()})
		list, err := w.store.ListSessions(w.ctx(), w.ws.ID, w.owner.ID, w.now)
		w.must(err)
		same(t, "list", list, []tideline.Session{s})
		// A token's hash opens no session, and a session's is no token.
		_, token := w.token(time.Time{})
		w.wantEnded(token)
		_, err = w.store.PrincipalByToken(w.ctx(), hash, w.now)
		w.wantCode(err, tideline.CodeInvalidToken)
	},

	"ASessionLastsWhileItIsUsed": func(t *testing.T, w *world) {
		s, hash := w.session(w.owner)
		end := w.now.Add(tideline.SessionLife)
		_, err := w.store.PrincipalBySession(w.ctx(), hash, end.Add(-time.Millisecond))
		w.must(err)
		_, err = w.store.PrincipalBySession(w.ctx(), hash, end)
		w.wantCode(err, tideline.CodeInvalidToken)
		same(t, "listed after its end", w.sessionIDs(w.owner, end), []int64{})
		seen := w.now.Add(time.Hour)
		version := w.version()
		w.must(w.store.NoteSeen(w.ctx(), []store.Sighting{
			{WorkspaceID: w.ws.ID, SessionID: s.ID, At: seen},
			{WorkspaceID: w.ws.ID, SessionID: s.ID, At: seen.Add(-time.Minute)}, // came late
			{WorkspaceID: w.ws.ID, SessionID: 4711, At: seen},
		}))
		same(t, "version", w.version(), version)
		p, err := w.store.PrincipalBySession(w.ctx(), hash, end)
		w.must(err)
		same(t, "seen", p.Session.SeenAt, seen)
		same(t, "expires", p.Session.ExpiresAt, seen.Add(tideline.SessionLife))
	},

	"EndedSessionsAreForgottenByEveryProcess": func(t *testing.T, w *world) {
		first, firstHash := w.session(w.owner)
		second, secondHash := w.session(w.owner)
		_, thirdHash := w.session(w.owner)
		ben := w.member("ben@example.com", tideline.RoleAgent)
		bens, bensHash := w.session(ben)
		other := w.another()
		version := w.version()
		w.must(w.store.EndSession(w.ctx(), w.ws.ID, w.owner.ID, first.ID))
		_, err := other.PrincipalBySession(w.ctx(), firstHash, w.now)
		w.wantCode(err, tideline.CodeInvalidToken)
		if v := w.version(); v <= version {
			t.Errorf("version %d after %d: what others keep in memory would stay good", v, version)
		}
		w.wantCode(w.store.EndSession(w.ctx(), w.ws.ID, w.owner.ID, first.ID), tideline.CodeNotFound)
		w.wantCode(w.store.EndSession(w.ctx(), w.ws.ID, w.owner.ID, bens.ID), tideline.CodeNotFound)
		version = w.version()
		n, err := w.store.EndSessions(w.ctx(), w.ws.ID, w.owner.ID, second.ID)
		w.must(err)
		same(t, "ended", n, 1)
		if v := w.version(); v <= version {
			t.Errorf("version %d after %d", v, version)
		}
		w.wantEnded(thirdHash)
		same(t, "left of the owner", w.sessionIDs(w.owner, w.now), []int64{second.ID})
		_, err = w.store.PrincipalBySession(w.ctx(), secondHash, w.now)
		w.must(err)
		_, err = w.store.PrincipalBySession(w.ctx(), bensHash, w.now)
		w.must(err)
	},

	"ARemovedMemberIsShutOut": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAgent)
		_, hash := w.session(ben)
		link := w.secret()
		w.must(w.store.CreateLink(w.ctx(), tideline.Link{WorkspaceID: w.ws.ID, MemberID: ben.ID, Purpose: tideline.LinkSignIn, CreatedAt: w.now,
			ExpiresAt: w.now.Add(time.Hour)}, link))
		w.must(w.store.RemoveMember(w.ctx(), w.ws.ID, ben.ID, w.now))
		w.wantEnded(hash)
		_, err := w.store.LinkOf(w.ctx(), link, w.now)
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.CreateSession(w.ctx(), w.newSession(ben), w.secret())
		w.wantCode(err, tideline.CodeNotFound)
		w.wantCode(w.store.SetPassword(w.ctx(), w.ws.ID, ben.ID, "x", 0), tideline.CodeNotFound)
		w.wantCode(w.store.CreateLink(w.ctx(), tideline.Link{WorkspaceID: w.ws.ID, MemberID: ben.ID, Purpose: tideline.LinkSignIn}, w.secret()), tideline.CodeNotFound)
		logins, err := w.store.LoginsOf(w.ctx(), "ben@example.com")
		w.must(err)
		same(t, "logins", len(logins), 0)
	},

	"APasswordEndsTheOtherSessions": func(t *testing.T, w *world) {
		has, err := w.store.HasPasswords(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "a password at first", has, false)
		mine, hash := w.session(w.owner)
		_, others := w.session(w.owner)
		link := w.secret()
		w.must(w.store.CreateLink(w.ctx(), tideline.Link{WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Purpose: tideline.LinkSignIn, CreatedAt: w.now,
			ExpiresAt: w.now.Add(time.Hour)}, link))
		w.must(w.store.SetPassword(w.ctx(), w.ws.ID, w.owner.ID, "phc", mine.ID))
		w.wantEnded(others)
		_, err = w.store.PrincipalBySession(w.ctx(), hash, w.now)
		w.must(err)
		_, err = w.store.LinkOf(w.ctx(), link, w.now)
		w.wantCode(err, tideline.CodeNotFound)
		has, err = w.store.HasPasswords(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "a password now", has, true)
		w.must(w.store.ReplacePasswordHash(w.ctx(), w.ws.ID, w.owner.ID, "an older one", "wrong"))
		w.must(w.store.ReplacePasswordHash(w.ctx(), w.ws.ID, w.owner.ID, "phc", "phc2"))
		login, err := w.store.LoginOf(w.ctx(), w.ws.ID, w.owner.ID)
		w.must(err)
		same(t, "login", login, store.Login{Workspace: w.ws, Member: w.owner, Password: "phc2"})
	},

	// Whose session was ended, by another change of the password perhaps, changes
	// nothing any more.
	"APasswordIsNotChangedFromASessionThatEnded": func(t *testing.T, w *world) {
		mine, hash := w.session(w.owner)
		theirs, _ := w.session(w.owner)
		w.must(w.store.SetPassword(w.ctx(), w.ws.ID, w.owner.ID, "mine", mine.ID))
		w.wantCode(w.store.SetPassword(w.ctx(), w.ws.ID, w.owner.ID, "theirs", theirs.ID), tideline.CodeNotFound)
		login, err := w.store.LoginOf(w.ctx(), w.ws.ID, w.owner.ID)
		w.must(err)
		same(t, "password", login.Password, "mine")
		_, err = w.store.PrincipalBySession(w.ctx(), hash, w.now)
		w.must(err)
		ben := w.member("ben@example.com", tideline.RoleAgent)
		w.wantCode(w.store.SetPassword(w.ctx(), w.ws.ID, ben.ID, "ben's", mine.ID), tideline.CodeNotFound) // another member's session
	},

	"AnEMailFindsItsMembersInEveryWorkspace": func(t *testing.T, w *world) {
		other, _ := w.workspace("second", 10)
		w.member("ben@example.com", tideline.RoleAgent)
		_, err := w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: other.ID, Email: "Ben@Example.com", Role: tideline.RoleAdmin, CreatedAt: w.now})
		w.must(err)
		logins, err := w.store.LoginsOf(w.ctx(), "BEN@example.com")
		w.must(err)
		var slugs []string
		for _, l := range logins {
			slugs = append(slugs, l.Workspace.Slug)
			same(t, "password", l.Password, "")
		}
		same(t, "workspaces", slugs, []string{"first", "second"})
		logins, err = w.store.LoginsOf(w.ctx(), "nobody@example.com")
		w.must(err)
		same(t, "nobody", len(logins), 0)
	},

	"MembersChangeThemselves": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAgent)
		version := w.version()
		m, err := w.store.UpdateSelf(w.ctx(), w.ws.ID, ben.ID, store.SelfUpdate{Language: ptr("es"), DisplayName: ptr("Benito")})
		w.must(err)
		if v := w.version(); v <= version {
			t.Errorf("version %d after %d", v, version)
		}
		same(t, "changed", []string{m.Language, m.DisplayName, m.Email}, []string{"es", "Benito", "ben@example.com"})
		login, err := w.store.LoginOf(w.ctx(), w.ws.ID, ben.ID)
		w.must(err)
		same(t, "stored", login.Member, m)
		_, err = w.store.UpdateSelf(w.ctx(), w.ws.ID, ben.ID, store.SelfUpdate{Email: ptr("First@example.com"), Language: ptr("en")})
		w.wantCode(err, tideline.CodeConflict)
		login, err = w.store.LoginOf(w.ctx(), w.ws.ID, ben.ID)
		w.must(err)
		same(t, "after a refused change", login.Member, m)
		// The account is Ann's; its owner's name follows her.
		ann := w.member("Ann@Example.com", tideline.RoleAdmin)
		_, err = w.store.UpdateSelf(w.ctx(), w.ws.ID, ann.ID, store.SelfUpdate{Email: ptr("anna@example.com"), DisplayName: ptr("Anna")})
		w.must(err)
		acc, err := w.store.Account(w.ctx(), w.ws.ID, w.acc.ID)
		w.must(err)
		same(t, "owner of the account", []string{acc.OwnerName, acc.OwnerEmail}, []string{"Anna", "anna@example.com"})
		_, err = w.store.UpdateSelf(w.ctx(), w.ws.ID, 4711, store.SelfUpdate{})
		w.wantCode(err, tideline.CodeNotFound)
	},

	"NothingIsReachedThroughAnotherWorkspace": func(t *testing.T, w *world) {
		s, hash := w.session(w.owner)
		other, _ := w.workspace("second", 10)
		ctx := w.ctx()
		for name, call := range map[string]func() error{
			"session":  func() error { return w.store.EndSession(ctx, other.ID, w.owner.ID, s.ID) },
			"password": func() error { return w.store.SetPassword(ctx, other.ID, w.owner.ID, "x", 0) },
			"login":    func() error { _, err := w.store.LoginOf(ctx, other.ID, w.owner.ID); return err },
			"self": func() error {
				_, err := w.store.UpdateSelf(ctx, other.ID, w.owner.ID, store.SelfUpdate{DisplayName: ptr("x")})
				return err
			},
			"new session": func() error {
				se := w.newSession(w.owner)
				se.WorkspaceID = other.ID
				_, err := w.store.CreateSession(ctx, se, w.secret())
				return err
			},
			"new link": func() error {
				return w.store.CreateLink(ctx, tideline.Link{WorkspaceID: other.ID, MemberID: w.owner.ID, Purpose: tideline.LinkSignIn}, w.secret())
			},
		} {
			if err := call(); !tideline.IsCode(err, tideline.CodeNotFound) {
				t.Errorf("%s: %v, want not_found", name, err)
			}
		}
		n, err := w.store.EndSessions(ctx, other.ID, w.owner.ID, 0)
		w.must(err)
		same(t, "ended", n, 0)
		w.must(w.store.NoteSeen(ctx, []store.Sighting{{WorkspaceID: other.ID, SessionID: s.ID, At: w.now.Add(time.Hour)}}))
		p, err := w.store.PrincipalBySession(ctx, hash, w.now)
		w.must(err)
		same(t, "seen", p.Session.SeenAt, w.now)
	},

	"WhatIsOverIsPruned": func(t *testing.T, w *world) {
		_, hash := w.session(w.owner)
		link := w.secret()
		w.must(w.store.CreateLink(w.ctx(), tideline.Link{WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Purpose: tideline.LinkSignIn, CreatedAt: w.now,
			ExpiresAt: w.now.Add(time.Hour)}, link))
		w.must(w.store.Prune(w.ctx(), w.now.Add(time.Hour-time.Millisecond)))
		_, err := w.store.LinkOf(w.ctx(), link, w.now)
		w.must(err)
		w.must(w.store.Prune(w.ctx(), w.now.Add(time.Hour)))
		_, err = w.store.LinkOf(w.ctx(), link, w.now) // as if time stood still: the row itself is gone
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.PrincipalBySession(w.ctx(), hash, w.now)
		w.must(err)
		w.must(w.store.Prune(w.ctx(), w.now.Add(tideline.SessionLife)))
		w.wantEnded(hash)
	},
}
