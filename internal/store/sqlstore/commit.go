package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// attempts is how often a transaction is run before its error is reported.
const attempts = 5

// errNotIsolated says that an item of a batch failed and took the batch with it.
var errNotIsolated = errors.New("an item failed the batch")

// commitSQLite commits jobs on the writing connection. No commit is in doubt
// here, so it never wants to be called again.
func (s *Store) commitSQLite(jobs []*job) time.Duration {
	// The batch belongs to many callers, so no caller's context may end it.
	ctx := context.Background()
	t := &tx{d: s.d, q: s.writer, prepared: s.prepared, changes: s.changes}
	defer func() { s.changes = t.changes }()
	s.checkpoints.finish(ctx, t)
	defer s.checkpoints.wrote(len(jobs))
	s.commitJobs(ctx, jobs, func(run func(*tx) error) (bool, error) {
		if _, err := t.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
			return false, err
		}
		t.events, t.changes, t.bumps = t.events[:0], t.changes[:0], 0
		err := run(t)
		if err == nil {
			err = t.flush(ctx)
		}
		if err != nil {
			// A full disk or an I/O error may have rolled back already, so an
			// error of ROLLBACK means nothing.
			_, _ = t.exec(ctx, `ROLLBACK`)
			return false, err
		}
		if _, err := t.exec(ctx, `COMMIT`); err != nil {
			_, _ = t.exec(ctx, `ROLLBACK`)
			return false, err
		}
		s.wroteEvents(t)
		s.announce(t)
		return false, nil
	})
	return 0
}

// commitPostgres gives a function that commits jobs in a transaction of the pool.
func (s *Store) commitPostgres() func(jobs []*job) time.Duration {
	d := &doubts{s: s, transact: func(run func(*tx) error) (bool, error) { return s.transact(context.Background(), run) }}
	return func(jobs []*job) time.Duration {
		together := make([]*job, 0, len(jobs))
		for _, j := range jobs {
			if j.alone != nil {
				j.err = j.alone()
			} else {
				together = append(together, j)
			}
		}
		return d.commit(together)
	}
}

// transact runs run in one transaction of the pool. inDoubt means that the
// connection broke during the commit, so that it may have succeeded.
func (s *Store) transact(ctx context.Context, run func(*tx) error) (inDoubt bool, err error) {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // gives it back
	t := &tx{d: s.d, q: conn, piped: true}
	if err := t.later(ctx, begin); err != nil {
		return false, err
	}
	if err = run(t); err == nil {
		err = t.flush(ctx)
	}
	if err == nil {
		// The last statements and the commit go together: when one of them is refused,
		// the commit is not run.
		if err = t.later(ctx, commit); err == nil {
			_, err = t.send(ctx)
		}
		// A connection that was closed before got nothing (see pipeConn.fly). What pgx
		// calls safe to retry does not tell: it is also said after an answer was lost.
		inDoubt = err != nil && connectionLost(err) && !errors.Is(err, driver.ErrBadConn)
	}
	if err != nil && !inDoubt {
		t.rollBack(ctx)
		return false, err
	}
	s.wroteEvents(t) // after a lost connection too: they may be there
	s.announce(t)
	return inDoubt, err
}

// commitJobs runs jobs in one transaction by way of transact and sets their
// outcomes. It starts bold: sets of items run without savepoints. When an item
// fails, everything is run again carefully, with the failing item isolated.
//
// It gives the acceptances that ended with an error although they may be stored.
// Nothing else needs that: what a repeated settlement, receipt or write finds
// done already, it leaves alone, and nobody waits to be told of it.
func (s *Store) commitJobs(ctx context.Context, jobs []*job, transact transactor) (doubtful []*store.Acceptance) {
	b := newBatch(s, jobs)
	var err error
	for try := range attempts {
		if try > 0 {
			s.stats.retries.Add(1)
		}
		var inDoubt bool
		inDoubt, err = transact(func(t *tx) error { return b.run(ctx, t) })
		switch {
		case err == nil:
			b.committed(ctx)
			return nil
		case errors.Is(err, errNotIsolated), !b.careful && blamesData(err):
			b.careful = true // statements may fail as late as with the commit
			continue
		case inDoubt:
			b.verify = true
		case !mayRetry(err):
			return b.fail(ctx, err)
		}
		s.log.LogAttrs(ctx, retryLevel(err), "commit failed, trying again", slog.Any("error", err))
		if connectionLost(err) {
			pause(ctx, time.Duration(try+1)*50*time.Millisecond)
		}
	}
	return b.fail(ctx, err)
}

// retryLevel is for an attempt that failed: what storage has trouble with is said
// once, when all attempts have failed.
func retryLevel(err error) slog.Level {
	if troubleOf(err) != "" {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// pause waits for d, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// batch is the jobs of one commit, by kind.
type batch struct {
	s        *Store
	accepts  []*job
	settles  []*job
	receipts []*job
	receives []*job
	outcomes []*job
	writes   []*job

	careful bool // isolate items with savepoints
	verify  bool // an earlier commit of the same acceptances may have succeeded
}

func newBatch(s *Store, jobs []*job) *batch {
	b := &batch{s: s}
	for _, j := range jobs {
		switch {
		case j.accept != nil:
			b.accepts = append(b.accepts, j)
		case j.settle != nil:
			b.settles = append(b.settles, j)
		case j.receipt != nil:
			b.receipts = append(b.receipts, j)
		case j.receive != nil:
			b.receives = append(b.receives, j)
		case j.outcome != nil:
			b.outcomes = append(b.outcomes, j)
		default:
			b.writes = append(b.writes, j)
		}
	}
	return b
}

// run does everything but the commit. The jobs were called at the same time,
// so any order is right; this one lets acceptances come before a configuration
// change that would make them stale.
func (b *batch) run(ctx context.Context, t *tx) error {
	b, err := b.behindFence(ctx, t)
	if err != nil {
		return err
	}
	err = b.set(ctx, t, b.accepts, func(jobs []*job) error { return b.s.acceptAll(ctx, t, jobs, b.verify) })
	if err != nil {
		return err
	}
	// Before settlements: it may lock balances, which come first in the lock order.
	if err := b.set(ctx, t, b.receives, func(jobs []*job) error { return b.s.takeIn(ctx, t, jobs) }); err != nil {
		return err
	}
	if err := b.set(ctx, t, b.settles, func(jobs []*job) error { return b.s.settleAll(ctx, t, jobs) }); err != nil {
		return err
	}
	if err := b.set(ctx, t, b.receipts, func(jobs []*job) error { return b.s.receiveAll(ctx, t, jobs) }); err != nil {
		return err
	}
	if err := b.set(ctx, t, b.outcomes, func(jobs []*job) error { return b.s.putOutcomes(ctx, t, jobs) }); err != nil {
		return err
	}
	for _, j := range b.writes {
		j.err = t.savepoint(ctx, func() error { return j.write(ctx, t) })
		if broken(j.err) {
			return j.err
		}
	}
	return nil
}

// broken reports whether err, of an ordinary write, is the database's own
// failure. SQLite may have rolled back the whole transaction then, so the
// batch can't go on.
func broken(err error) bool {
	if err == nil || blamesData(err) {
		return false
	}
	_, isSQLite := errors.AsType[*sqlite.Error](err)
	_, isPostgres := errors.AsType[*pgconn.PgError](err)
	return isSQLite || isPostgres || mayRetry(err)
}

// set runs jobs together. When that fails because of an item, carefully means:
// undo, and try each half, down to the item that gets the error.
func (b *batch) set(ctx context.Context, t *tx, jobs []*job, run func([]*job) error) error {
	if len(jobs) == 0 {
		return nil
	}
	if !b.careful {
		err := run(jobs)
		if err != nil && blamesData(err) {
			return errors.Join(errNotIsolated, err)
		}
		return err
	}
	err := t.savepoint(ctx, func() error { return run(jobs) })
	if err == nil || !blamesData(err) {
		return err
	}
	if len(jobs) == 1 {
		jobs[0].err, jobs[0].accepted, jobs[0].received = err, store.Accepted{}, store.Received{}
		return nil
	}
	if err := b.set(ctx, t, jobs[:len(jobs)/2], run); err != nil {
		return err
	}
	return b.set(ctx, t, jobs[len(jobs)/2:], run)
}

// committed does what must wait until the transaction is durable.
func (b *batch) committed(ctx context.Context) {
	s := b.s
	s.stats.commits.Add(1)
	s.ailing.succeeded(ctx)
	queued := make([]store.Queued, 0, len(b.accepts))
	for _, j := range b.accepts {
		if j.err != nil || j.accepted.Err != nil || j.accepted.Replayed {
			continue
		}
		in := j.accept
		queued = append(queued, store.Queued{AccountID: in.AccountID, MessageID: j.accepted.MessageID, Gap: in.Message.Gap})
		// A chat that is known by hidden id only may yet be taken over by another.
		if j.fresh && !in.Chat.JID.IsLID() {
			s.chats.add(chatKey{in.AccountID, in.Chat.JID}, j.accepted.ChatID)
		}
	}
	if len(b.accepts) > 0 {
		s.stats.batches.Add(1)
		s.stats.accepted.Add(int64(len(queued)))
	}
	if s.onAccepted != nil && len(queued) > 0 {
		s.onAccepted(queued)
	}
	s.stats.settled.Add(int64(len(b.settles)))
}

// fail gives every job the error that storage failed with. It gives the
// acceptances that an earlier attempt may have stored nevertheless.
func (b *batch) fail(ctx context.Context, err error) (doubtful []*store.Acceptance) {
	b.s.ailing.failed(ctx, err)
	for _, jobs := range [][]*job{b.accepts, b.receives, b.settles, b.receipts, b.outcomes, b.writes} {
		for _, j := range jobs {
			j.err = err
		}
	}
	if b.verify {
		for _, j := range b.accepts {
			doubtful = append(doubtful, j.accept)
		}
	}
	return doubtful
}

// write runs fn in a transaction and returns after the commit. fn may run more
// than once, so it must set what it gives back anew each time.
func (s *Store) write(ctx context.Context, call string, fn func(ctx context.Context, t *tx) error) error {
	if s.d == dialectSQLite {
		actor := tideline.ActorOf(ctx) // the batch's context is nobody's
		j := &job{write: func(ctx context.Context, t *tx) error { return fn(tideline.WithActor(ctx, actor), t) }}
		if err := s.accepts[0].do(ctx, j); err != nil {
			return failed(call, err)
		}
		return failed(call, j.err)
	}
	return failed(call, s.transactAgain(ctx, fn))
}

// writeBesideSettlements is write for what must not happen at the same time as
// settlements, receipts and receptions of an account. On PostgreSQL neither would
// see what the other has not committed yet.
func (s *Store) writeBesideSettlements(ctx context.Context, call string, accountID int64, fn func(ctx context.Context, t *tx) error) error {
	if s.d == dialectSQLite {
		return s.write(ctx, call, fn)
	}
	return s.settleJob(ctx, call, accountID, &job{alone: func() error { return s.transactAgain(ctx, fn) }})
}

// transactAgain runs fn in a transaction of the pool, again after failures that
// another attempt may not have.
func (s *Store) transactAgain(ctx context.Context, fn func(ctx context.Context, t *tx) error) error {
	var err error
	for range attempts {
		var inDoubt bool
		inDoubt, err = s.transact(ctx, func(t *tx) error { return fn(ctx, t) })
		if err == nil {
			s.stats.commits.Add(1)
			s.ailing.succeeded(ctx)
			return nil
		}
		if inDoubt || !mayRetry(err) || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil && s.ailing.failed(ctx, err) {
		// The committers go on trying, once they know.
		_ = s.accepts[0].enqueue(context.Background(), &job{write: touch}) //nolint:contextcheck // nobody waits for it
	}
	return err
}

// reader runs single statements outside a transaction.
func (s *Store) reader() *tx { return &tx{d: s.d, q: s.pool} }

// read runs fn on one consistent snapshot of the database.
func (s *Store) read(ctx context.Context, fn func(t *tx) error) error {
	if s.d == dialectPostgres {
		return s.readPiped(ctx, fn)
	}
	dbtx, err := s.pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = dbtx.Rollback() }() // nothing was written
	t := &tx{d: s.d, q: dbtx}
	if s.reads != nil {
		t.reads = func(ctx context.Context, query string) *sql.Stmt {
			if stmt := s.reads[query]; stmt != nil {
				return dbtx.StmtContext(ctx, stmt)
			}
			return nil
		}
	}
	return fn(t)
}
