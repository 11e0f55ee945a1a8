package sqlstore

import (
	"context"
	"database/sql"
	"log/slog"
	"sync/atomic"
)

// checkpointPages is how far SQLite's log grows before its pages are copied to
// the database: 64 MB. A page that is changed again and again is then copied
// once instead of once per 4 MB, the default.
const checkpointPages = 16384

const (
	// checkpointLate is how far the log grows before the writer copies it all itself,
	// because somebody reads old pages for minutes, or the checkpointer failed.
	checkpointLate = 4 * checkpointPages
	// checkpointRest is how many pages the writer copies in between.
	checkpointRest = 256
	// checkpointRounds bounds how often the checkpointer goes after a writer that is
	// as fast as itself.
	checkpointRounds = 8
	// checkpointLook is after how many items the length of the log is looked at.
	checkpointLook = 1024
)

// checkpointer copies SQLite's log to the database beside the writer, on a
// connection of its own, so that no batch waits for 64 MB. While the writer goes on,
// the log never ends for the checkpointer; but it begins anew only when all of it is
// copied. So the checkpointer copies until little is left, and has the writer copy
// that between two batches (sqlite.org/wal.html, "Checkpointing").
type checkpointer struct {
	log   *slog.Logger
	db    *sql.DB
	pages int64 // see checkpointPages
	look  int   // see checkpointLook

	poke  chan struct{} // holds one element while the log is to be looked at
	ended chan struct{}
	stop  context.CancelFunc
	rest  atomic.Bool // little is left to be copied: it is the writer's turn
	items int         // the writer's: since it poked last
}

// startCheckpointer starts the goroutine; close ends it. db is a pool of one
// connection that may write, and belongs to the checkpointer.
func startCheckpointer(db *sql.DB, log *slog.Logger, pages int64, look int) *checkpointer {
	ctx, stop := context.WithCancel(context.Background()) // of all writers, not of a caller
	c := &checkpointer{log: log, db: db, pages: pages, look: look, poke: make(chan struct{}, 1), ended: make(chan struct{}), stop: stop}
	go c.run(ctx)
	return c
}

func (c *checkpointer) close() error {
	c.stop()
	<-c.ended
	return c.db.Close()
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.poke:
		}
		if err := c.copy(ctx); err != nil && ctx.Err() == nil {
			c.log.LogAttrs(ctx, slog.LevelWarn, "copying the log to the database failed, trying again later", slog.Any("error", err))
		}
	}
}

// copy copies what is in the log when that is much.
func (c *checkpointer) copy(ctx context.Context) error {
	pages, left, err := logPages(ctx, c.db, "NOOP")
	if err != nil || pages < c.pages {
		return err
	}
	for range checkpointRounds {
		if _, _, err := logPages(ctx, c.db, "PASSIVE"); err != nil {
			return err
		}
		before := left
		if _, left, err = logPages(ctx, c.db, "NOOP"); err != nil {
			return err
		}
		if left <= checkpointRest {
			c.rest.Store(true)
			return nil
		}
		if left >= before {
			return nil // somebody reads what was there before, or the writer is faster
		}
	}
	return nil
}

// logPages runs a checkpoint of the given kind; NOOP only looks. It gives the
// pages of the log and how many of them are not copied. A checkpoint that another
// connection is running is no error: it copies nothing then.
func logPages(ctx context.Context, db *sql.DB, kind string) (pages, left int64, err error) {
	var busy, copied int64
	err = db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(`+kind+`)`).Scan(&busy, &pages, &copied)
	return pages, pages - copied, err
}

// wrote is called by the writer after a commit of n items.
func (c *checkpointer) wrote(n int) {
	if c.items += n; c.items < c.look {
		return
	}
	c.items = 0
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// finish is called by the writer between two transactions.
func (c *checkpointer) finish(ctx context.Context, t *tx) {
	if !c.rest.CompareAndSwap(true, false) {
		return
	}
	if _, err := t.exec(ctx, `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "copying the rest of the log to the database failed, trying again later", slog.Any("error", err))
	}
}
