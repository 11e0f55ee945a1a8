package meow

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	_ "modernc.org/sqlite" // driver "sqlite"
)

// schemaLock is the PostgreSQL advisory lock under which the library's tables
// are made, so that several processes can start at once. Any number will do as
// long as nobody else uses it.
const schemaLock = 0x77_68_61_74_73_61_70_70 // "whatsapp"

// sessions is the database of keys.
type sessions struct {
	db        *sql.DB
	container *sqlstore.Container
}

func openSessions(ctx context.Context, o Options, log libraryLogger) (*sessions, error) {
	kind, dsn := "sqlite", sqliteDSN(filepath.Join(o.DataDir, "whatsapp.db"))
	if o.Database != "" {
		kind, dsn = "pgx", o.Database
	}
	db, err := openPool(kind, dsn, o)
	if err != nil {
		return nil, fmt.Errorf("open whatsapp sessions: %w", err)
	}
	if kind == "sqlite" {
		// The library writes from several goroutines, some in transactions that
		// read first; on one connection they can't collide, and it is faster too.
		db.SetMaxOpenConns(1)
	} else {
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(4)
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	s := &sessions{db: db, container: sqlstore.NewWithDB(db, kind, log)}
	if err := s.upgrade(ctx, kind); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare whatsapp sessions: %w", err), db.Close())
	}
	return s, nil
}

func openPool(kind, dsn string, o Options) (*sql.DB, error) {
	if kind == "sqlite" {
		return sql.Open(kind, dsn)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	const given = "name" // what the connection was named, in its own notes
	named := func(_ context.Context, conn *pgx.Conn) error {
		if o.Name != nil && conn.PgConn().CustomData()[given] != o.Name() {
			return driver.ErrBadConn
		}
		return nil
	}
	return stdlib.OpenDB(*config,
		stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
			if o.Name != nil {
				c.RuntimeParams = maps.Clone(c.RuntimeParams)
				c.RuntimeParams["application_name"] = o.Name()
			}
			return nil
		}),
		stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
			conn.PgConn().CustomData()[given] = conn.Config().RuntimeParams["application_name"]
			if o.Admit != nil {
				if err := o.Admit(ctx, conn); err != nil {
					return err
				}
			}
			return errors.Join(requireDurableCommits(ctx, conn), named(ctx, conn))
		}),
		stdlib.OptionResetSession(named)), nil
}

// requireDurableCommits turns synchronous_commit on where a server, database or
// role has it off, for the reason that sqliteDSN gives. The stronger settings
// for replicas are left as they are.
func requireDurableCommits(ctx context.Context, conn *pgx.Conn) error {
	var mode string
	if err := conn.QueryRow(ctx, "SHOW synchronous_commit").Scan(&mode); err != nil {
		return err
	}
	if mode != "off" {
		return nil
	}
	_, err := conn.Exec(ctx, "SET synchronous_commit = on")
	return err
}

// sqliteDSN names the file with the settings that the library and durability
// need. FULL: a ratchet that goes back in time after a power cut would use
// message keys twice.
func sqliteDSN(path string) string {
	q := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)"},
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	if !strings.HasPrefix(u.Path, "/") {
		// url.URL puts "./" before a relative path or a drive letter; SQLite
		// wants neither after "file:".
		u.Opaque, u.Path = (&url.URL{Path: u.Path}).EscapedPath(), ""
	}
	return u.String()
}

func (s *sessions) upgrade(ctx context.Context, kind string) (err error) {
	if kind != "pgx" {
		return s.container.Upgrade(ctx)
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	// Closing the session would release the lock as well, but it goes back to the pool.
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(schemaLock)); err != nil {
		return fmt.Errorf("lock schema: %w", err)
	}
	defer func() {
		_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(schemaLock))
		err = errors.Join(err, unlockErr)
	}()
	return s.container.Upgrade(ctx)
}

// device loads one session; nil when there is none.
func (s *sessions) device(ctx context.Context, jid types.JID) (*store.Device, error) {
	d, err := s.container.GetDevice(ctx, jid)
	if err != nil {
		return nil, fmt.Errorf("read whatsapp session: %w", err)
	}
	if d != nil {
		d.EventBuffer = &prunedBuffer{EventBuffer: d.EventBuffer}
		wrapRatchets(d)
	}
	return d, nil
}

// delete removes a session with all that belongs to it; none is fine. It does
// not go through the library's device object, which other goroutines read.
func (s *sessions) delete(ctx context.Context, jid types.JID) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM whatsmeow_device WHERE jid = $1", jid.String())
	return err
}

// list names all sessions. The library's own listing would derive the public
// keys of each, which is slow for thousands.
func (s *sessions) list(ctx context.Context) (jids []string, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT jid FROM whatsmeow_device ORDER BY jid")
	if err != nil {
		return nil, fmt.Errorf("list whatsapp sessions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var jid string
		if err := rows.Scan(&jid); err != nil {
			return nil, fmt.Errorf("list whatsapp sessions: %w", err)
		}
		jids = append(jids, jid)
	}
	return jids, rows.Err()
}

func (s *sessions) close() error { return s.db.Close() }
