package auth_test

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestALinkLetsItsMemberInOnce(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	link, l, err := d.CreateLink(t.Context(), &d.owner, tideline.LinkSignIn, 0)
	d.must(err)
	if want := d.now().Add(24 * time.Hour); !l.ExpiresAt.Equal(want) {
		t.Errorf("good until %v, want %v", l.ExpiresAt, want)
	}
	for range 2 {
		who, err := d.Link(t.Context(), link)
		d.must(err)
		if who.Member.ID != d.owner.ID || who.Workspace.ID != d.ws.ID || who.Choose {
			t.Errorf("the link shows %+v", who)
		}
	}
	secret, _, err := d.Redeem(t.Context(), link, auth.Entry{Browser: d.browser()})
	d.must(err)
	p, err := d.Authenticate(t.Context(), secret)
	d.must(err)
	if p.Member.ID != d.owner.ID || !p.Session.ByLink {
		t.Errorf("principal %+v", p)
	}
	for _, bad := range []string{link, "", "nonsense", secret, string(make([]byte, 1000))} {
		again, _, err := d.Redeem(t.Context(), bad, auth.Entry{})
		d.want(err, tideline.CodeNotFound)
		if again != "" && bad != link {
			t.Errorf("%q gave a secret", bad)
		}
		_, err = d.Link(t.Context(), bad)
		d.want(err, tideline.CodeNotFound)
	}
	_, err = d.Authenticate(t.Context(), link)
	d.want(err, tideline.CodeInvalidToken) // a link is no session
	link, _, err = d.CreateLink(t.Context(), &d.owner, tideline.LinkSignIn, time.Minute)
	d.must(err)
	d.move(time.Minute)
	_, _, err = d.Redeem(t.Context(), link, auth.Entry{})
	d.want(err, tideline.CodeNotFound)
	_, _, err = d.CreateLink(t.Context(), &d.owner, "master key", 0)
	d.want(err, tideline.CodeValidation)
	_, _, err = d.CreateLink(t.Context(), &tideline.Member{ID: d.ownerOf.ID, WorkspaceID: d.ws.ID}, tideline.LinkSignIn, 0)
	d.want(err, tideline.CodeNotFound)
}

func TestWhoCameByALinkMayReplaceAForgottenPasswordForAnHour(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	enter := func() *tideline.Principal {
		t.Helper()
		link, _, err := d.CreateLink(t.Context(), &d.owner, tideline.LinkSignIn, 0)
		d.must(err)
		secret, _, err := d.Redeem(t.Context(), link, auth.Entry{})
		d.must(err)
		p, err := d.Authenticate(t.Context(), secret)
		d.must(err)
		return p
	}
	first := enter()
	d.move(2 * time.Hour)
	if pw, err := d.PasswordOf(t.Context(), first); err != nil || pw.Chosen || pw.OldAsked {
		t.Errorf("before one is chosen: %+v, %v", pw, err)
	}
	d.must(d.SetPassword(t.Context(), first, "", secretWord)) // the first one, whenever
	forgot := enter()
	if pw, err := d.PasswordOf(t.Context(), forgot); err != nil || !pw.Chosen || pw.OldAsked {
		t.Errorf("just in: %+v, %v", pw, err)
	}
	d.must(d.SetPassword(t.Context(), forgot, "", "another-tractor"))
	d.move(time.Hour)
	d.want(d.SetPassword(t.Context(), forgot, "", "third-tractor"), tideline.CodeValidation)
	d.must(d.SetPassword(t.Context(), forgot, "another-tractor", "third-tractor"))
}

func TestAPasswordUsesUpTheLinks(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	link, _, err := d.CreateLink(t.Context(), &d.owner, tideline.LinkSignIn, 0)
	d.must(err)
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	_, err = d.Link(t.Context(), link)
	d.want(err, tideline.CodeNotFound)
}

func TestAnInvitationIsAcceptedWithAPassword(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	eve, _, err := d.store.Invite(t.Context(), tideline.Member{WorkspaceID: d.ws.ID, Email: "eve@example.com", DisplayName: "eve", Role: tideline.RoleAgent,
		CreatedAt: d.now(), InvitedAt: d.now()}, "", -1)
	d.must(err)
	link, l, err := d.CreateLink(t.Context(), &eve, tideline.LinkInvitation, 0)
	d.must(err)
	if want := d.now().Add(tideline.InvitationLife); !l.ExpiresAt.Equal(want) {
		t.Errorf("good until %v, want %v", l.ExpiresAt, want)
	}
	who, err := d.Link(t.Context(), link)
	d.must(err)
	if !who.Choose || who.Member.Status() != tideline.MemberInvited {
		t.Errorf("the invitation shows %+v", who)
	}
	for _, e := range []auth.Entry{{}, {Password: "short"}, {Password: "eve@example.com"}, {Password: secretWord, DisplayName: "a\nb"}} {
		_, _, err := d.Redeem(t.Context(), link, e)
		d.want(err, tideline.CodeValidation) // and the link is still good
	}
	d.move(time.Hour)
	_, _, err = d.Redeem(t.Context(), link, auth.Entry{Password: secretWord, DisplayName: " Eve "})
	d.must(err)
	_, p := d.signedIn("eve@example.com", secretWord)
	if p.Member.DisplayName != "Eve" || p.Member.Status() != tideline.MemberActive || !p.Member.JoinedAt.Equal(d.now()) {
		t.Errorf("joined as %+v", p.Member)
	}
}

func TestARemovedMemberIsOut(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	eve, err := d.store.AddMember(t.Context(), tideline.Member{WorkspaceID: d.ws.ID, Email: "eve@example.com", DisplayName: "Eve", Role: tideline.RoleAgent, CreatedAt: d.now()})
	d.must(err)
	d.must(d.ResetPassword(t.Context(), &eve, secretWord))
	secret, p := d.signedIn(eve.Email, secretWord)
	link, _, err := d.CreateLink(t.Context(), &eve, tideline.LinkSignIn, 0)
	d.must(err)
	d.must(d.store.RemoveMember(t.Context(), d.ws.ID, eve.ID, d.now()))
	_, err = d.Authenticate(t.Context(), secret)
	d.want(err, tideline.CodeInvalidToken)
	_, err = d.Refresh(t.Context(), p)
	d.want(err, tideline.CodeInvalidToken)
	_, err = d.Link(t.Context(), link)
	d.want(err, tideline.CodeNotFound)
	_, _, err = d.signIn(eve.Email, secretWord)
	d.want(err, tideline.CodeValidation)
}
