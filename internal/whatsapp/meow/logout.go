package meow

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// unlink asks WhatsApp to take the device off the phone's list. It is the query
// of the library's Logout (client.go) without what follows there: closing the
// connection is done with more care here, and the keys are deleted in any case.
func (s *session) unlink(ctx context.Context) error {
	//nolint:staticcheck // marked deprecated only to frighten; there is no other way to ask for an answer
	_, err := s.cli.DangerousInternals().SendIQ(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "md",
		Type:      whatsmeow.DangerousInfoQueryType("set"),
		To:        types.ServerJID,
		Content: []waBinary.Node{{
			Tag:   "remove-companion-device",
			Attrs: waBinary.Attrs{"jid": s.jid, "reason": "user_initiated"},
		}},
	})
	return err
}

// logout unlinks the device at WhatsApp if a connection can be had, and deletes
// its keys.
func (s *session) logout(ctx context.Context) error {
	if !s.active() {
		s.connect()
		wait, cancel := context.WithTimeout(ctx, s.c.opts.LogoutWait)
		// The outcome shows below; being unreachable does not keep the keys.
		_, _ = s.await(wait, tideline.AccountActive, tideline.AccountLoggedOut, tideline.AccountBanned, tideline.AccountOutdated)
		cancel()
	}
	s.c.forget(s)
	var told error
	if s.active() {
		iq, cancel := context.WithTimeout(ctx, s.c.opts.LogoutWait)
		told = s.unlink(iq)
		cancel()
	}
	s.deliver.Lock()
	s.report(tideline.AccountLoggedOut, reasonLoggedOut)
	s.shut()
	s.deliver.Unlock()
	s.hangUp(nil)
	if told != nil {
		s.c.log.Warn("whatsapp did not confirm the logout; the keys are deleted all the same", "session", s.label, "err", quiet(told))
	}
	if err := s.c.sessions.delete(context.WithoutCancel(ctx), s.jid); err != nil {
		return fmt.Errorf("delete whatsapp session: %w", err)
	}
	return nil
}
