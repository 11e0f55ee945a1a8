package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/tidelinehq/tideline/internal/store"
)

// ErrClaimed says that another process works with a database: the server of an SQLite
// file, nodes, or a command that has it to itself.
var ErrClaimed = errors.New("another server works with this database")

// ErrClaimLost says that another process may have got the claim.
var ErrClaimLost = errors.New("the claim on the database is lost with its connection")

// Claim is a database to oneself. At most one process has it, and it ends with the
// process, however that ends. The server of an SQLite file holds it for as long as it
// runs. On PostgreSQL servers are nodes (see store.Nodes), and a command claims the
// database for what must not happen while one of them is at work: as long as it has
// the claim none can join.
type Claim struct {
	lock *flock.Flock // SQLite
	db   *sql.DB      // PostgreSQL: one connection, which holds an advisory lock
	conn *sql.Conn
}

const (
	// serverLock names the advisory lock. PostgreSQL keeps such locks apart by
	// database.
	serverLock = 7_145_270_002
	claimRetry = 200 * time.Millisecond
	claimCheck = 5 * time.Second
)

// TakeClaim claims a database for this process, which who describes to others
// ("process 7 on box"). It waits at most for the given time for a predecessor
// that is about to stop. The error is ErrClaimed, and says who has the claim
// where the database knows, when it doesn't. Nodes whose lease is over are expelled,
// as other nodes would do; nothing else in the database changes, which need not have
// been migrated yet.
func TakeClaim(ctx context.Context, o Options, who string, wait time.Duration) (*Claim, error) {
	c := &Claim{}
	take, holder := c.takeSQLite, func(context.Context) string { return "" }
	if dialectOf(o.Database) == dialectPostgres {
		if err := c.connect(ctx, o.Database, who); err != nil {
			return nil, fmt.Errorf("sqlstore: claim: %w", err)
		}
		take, holder = c.takePostgres, c.holder
	} else {
		if err := ensureFolder(o.Database); err != nil {
			return nil, fmt.Errorf("sqlstore: claim: %w", err)
		}
		c.lock = flock.New(o.Database+".server.lock", flock.SetPermissions(0o600))
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	retry := time.NewTicker(claimRetry)
	defer retry.Stop()
	for {
		switch taken, err := take(ctx); {
		case taken:
			return c, nil
		case err != nil:
			return nil, errors.Join(fmt.Errorf("sqlstore: claim: %w", err), c.Release())
		}
		select {
		case <-retry.C:
		case <-deadline.C:
			err := ErrClaimed
			if h := holder(ctx); h != "" {
				err = fmt.Errorf("%w: %s", ErrClaimed, h)
			}
			return nil, errors.Join(err, c.Release())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), c.Release())
		}
	}
}

// Run returns nil when ctx ends, and ErrClaimLost as soon as that is known: PostgreSQL
// gives the claim to another process when its connection breaks, so this
// process must stop, and finish nothing.
func (c *Claim) Run(ctx context.Context) error {
	if c.conn == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(claimCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		probe, cancel := context.WithTimeout(ctx, claimCheck)
		_, err := c.conn.ExecContext(probe, "SELECT 1")
		cancel()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("sqlstore: %w: %w", ErrClaimLost, err)
		}
	}
}

// Release gives the claim up.
func (c *Claim) Release() error {
	var errs []error
	if c.lock != nil {
		errs = append(errs, c.lock.Close())
	}
	if c.conn != nil {
		errs = append(errs, c.conn.Close())
	}
	if c.db != nil {
		errs = append(errs, c.db.Close())
	}
	return failed("release claim", errors.Join(errs...))
}

func (c *Claim) takeSQLite(context.Context) (bool, error) { return c.lock.TryLock() }

func (c *Claim) takePostgres(ctx context.Context) (taken bool, err error) {
	err = c.conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(serverLock)).Scan(&taken)
	if err != nil || !taken {
		return false, err
	}
	nodes, err := c.nodes(ctx)
	if err == nil && len(nodes) == 0 {
		return true, nil
	}
	// The nodes are there; and as long as the lock is held none could come back.
	_, unlock := c.conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(serverLock))
	return false, errors.Join(err, unlock)
}

// nodes lists those that are at work, and expels the others.
func (c *Claim) nodes(ctx context.Context) ([]store.Node, error) {
	reader := &tx{d: dialectPostgres, q: c.conn}
	var migrated bool
	if err := reader.one(ctx, "SELECT to_regclass('nodes') IS NOT NULL", nil, &migrated); err != nil || !migrated {
		return nil, err
	}
	dead, err := reader.deadNodes(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, id := range dead {
		if err := c.expel(ctx, id); err != nil {
			return nil, fmt.Errorf("expel node %d: %w", id, err)
		}
	}
	return reader.nodes(ctx)
}

func (c *Claim) expel(ctx context.Context, nodeID int64) error {
	dbtx, err := c.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = dbtx.Rollback() }() // nothing to undo after the commit
	if _, err := (&tx{d: dialectPostgres, q: dbtx}).expel(ctx, nodeID); err != nil {
		return err
	}
	return dbtx.Commit()
}

func (c *Claim) connect(ctx context.Context, url, who string) (err error) {
	if c.db, err = openPostgres(url, 1); err != nil {
		return err
	}
	if c.conn, err = c.db.Conn(ctx); err != nil {
		return errors.Join(err, c.db.Close())
	}
	// Whoever is refused reads it; PostgreSQL keeps 63 bytes.
	_, err = c.conn.ExecContext(ctx, "SELECT set_config('application_name', $1, false)", "tideline server, "+who)
	if err != nil {
		return errors.Join(err, c.Release())
	}
	return nil
}

// holder describes who is at work, or who has the claim; "" when that can't be told.
func (c *Claim) holder(ctx context.Context) string {
	if nodes, err := (&tx{d: dialectPostgres, q: c.conn}).nodes(ctx); err == nil && len(nodes) > 0 {
		names := make([]string, len(nodes))
		for i, n := range nodes {
			names[i] = "tideline server, " + n.Name
			if n.URL != "" {
				names[i] += " at " + n.URL
			}
		}
		return strings.Join(names, "; ")
	}
	const bits = 32
	var name, from string
	var since time.Time
	err := c.conn.QueryRowContext(ctx, `
		SELECT a.application_name, coalesce(host(a.client_addr), 'a local socket'), a.backend_start
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid`,
		int64(serverLock)>>bits, int64(serverLock)&(1<<bits-1)).Scan(&name, &from, &since)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s, connected from %s since %s", name, from, since.Local().Format(time.DateTime))
}
