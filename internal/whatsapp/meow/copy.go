package meow

import (
	"context"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/types"
)

// SessionsFile is the SQLite file with sessions, in the data folder.
const SessionsFile = "whatsapp.db"

// PrepareSessions makes the tables of sessions, or brings them up to the version
// that this program's library has, and gives that version. Of o it needs what
// names the database. No connector has it open.
func PrepareSessions(ctx context.Context, o Options) (version int64, err error) {
	err = withSessions(ctx, o, func(s *sessions) error {
		return s.db.QueryRowContext(ctx, "SELECT max(version) FROM whatsmeow_version").Scan(&version)
	})
	if err != nil {
		return 0, fmt.Errorf("prepare whatsapp sessions: %w", err)
	}
	return version, nil
}

// RenewRatchets prepares sessions that are older than what was sent with them,
// because they come from a backup. A ratchet that goes back encrypts with keys
// that were used already: the recipient's phone can't read it, and whoever has
// both ciphertexts learns from them. So the ratchets with which an account sends
// are forgotten: the sessions with single devices, and the account's own keys in
// groups. The library makes new ones from the keys that phones publish (send.go,
// encryptMessageForDevices and sendGroup), and phones that write with the old ones
// are asked to write again (retry.go). What links the device to the phone stays,
// and so do the groups' keys of others, which only go forward.
func RenewRatchets(ctx context.Context, o Options) error {
	return withSessions(ctx, o, func(s *sessions) error {
		jids, err := s.list(ctx)
		if err != nil {
			return err
		}
		for _, text := range jids {
			if err := s.renew(ctx, text); err != nil {
				return fmt.Errorf("renew ratchets: %w", err)
			}
		}
		return nil
	})
}

func (s *sessions) renew(ctx context.Context, device string) error {
	jid, err := types.ParseJID(device)
	if err != nil {
		return err
	}
	own := []string{jid.SignalAddress().String()}
	var lid *string
	if err := s.db.QueryRowContext(ctx, "SELECT lid FROM whatsmeow_device WHERE jid = $1", device).Scan(&lid); err != nil {
		return err
	}
	if lid != nil && *lid != "" {
		hidden, err := types.ParseJID(*lid)
		if err != nil {
			return err
		}
		// Groups name the device by its hidden id, with or without the device's number
		// in what the table of devices has.
		hidden.Device = jid.Device
		own = append(own, hidden.SignalAddress().String())
	}
	if _, err := s.db.ExecContext(ctx, "DELETE FROM whatsmeow_sessions WHERE our_jid = $1", device); err != nil {
		return err
	}
	for _, address := range own {
		if _, err := s.db.ExecContext(ctx, "DELETE FROM whatsmeow_sender_keys WHERE our_jid = $1 AND sender_id = $2", device, address); err != nil {
			return err
		}
	}
	return nil
}

func withSessions(ctx context.Context, o Options, do func(*sessions) error) (err error) {
	s, err := openSessions(ctx, o, libraryLogger{log: o.withDefaults().Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return do(s)
}
