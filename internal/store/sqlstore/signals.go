package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidelinehq/tideline/internal/store"
)

const (
	// channel is the name under which notifications are sent. PostgreSQL keeps those of
	// different databases apart.
	channel = "tideline"
	// callLife is how long a call is kept that nobody removed: both sides are gone.
	callLife = 10 * time.Minute
	// listenCheck is how often a silent connection that listens is tried, so that one
	// that is dead is noticed.
	listenCheck = 5 * time.Second
)

// Notifies implements store.Signals.
func (s *Store) Notifies() bool { return s.d == dialectPostgres }

// Notify implements store.Signals.
func (s *Store) Notify(ctx context.Context, payload string) error {
	if s.d != dialectPostgres {
		return nil
	}
	if len(payload) > store.MaxNotification {
		return failed("notify", fmt.Errorf("%d bytes are too long for a notification", len(payload)))
	}
	_, err := s.pool.ExecContext(ctx, `SELECT pg_notify($1, $2)`, channel, payload)
	return failed("notify", err)
}

// Listen implements store.Signals, on a connection of its own.
func (s *Store) Listen(ctx context.Context, up func(), fn func(payload string)) error {
	if s.d != dialectPostgres {
		up()
		<-ctx.Done()
		return nil
	}
	config, err := pgx.ParseConfig(s.url)
	if err != nil {
		return failed("listen", err)
	}
	config.RuntimeParams["application_name"] = "tideline listens"
	opening, cancel := context.WithTimeout(ctx, listenCheck)
	conn, err := pgx.ConnectConfig(opening, config)
	cancel()
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN "+channel)
	}
	if err == nil {
		up()
		err = listen(ctx, conn, fn)
	}
	if conn != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // it is broken, or the process ends
	}
	if ctx.Err() != nil {
		return nil
	}
	return failed("listen", err)
}

// listen passes notifications on until the connection breaks or ctx ends.
func listen(ctx context.Context, conn *pgx.Conn, fn func(payload string)) error {
	for {
		waiting, cancel := context.WithTimeout(ctx, listenCheck)
		n, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case err == nil:
			fn(n.Payload)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			asking, cancel := context.WithTimeout(ctx, listenCheck)
			err := conn.Ping(asking)
			cancel()
			if err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// PutCall implements store.Signals.
func (s *Store) PutCall(ctx context.Context, c store.NodeCall) (id int64, err error) {
	err = s.write(ctx, "put call", func(ctx context.Context, t *tx) error {
		now := t.clock()
		if _, err := t.exec(ctx, `DELETE FROM node_calls WHERE made_at < `+now+` - $1`, callLife.Milliseconds()); err != nil {
			return err
		}
		return t.one(ctx, `INSERT INTO node_calls (caller, target, method, args, made_at, taken) VALUES ($1, $2, $3, $4, `+now+`, FALSE) RETURNING id`,
			[]any{c.Caller, c.Target, c.Method, orEmpty(c.Args)}, &id)
	})
	return id, err
}

// TakeCalls implements store.Signals.
func (s *Store) TakeCalls(ctx context.Context, target int64) (calls []store.NodeCall, err error) {
	const waiting = ` FROM node_calls WHERE target = $1 AND NOT taken`
	var one int
	err = s.reader().one(ctx, `SELECT 1`+waiting+` LIMIT 1`, []any{target}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // as nearly always: nothing is written then
	}
	if err != nil {
		return nil, failed("take calls", err)
	}
	err = s.write(ctx, "take calls", func(ctx context.Context, t *tx) error {
		calls = nil
		lock := ""
		if t.d == dialectPostgres {
			lock = ` FOR UPDATE`
		}
		err := t.each(ctx, `SELECT id, caller, target, method, args`+waiting+` ORDER BY id`+lock, []any{target}, func(r *sql.Rows) error {
			var c store.NodeCall
			err := r.Scan(&c.ID, &c.Caller, &c.Target, &c.Method, &c.Args)
			calls = append(calls, c)
			return err
		})
		for i := range calls {
			if err == nil {
				_, err = t.exec(ctx, `UPDATE node_calls SET taken = TRUE WHERE id = $1`, calls[i].ID)
			}
		}
		return err
	})
	return calls, err
}

// AnswerCall implements store.Signals.
func (s *Store) AnswerCall(ctx context.Context, id int64, reply []byte) error {
	return s.write(ctx, "answer call", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE node_calls SET reply = $1 WHERE id = $2`, orEmpty(reply), id)
		return err
	})
}

// TakeReply implements store.Signals.
func (s *Store) TakeReply(ctx context.Context, id int64) (reply []byte, ok bool, err error) {
	err = s.reader().one(ctx, `SELECT reply FROM node_calls WHERE id = $1 AND reply IS NOT NULL`, []any{id}, &reply)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, failed("take reply", err)
	}
	return reply, true, s.DropCall(ctx, id)
}

// DropCall implements store.Signals.
func (s *Store) DropCall(ctx context.Context, id int64) error {
	return s.write(ctx, "drop call", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM node_calls WHERE id = $1`, id)
		return err
	})
}

// orEmpty gives empty bytes for none, which would be stored as NULL.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
