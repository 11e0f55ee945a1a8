package wasim

import (
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/store"
)

// failureOutdated is the reason of a login that is refused for the client's version.
const failureOutdated = 405

// RequireVersion makes the network refuse clients that announce an older version of WhatsApp Web than this one,
// such as "2.3000.1047769893", at their next login or pairing, with reason 405. "" admits all, as at first. Who is
// connected stays connected.
func (s *Server) RequireVersion(version string) error {
	if version == "" {
		s.minVersion.Store(nil)
		return nil
	}
	v, err := store.ParseVersion(version)
	if err == nil && (v.IsZero() || v.String() != version) { // the library cuts off what is too large
		err = errors.New("it is zero, or has too large a number")
	}
	if err != nil {
		return fmt.Errorf("wasim: version %q: %w; use three numbers such as 2.3000.1047769893", version, err)
	}
	s.minVersion.Store(&v)
	return nil
}

// outdated reports whether the client announces a version that is refused.
func (c *conn) outdated() bool {
	least := c.srv.minVersion.Load()
	if least == nil {
		return false
	}
	v := c.peer.Payload.GetUserAgent().GetAppVersion()
	return store.WAVersionContainer{v.GetPrimary(), v.GetSecondary(), v.GetTertiary()}.LessThan(*least)
}
