package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

// onlooker has a connection of its own to the database, which no proxy cuts. It
// sees to it that the database notes who writes what, and can make its clock jump.
type onlooker struct {
	db  *pgx.Conn
	url string
}

// A function of the same name that comes first in the search path is the
// database's clock for everybody who does not name pg_catalog.
const clockSQL = `
CREATE SCHEMA IF NOT EXISTS sim;
CREATE TABLE IF NOT EXISTS sim.clock (ahead INTERVAL NOT NULL);
INSERT INTO sim.clock VALUES ('0');
CREATE FUNCTION sim.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE
	AS 'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM sim.clock)';`

// The trigger notes by which connection a message was settled, and which node
// held its account in that transaction.
const witnessSQL = `
CREATE TABLE sim.writes (uid TEXT, by TEXT, holder TEXT);
CREATE FUNCTION sim.witness() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO sim.writes
	SELECT NEW.uid, current_setting('application_name'), coalesce('tideline node ' || h.node_id, '')
	FROM (VALUES (1)) v LEFT JOIN holds h ON h.account_id = NEW.account_id;
	RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE OF status ON messages FOR EACH ROW
	WHEN (OLD.status = 'Pending' AND NEW.status <> 'Pending') EXECUTE FUNCTION sim.witness();
CREATE TABLE sim.moves (account_id BIGINT);
CREATE FUNCTION sim.moved() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO sim.moves VALUES (NEW.account_id);
	RETURN NULL;
END $$;
CREATE TRIGGER moved AFTER UPDATE OF epoch ON holds FOR EACH ROW EXECUTE FUNCTION sim.moved();`

// openOnlooker connects and puts the clock in place, before anybody migrates.
func openOnlooker(ctx context.Context, url string) (*onlooker, error) {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	w := &onlooker{db: db, url: url}
	var name string
	err = db.QueryRow(ctx, "SELECT current_database()").Scan(&name)
	if err == nil {
		_, err = db.Exec(ctx, clockSQL)
	}
	if err == nil {
		// Tables are made in public, and looked for there: sim has but the clock.
		_, err = db.Exec(ctx, "ALTER DATABASE "+pgx.Identifier{name}.Sanitize()+" SET search_path = public, sim, pg_catalog")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the database: %w", err), db.Close(ctx))
	}
	return w, nil
}

// attend begins to note who writes what. The tables must be there.
func (w *onlooker) attend(ctx context.Context) error {
	_, err := w.db.Exec(ctx, witnessSQL)
	return err
}

// jump sets the database's clock forward, or back.
func (w *onlooker) jump(ctx context.Context, seconds int) error {
	_, err := w.db.Exec(ctx, "UPDATE sim.clock SET ahead = ahead + make_interval(secs => $1)", float64(seconds))
	return err
}

// heldBy gives the numbers of the accounts that the process with the pid holds.
func (w *onlooker) heldBy(ctx context.Context, pid int) ([]string, error) {
	rows, err := w.db.Query(ctx, `SELECT a.phone FROM holds h JOIN accounts a ON a.id = h.account_id JOIN nodes n ON n.id = h.node_id
		WHERE n.name LIKE '%process ' || $1::bigint || ' %' ORDER BY a.id`, pid)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// unheld counts accounts that no node with a live lease holds.
func (w *onlooker) unheld(ctx context.Context) (n int, err error) {
	err = w.db.QueryRow(ctx, `SELECT count(*) FROM accounts a WHERE a.removed_at IS NULL AND (a.state <> 'active' OR NOT EXISTS (
		SELECT 1 FROM holds h JOIN nodes n ON n.id = h.node_id WHERE h.account_id = a.id))`).Scan(&n)
	return n, err
}

// queued counts messages that wait.
func (w *onlooker) queued(ctx context.Context) (n int, err error) {
	err = w.db.QueryRow(ctx, "SELECT count(*) FROM outbox").Scan(&n)
	return n, err
}

// gather reads what is stored.
func (w *onlooker) gather(ctx context.Context, f *facts, r *report) error {
	rows, err := w.db.Query(ctx, `SELECT m.uid, m.whatsapp_id, a.phone, c.phone, m.text, m.from_me, m.status, m.reason
		FROM messages m JOIN accounts a ON a.id = m.account_id JOIN chats c ON c.id = m.chat_id ORDER BY m.id`)
	if err != nil {
		return err
	}
	if f.Stored, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stored, err error) {
		err = row.Scan(&s.UID, &s.ID, &s.Account, &s.To, &s.Text, &s.FromMe, &s.Status, &s.Reason)
		return s, err
	}); err != nil {
		return err
	}
	if rows, err = w.db.Query(ctx, "SELECT uid, by, holder FROM sim.writes"); err != nil {
		return err
	}
	if f.Writes, err = pgx.CollectRows(rows, pgx.RowToStructByPos[write]); err != nil {
		return err
	}
	if err := w.db.QueryRow(ctx, "SELECT count(*) FROM sim.moves").Scan(&r.Moves); err != nil {
		return err
	}
	db, err := sqlstore.Open(ctx, sqlstore.Options{Database: w.url, Conns: 2})
	if err != nil {
		return err
	}
	f.Ledger, err = db.AuditLedger(ctx)
	return errors.Join(err, db.Close())
}

func (w *onlooker) close(ctx context.Context) error { return w.db.Close(ctx) }
