package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is which of the two databases a Store talks to.
type dialect int

const (
	dialectSQLite dialect = iota
	dialectPostgres
)

// dialectOf tells a PostgreSQL URL from the path of an SQLite file.
func dialectOf(database string) dialect {
	if strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://") {
		return dialectPostgres
	}
	return dialectSQLite
}

// String gives the name of the dialect, as it is also the name of the folder
// with its migrations.
func (d dialect) String() string {
	if d == dialectPostgres {
		return "postgres"
	}
	return "sqlite"
}

// openSQLite opens a pool on an SQLite file. A read-only pool gets
// connections that refuse to write.
//
// Memory-mapped reads stay off: with them, a failing disk or a truncated file
// kills the process with SIGBUS instead of giving an error.
func openSQLite(path string, readOnly bool, conns int) (*sql.DB, error) {
	params := []string{
		"_pragma=busy_timeout(10000)",
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)",
		"_pragma=foreign_keys(1)",
		"_pragma=temp_store(MEMORY)",
		fmt.Sprintf("_pragma=wal_autocheckpoint(%d)", checkpointLate),
		"_pragma=journal_size_limit(134217728)",
	}
	if readOnly {
		params = append(params, "_pragma=cache_size(-8192)", "_pragma=query_only(1)", "_txlock=deferred")
	} else {
		params = append(params, "_pragma=cache_size(-65536)", "_txlock=immediate")
	}
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	db, err := sql.Open("sqlite", "file:"+escaped+"?"+strings.Join(params, "&"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// openPostgres opens a pool of conns connections.
func openPostgres(url string, conns int) (*sql.DB, error) {
	return openPostgresAs(url, conns, func() string { return "" })
}

// openPostgresAs is openPostgres with connections that bear a name, as others see them;
// with "" the one that the URL gives. When the name changes, the connections that bear
// another one are replaced.
func openPostgresAs(url string, conns int, name func() string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "tideline"
	}
	const given = "name" // what the connection was given, whatever a proxy makes of it
	named := func(_ context.Context, conn *pgx.Conn) error {
		if want := name(); want != "" && conn.PgConn().CustomData()[given] != want {
			return driver.ErrBadConn
		}
		return nil
	}
	db := sql.OpenDB(pipeConnector{stdlib.GetConnector(*config, stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
		if want := name(); want != "" {
			c.RuntimeParams = maps.Clone(c.RuntimeParams)
			c.RuntimeParams["application_name"] = want
		}
		return nil
	}), stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		conn.PgConn().CustomData()[given] = conn.Config().RuntimeParams["application_name"]
		return errors.Join(requireDurableCommits(ctx, conn), named(ctx, conn))
	}), stdlib.OptionResetSession(named))})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// requireDurableCommits turns synchronous_commit on where a server, database or
// role has it off: an answered commit must survive a crash. The stronger
// settings for replicas are left as they are.
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

// isUnique reports whether err is the violation of a unique constraint.
func isUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}

// blamesData reports whether err was caused by the values of a statement and
// not by the state of the database, so that another item of the same batch may
// well succeed.
func blamesData(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
			return true
		}
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code[:2] {
		case "22", "23", "54": // data exception, integrity constraint, limit exceeded
			return true
		}
		return false
	}
	return false
}

// mayRetry reports whether a transaction that failed with err before its
// commit can be run again with hope.
func mayRetry(err error) bool {
	if Locked(err) {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Serialization failure, deadlock, a lost connection, a server that
		// restarts, too many connections.
		return e.Code == "40001" || e.Code == "40P01" || e.Code[:2] == "08" || e.Code[:3] == "57P" || e.Code == "53300"
	}
	return connectionLost(err)
}

// connectionLost reports whether err says that the connection broke, so that
// the fate of a commit under way is unknown.
func connectionLost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code[:2] == "08" || e.Code[:3] == "57P"
	}
	_, isNet := errors.AsType[net.Error](err)
	_, isConnect := errors.AsType[*pgconn.ConnectError](err)
	return isNet || isConnect || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "conn closed")
}
