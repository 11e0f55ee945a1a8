package meow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// A phone announces the chunks of its history in messages to its own account.
// What the library allows: it decrypts the announcement and keeps the plaintext
// in its database, in one transaction (message.go, bufferedDecrypt); then it
// acknowledges in a goroutine, with a receipt of the type peer_msg that can't be
// held back (message.go, handleProtocolMessage), while we are told. WhatsApp may
// therefore never repeat an announcement that we were about to store when the
// process died. But the plaintext stays in the library's database until we have
// returned true, so what we did not get to is found there at the next login; see
// unheard. The receipt that tells the phone, hist_sync, is ours to send: the
// library's is turned off, and it follows the stored announcement.

const (
	// pairingPatience is how long an announcement waits for its account to be
	// stored. It comes right after the first login, and the account's storage
	// takes as long as a few transactions.
	pairingPatience = 15 * time.Second
	pairingPoll     = 20 * time.Millisecond
)

// announcement gives the notification of a chunk in a message; nil when there is
// none, or none that is worth fetching. What contacts have published for a day is
// not shown by Tideline.
func announcement(m *waE2E.Message) *waE2E.HistorySyncNotification {
	n := m.GetProtocolMessage().GetHistorySyncNotification()
	if n.GetSyncType() == waE2E.HistorySyncType_INITIAL_STATUS_V3 {
		return nil
	}
	return n
}

// chunk is an announcement as the handler gets it. Its name is a hash of what it
// says, which is the same when it is found in the library's database.
func chunk(n *waE2E.HistorySyncNotification) (whatsapp.HistoryChunk, error) {
	ref, err := proto.MarshalOptions{Deterministic: true}.Marshal(n)
	if err != nil {
		return whatsapp.HistoryChunk{}, fmt.Errorf("keep the announcement of a history: %w", err)
	}
	sum := sha256.Sum256(ref)
	return whatsapp.HistoryChunk{ID: hex.EncodeToString(sum[:16]), Order: int(n.GetChunkOrder()), Progress: int(n.GetProgress()), Ref: ref}, nil
}

// history passes on the announcement of a chunk in the message with the id.
// False keeps WhatsApp from being answered, as far as that is in our hands.
func (s *session) history(id types.MessageID, n *waE2E.HistorySyncNotification) bool {
	if s.c.opts.History > 0 {
		if err := s.offer(n); err != nil {
			s.c.log.Warn("history not noted; trying again after the next login", "session", s.label, "err", quiet(err))
			s.repeatLater()
			return false
		}
	}
	s.c.spawn(func() {
		if err := s.cli.SendProtocolMessageReceipt(s.ctx, id, types.ReceiptTypeHistorySync); err != nil {
			s.c.log.Debug("tell the phone that its history came", "device", s.device, "err", err)
		}
	})
	return true
}

// offer tells the handler of a chunk. While the account is being paired it
// waits, without a lock: the login must go on.
func (s *session) offer(n *waE2E.HistorySyncNotification) error {
	c, err := chunk(n)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(pairingPatience)
	for {
		err = s.pass(func() error { return s.c.handler.History(s.c.ctx, s.device, c) })
		if !errors.Is(err, whatsapp.ErrAccountPending) || time.Now().After(deadline) || !s.rest(pairingPoll) {
			return err
		}
	}
}

// rest waits for d; false when the session ended.
func (s *session) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.ctx.Err() == nil
}

// unheard passes on the announcements that the library has decrypted and we never
// heard of, or never stored, because the process died. It is called after a login.
func (s *session) unheard() {
	if s.c.opts.History <= 0 {
		return
	}
	kept, err := s.c.sessions.undelivered(s.ctx, s.jid)
	if err != nil {
		s.c.log.Warn("look for announcements of history", "session", s.label, "err", quiet(err))
		return
	}
	for hash, plaintext := range kept {
		m := new(waE2E.Message)
		if err := proto.Unmarshal(plaintext, m); err != nil {
			continue // the library says so when WhatsApp repeats it
		}
		if d := m.GetDeviceSentMessage().GetMessage(); d != nil {
			m = d
		}
		n := announcement(m)
		if n == nil {
			continue
		}
		if err := s.offer(n); err != nil {
			s.c.log.Warn("history not noted; trying again after the next login", "session", s.label, "err", quiet(err))
			continue
		}
		if err := s.c.sessions.delivered(context.WithoutCancel(s.ctx), s.jid, hash); err != nil {
			s.c.log.Warn("note that an announcement was heard", "session", s.label, "err", quiet(err))
		}
	}
}

// undelivered gives the plaintexts, by the hash of what they were decrypted from,
// that the library keeps for a session because the handler has not taken them
// (whatsmeow store/sqlstore, table whatsmeow_event_buffer). Padding is removed as
// in message.go, unpadMessage.
func (s *sessions) undelivered(ctx context.Context, jid types.JID) (kept map[string][]byte, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT ciphertext_hash, plaintext FROM whatsmeow_event_buffer WHERE our_jid = $1 AND plaintext IS NOT NULL", jid.String())
	if err != nil {
		return nil, fmt.Errorf("read undelivered messages: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	kept = make(map[string][]byte)
	for rows.Next() {
		var hash, plaintext []byte
		if err := rows.Scan(&hash, &plaintext); err != nil {
			return nil, fmt.Errorf("read undelivered messages: %w", err)
		}
		if n := len(plaintext); n > 0 && int(plaintext[n-1]) <= n {
			kept[string(hash)] = plaintext[:n-int(plaintext[n-1])]
		}
	}
	return kept, rows.Err()
}

// delivered does what the library does when a handler has taken a message.
func (s *sessions) delivered(ctx context.Context, jid types.JID, hash string) error {
	_, err := s.db.ExecContext(ctx, "UPDATE whatsmeow_event_buffer SET plaintext = NULL WHERE our_jid = $1 AND ciphertext_hash = $2", jid.String(), []byte(hash))
	return err
}
