package meow

import (
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// The library keeps the version that its clients announce in a variable that
// their goroutines read, so it can't be changed while there are any. Each client
// is therefore given the function that makes its login's payload.

// BuiltInVersion is the WhatsApp Web version that the library was made for.
func BuiltInVersion() string { return store.GetWAVersion().String() }

// NewerVersion reports whether version a is newer than b. What is no version is
// older than every other.
func NewerVersion(a, b string) bool {
	va, errA := parseVersion(a)
	vb, errB := parseVersion(b)
	return errA == nil && (errB != nil || vb.LessThan(va))
}

func parseVersion(version string) (store.WAVersionContainer, error) {
	v, err := store.ParseVersion(version)
	if err == nil && (v.IsZero() || v.String() != version) { // the library cuts off what is too large
		err = errors.New("it is zero, or has too large a number")
	}
	if err != nil {
		return v, tideline.Errorf(tideline.CodeValidation, "%q is not a WhatsApp version such as %s: %v", version, BuiltInVersion(), err)
	}
	return v, nil
}

// Version is the WhatsApp Web version that this connector announces.
func (c *Connector) Version() string { return c.announced().String() }

// SetVersion changes the announced version for every login and pairing from now
// on; "" goes back to the one built in. Accounts whose version was refused connect
// at once, a few at a time, and leave AccountOutdated when they are let in.
func (c *Connector) SetVersion(version string) error {
	if err := c.setVersion(version); err != nil {
		return err
	}
	c.mu.Lock()
	all := make([]*session, 0, len(c.open))
	for _, s := range c.open {
		all = append(all, s)
	}
	c.mu.Unlock()
	for _, s := range all {
		if s.outdated() {
			s.connect()
		}
	}
	return nil
}

func (c *Connector) setVersion(version string) error {
	if version == "" {
		c.version.Store(nil)
		return nil
	}
	v, err := parseVersion(version)
	if err != nil {
		return err
	}
	c.version.Store(&v)
	return nil
}

func (c *Connector) announced() store.WAVersionContainer {
	if v := c.version.Load(); v != nil {
		return *v
	}
	return store.GetWAVersion()
}

// payload gives the function with which a client says who it is and of which
// version (whatsmeow handshake.go). told is called with the version.
func (c *Connector) payload(cli *whatsmeow.Client, told func(store.WAVersionContainer)) func() *waWa6.ClientPayload {
	return func() *waWa6.ClientPayload {
		v := c.announced()
		p := cli.Store.GetClientPayload()
		p.UserAgent.AppVersion = v.ProtoAppVersion()
		if d := p.GetDevicePairingData(); d != nil {
			hash := v.Hash()
			d.BuildHash = hash[:]
		}
		told(v)
		return p
	}
}

// outdated reports whether WhatsApp refused the session's version.
func (s *session) outdated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.state == tideline.AccountOutdated
}

// tooOld is told when WhatsApp refused the version. When that was changed since
// the login began, the new one is tried; otherwise somebody has to change it,
// though now and then it is tried whether WhatsApp has thought better of it.
func (s *session) tooOld() {
	s.mu.Lock()
	announced := s.version
	s.mu.Unlock()
	if now := s.c.announced(); now != announced {
		s.spoil()
		s.downFor(backoff(0, s.c.opts.RetryFirst, s.c.opts.RetryMax), "the announced version was changed; reconnecting")
		return
	}
	s.c.log.Error("whatsapp refuses this version of the client", "session", s.label, "version", announced.String(),
		"to_do", "update tideline, or announce a newer version: tideline whatsapp-version")
	s.refused(tideline.AccountOutdated, fmt.Sprintf("WhatsApp no longer accepts version %s of the client; update Tideline, "+
		"or announce a newer version with tideline whatsapp-version", announced))
	s.plan(backoff(0, outdatedRetry, outdatedRetry))
}
