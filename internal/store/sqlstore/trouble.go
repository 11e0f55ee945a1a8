package sqlstore

import (
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tidelinehq/tideline/internal/store"
)

// Locked reports whether err says that another connection held an SQLite
// database for longer than was waited.
func Locked(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// Unreachable reports whether err says that no connection to a PostgreSQL server
// could be made: it doesn't run, isn't there, or refuses the user or the database.
func Unreachable(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// troubleOf tells what the database has trouble with; "" when err is about what it
// was asked.
func troubleOf(err error) store.Trouble {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteTrouble(e.Code())
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "53100": // disk_full
			return store.TroubleDiskFull
		case e.Code == "25006": // read_only_sql_transaction
			return store.TroubleReadOnly
		case e.Code == "58030": // io_error
			return store.TroubleDisk
		case e.Code == "53300" || connectionLost(err): // too_many_connections
			return store.TroubleUnreachable
		}
		return ""
	}
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return store.TroubleDiskFull
	case errors.Is(err, syscall.EROFS):
		return store.TroubleReadOnly
	case connectionLost(err):
		return store.TroubleUnreachable
	}
	return ""
}

// sqliteTrouble tells by SQLite's extended code. On a full disk, making room for
// the index of the write-ahead log fails with an I/O error of its own.
func sqliteTrouble(code int) store.Trouble {
	switch code {
	case sqlite3.SQLITE_IOERR_SHMSIZE:
		return store.TroubleDiskFull
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return store.TroubleDiskFull
	case sqlite3.SQLITE_READONLY:
		return store.TroubleReadOnly
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return store.TroubleDisk
	}
	return ""
}
