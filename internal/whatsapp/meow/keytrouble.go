package meow

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.mau.fi/whatsmeow/store"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// probeTimeout bounds the question whether the keys can be written.
const probeTimeout = 15 * time.Second

// keyGuard is an account's event buffer that tells a database in trouble from a
// message that can't be decrypted. The library doesn't (message.go,
// decryptMessages): whatever goes wrong, it acknowledges the message and asks its
// sender to encrypt it again, five times at most, so that a database that is
// locked or full for a moment costs messages. An error that is context.Canceled
// is the only one after which it does neither, and then WhatsApp repeats the
// message after the next login.
type keyGuard struct {
	store.EventBuffer
	probe  func(context.Context) error // asks the database
	repeat func(error)                 // has WhatsApp repeat what was not taken
}

// GetBufferedEvent implements store.EventBuffer.
func (g *keyGuard) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	e, err := g.EventBuffer.GetBufferedEvent(ctx, hash)
	if err != nil {
		return nil, g.postpone(err)
	}
	return e, nil
}

// DoDecryptionTxn implements store.EventBuffer.
func (g *keyGuard) DoDecryptionTxn(ctx context.Context, decrypt func(context.Context) error) error {
	err := g.EventBuffer.DoDecryptionTxn(ctx, decrypt)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if databaseTrouble(err) {
		return g.postpone(err)
	}
	// The session may look absent only because it could not be moved to the sender's
	// other address, which the library but logs.
	probeCtx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if probeErr := g.probe(probeCtx); probeErr != nil {
		return g.postpone(errors.Join(err, probeErr))
	}
	return err
}

// postpone gives an error after which the library leaves the message alone.
func (g *keyGuard) postpone(err error) error {
	g.repeat(err)
	return fmt.Errorf("keys not available (%w): %w", context.Canceled, err)
}

// databaseTrouble reports whether err is about the database and not about what was
// to be stored: another attempt may succeed.
func databaseTrouble(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff { // the rest says more exactly what
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
			return false
		}
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		class := e.Code[:min(2, len(e.Code))]
		return class != "22" && class != "23" // data exception, integrity violation
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, known := range []error{driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	// database/sql gives this one no name.
	return connecting || strings.Contains(err.Error(), "sql: database is closed")
}

// writable asks whether keys can be read and written.
func (s *sessions) writable(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it changed nothing
	for _, statement := range []string{
		"UPDATE whatsmeow_sessions SET session = session WHERE our_jid = ''",
		"UPDATE whatsmeow_identity_keys SET identity = identity WHERE our_jid = ''",
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// keysUnavailable has WhatsApp repeat a message that could not be decrypted
// because the keys can't be read or written now.
func (s *session) keysUnavailable(err error) {
	s.c.log.Error("keys of whatsapp sessions can't be used; whatsapp will repeat the message", "session", s.label, "err", quiet(err))
	s.repeatLater()
}
