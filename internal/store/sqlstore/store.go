package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Options says which database to open and how.
type Options struct {
	// Database is the path of an SQLite file, which is made when it is missing,
	// or a postgres:// URL.
	Database string
	// Logger gets what an operator should know; nil discards it.
	Logger *slog.Logger

	// Conns is the number of connections that read (SQLite, default 4) or of all
	// connections (PostgreSQL, default 16).
	Conns int
	// MaxBatch is the largest number of items in one commit, default 512.
	MaxBatch int
	// Workers is the number of committers for acceptances, and as many again for
	// settlements, on PostgreSQL; default 1. SQLite always has one for everything.
	Workers int
	// KeepDeliveries is how long events and deliveries are kept by Prune; 0 =
	// tideline.DeliveryLogWindow.
	KeepDeliveries time.Duration
}

// Store keeps data in one database. Its methods may be called at the same time.
type Store struct {
	d    dialect
	log  *slog.Logger
	url  string  // of PostgreSQL
	pool *sql.DB // readers (SQLite), or everything (PostgreSQL)

	vital *sql.DB // PostgreSQL only: the one connection that renews the lease of a node

	// SQLite only: the one writing connection, owned by the committer.
	writerPool  *sql.DB
	writer      *sql.Conn
	prepared    map[string]*sql.Stmt
	changes     []tideline.Change    // the committer's, kept for its memory
	reads       map[string]*sql.Stmt // of the readers, see prepareReads
	checkpoints *checkpointer

	accepts []*committer // by workspace
	settles []*committer // by account; on SQLite the same one as accepts

	chats      *chatCache
	accounts   accountCache
	stats      counters
	onAccepted func([]store.Queued)
	onEvents   func()
	onChanges  func([]tideline.Change)
	bumps      atomic.Int64 // of the configuration version, by this process
	settled    atomic.Int64 // PostgreSQL: see settledEvents
	node       atomic.Int64 // see Fence; 0 = none
	ailing     ailment

	keepDeliveries time.Duration
}

var _ store.Store = (*Store)(nil)

var errClosed = errors.New("the store is closed")

// Open opens the database, brings its tables up to date (see Migrate) and
// starts the committers. Close ends them.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 512
	}
	if _, err := Migrate(ctx, o); err != nil {
		return nil, err
	}
	if o.KeepDeliveries <= 0 {
		o.KeepDeliveries = tideline.DeliveryLogWindow
	}
	s := &Store{
		d: dialectOf(o.Database), log: o.Logger, chats: newChatCache(chatCacheSize), ailing: ailment{log: o.Logger},
		keepDeliveries: o.KeepDeliveries,
	}
	var err error
	if s.d == dialectSQLite {
		err = s.openSQLite(ctx, o)
	} else {
		err = s.openPostgres(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlstore: open: %w", err)
	}
	return s, nil
}

func (s *Store) openSQLite(ctx context.Context, o Options) error {
	if o.Conns <= 0 {
		o.Conns = 4
	}
	var err error
	if s.writerPool, err = openSQLite(o.Database, false, 1); err != nil {
		return err
	}
	if s.writer, err = s.writerPool.Conn(ctx); err != nil {
		return errors.Join(err, s.writerPool.Close())
	}
	if s.pool, err = openSQLite(o.Database, true, o.Conns); err != nil {
		return errors.Join(err, s.writer.Close(), s.writerPool.Close())
	}
	if err := s.prepareReads(ctx); err != nil {
		return errors.Join(err, s.pool.Close(), s.writer.Close(), s.writerPool.Close())
	}
	copying, err := openSQLite(o.Database, false, 1)
	if err != nil {
		return errors.Join(err, s.pool.Close(), s.writer.Close(), s.writerPool.Close())
	}
	s.checkpoints = startCheckpointer(copying, s.log, checkpointPages, checkpointLook) //nolint:contextcheck // it serves all writers
	s.prepared = make(map[string]*sql.Stmt)
	all := []*committer{startCommitter(o.MaxBatch, s.watched(s.commitSQLite))}
	s.accepts, s.settles = all, all
	return nil
}

func (s *Store) openPostgres(ctx context.Context, o Options) error {
	if o.Conns <= 0 {
		o.Conns = 16
	}
	s.url = o.Database
	var err error
	if s.pool, err = openPostgresAs(o.Database, o.Conns, s.connectionName); err != nil {
		return err
	}
	if err := s.pool.PingContext(ctx); err != nil {
		return errors.Join(err, s.pool.Close())
	}
	if s.vital, err = openPostgresAs(o.Database, 1, s.connectionName); err != nil { // connects when it is used
		return errors.Join(err, s.pool.Close())
	}
	for range max(o.Workers, 1) {
		s.accepts = append(s.accepts, startCommitter(o.MaxBatch, s.watched(s.commitPostgres()))) //nolint:contextcheck // a batch belongs to many callers
		s.settles = append(s.settles, startCommitter(o.MaxBatch, s.watched(s.commitPostgres()))) //nolint:contextcheck // a batch belongs to many callers
	}
	return nil
}

// Close commits what is queued and releases the database. Calls that come
// later fail.
func (s *Store) Close() error {
	for _, c := range s.accepts {
		c.stop()
	}
	for _, c := range s.settles {
		c.stop()
	}
	var errs []error
	if s.checkpoints != nil {
		errs = append(errs, s.checkpoints.close())
	}
	for _, kept := range []map[string]*sql.Stmt{s.prepared, s.reads} {
		for _, stmt := range kept {
			errs = append(errs, stmt.Close())
		}
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	errs = append(errs, s.pool.Close())
	if s.vital != nil {
		errs = append(errs, s.vital.Close())
	}
	if s.writerPool != nil {
		errs = append(errs, s.writerPool.Close())
	}
	return failed("close", errors.Join(errs...))
}

// Stats counts what the committers did since Open.
type Stats struct {
	Commits  int64 // transactions committed, ordinary ones too
	Batches  int64 // commits that held at least one acceptance
	Accepted int64 // messages accepted
	Settled  int64 // settlements applied
	Retries  int64 // batches run again after a conflict, a busy database or a bad item
}

type counters struct {
	commits, batches, accepted, settled, retries atomic.Int64
}

// Stats gives the counts; for metrics and benchmarks.
func (s *Store) Stats() Stats {
	return Stats{
		Commits:  s.stats.commits.Load(),
		Batches:  s.stats.batches.Load(),
		Accepted: s.stats.accepted.Load(),
		Settled:  s.stats.settled.Load(),
		Retries:  s.stats.retries.Load(),
	}
}

// ensureFolder makes the folder of an SQLite file, for the owner only: the file
// holds what customers said.
func ensureFolder(path string) error {
	return os.MkdirAll(filepath.Dir(path), 0o700)
}
