package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// meanwhile does something between looking at a password and opening a session.
type meanwhile struct {
	*seenCounter
	do func()
}

func (m meanwhile) CreateSession(ctx context.Context, se tideline.Session, hash [32]byte) (tideline.Session, error) {
	m.do()
	return m.seenCounter.CreateSession(ctx, se, hash)
}

func TestAPasswordThatIsChangedMeanwhileOpensNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		password string // the new one
		want     error
	}{"to another": {"another-tractor", auth.ErrWrongPassword}, "to the same": {secretWord, nil}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDoor(t)
			d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
			racing := auth.NewSessions(meanwhile{d.store, func() { d.must(d.ResetPassword(t.Context(), &d.owner, c.password)) }}, auth.SessionConfig{Now: d.now})
			secret, _, err := racing.SignIn(t.Context(), auth.Credentials{Email: d.owner.Email, Password: secretWord, Browser: d.browser()})
			if !errors.Is(err, c.want) || (secret == "") != (c.want != nil) {
				t.Fatalf("signed in with %v", err)
			}
			list, err := d.List(t.Context(), d.ws.ID, d.owner.ID)
			d.must(err)
			if open := len(list) > 0; open != (c.want == nil) {
				t.Errorf("sessions after it: %+v", list)
			}
		})
	}
}

func TestAnEndedSessionChangesNoPassword(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	_, stolen := d.signedIn(d.owner.Email, secretWord) // its request is on the way
	_, own := d.signedIn(d.owner.Email, secretWord)
	d.must(d.End(t.Context(), d.ws.ID, d.owner.ID, stolen.Session.ID))
	d.want(d.SetPassword(t.Context(), stolen, secretWord, "another-tractor"), tideline.CodeInvalidToken)
	d.must(d.SetPassword(t.Context(), own, secretWord, "third-tractor"))
}
