package durable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"

	_ "modernc.org/sqlite" // the database driver "sqlite"
)

const schema = `
CREATE TABLE IF NOT EXISTS kv (
	bucket TEXT NOT NULL,
	key    TEXT NOT NULL,
	value  BLOB NOT NULL,
	PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
	seq      INTEGER PRIMARY KEY,
	phone    TEXT NOT NULL,
	chat     TEXT NOT NULL,
	id       TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	body     BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS message_id ON message (phone, chat, id);
CREATE INDEX IF NOT EXISTS message_log ON message (phone, seq);
CREATE TABLE IF NOT EXISTS queue (
	seq     INTEGER PRIMARY KEY,
	device  TEXT NOT NULL,
	key     TEXT NOT NULL,
	payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_key ON queue (device, key, seq);
CREATE INDEX IF NOT EXISTS queue_order ON queue (device, seq);
`

// maxCommit bounds how many batches share a commit, so that the first doesn't wait for ever.
const maxCommit = 512

// OpenSQLite opens or creates the database file at path. Each commit is synced to disk.
func OpenSQLite(ctx context.Context, path string) (Store, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=cache_size(-4000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(4) // one writes; each has a page cache of its own
	db.SetMaxIdleConns(4)
	s := &sqlite{db: db, work: make(chan *job, maxCommit), stopped: make(chan struct{})}
	if err = s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	go s.run()
	return s, nil
}

type job struct {
	batch  *Batch
	ticket *Ticket
}

type sqlite struct {
	db      *sql.DB
	conn    *sql.Conn // the writer's own
	stmts   map[opKind]*sql.Stmt
	stopped chan struct{}

	mu     sync.Mutex // orders Submit; held while sending to work
	closed bool
	seq    int64
	work   chan *job
}

func (s *sqlite) start(ctx context.Context) (err error) {
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	if _, err = s.conn.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	const last = `SELECT MAX(COALESCE((SELECT MAX(seq) FROM message), 0), COALESCE((SELECT MAX(seq) FROM queue), 0))`
	if err = s.conn.QueryRowContext(ctx, last).Scan(&s.seq); err != nil {
		return fmt.Errorf("read last sequence number: %w", err)
	}
	s.stmts = make(map[opKind]*sql.Stmt)
	for kind, query := range map[opKind]string{
		opPut:       `INSERT INTO kv (bucket, key, value) VALUES (?, ?, ?) ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value`,
		opDelete:    `DELETE FROM kv WHERE bucket = ? AND key = ?`,
		opDeleteAll: `DELETE FROM kv WHERE bucket = ?1 AND key >= ?2 AND substr(key, 1, length(?2)) = ?2`,
		opAppend: `INSERT INTO message (seq, phone, chat, id, attempts, body) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (phone, chat, id) DO UPDATE SET attempts = attempts + 1`,
		opBump:      `UPDATE message SET attempts = attempts + 1 WHERE phone = ? AND chat = ? AND id = ?`,
		opEnqueue:   `INSERT INTO queue (seq, device, key, payload) VALUES (?, ?, ?, ?)`,
		opAck:       `DELETE FROM queue WHERE seq = (SELECT seq FROM queue WHERE device = ? AND key = ? ORDER BY seq LIMIT 1)`,
		opDropQueue: `DELETE FROM queue WHERE device = ?`,
	} {
		//nolint:sqlclosecheck // kept for as long as the connection; closed with it
		if s.stmts[kind], err = s.conn.PrepareContext(ctx, query); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}

func (s *sqlite) Submit(b *Batch) *Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Ticket{done: make(chan struct{})}
	if s.closed {
		t.Last, t.err = s.seq, ErrClosed
		close(t.done)
		return t
	}
	for _, o := range b.ops {
		switch o.kind {
		case opAppend:
			s.seq++
			o.message.Seq = s.seq
		case opEnqueue:
			s.seq++
			o.entry.Seq = s.seq
		}
	}
	t.Last = s.seq
	s.work <- &job{b, t}
	return t
}

// run commits batches until the store is closed. After an error nothing is committed any more:
// memory and disk have parted, and acknowledging more would be a lie.
func (s *sqlite) run() {
	defer close(s.stopped)
	var failed error
	jobs := make([]*job, 0, maxCommit)
	for first := range s.work {
		jobs = append(jobs[:0], first)
	gather:
		for len(jobs) < maxCommit {
			select {
			case next, ok := <-s.work:
				if !ok {
					break gather
				}
				jobs = append(jobs, next)
			default:
				break gather
			}
		}
		if failed == nil {
			failed = s.commit(jobs)
		}
		for _, j := range jobs {
			j.ticket.err = failed
			close(j.ticket.done)
		}
	}
}

func (s *sqlite) commit(jobs []*job) error {
	ctx := context.Background() // a commit is never abandoned half-way; it ends by itself
	empty := true
	for _, j := range jobs {
		empty = empty && j.batch.Empty()
	}
	if empty {
		return nil
	}
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, j := range jobs {
		for _, o := range j.batch.ops {
			if err = s.exec(ctx, tx, o); err != nil {
				return errors.Join(fmt.Errorf("write: %w", err), tx.Rollback())
			}
		}
	}
	if err = tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (s *sqlite) exec(ctx context.Context, tx *sql.Tx, o op) error {
	var args []any
	switch o.kind {
	case opPut:
		args = []any{o.a, o.b, blob(o.value)}
	case opDelete, opDeleteAll, opAck:
		args = []any{o.a, o.b}
	case opAppend:
		m := o.message
		args = []any{m.Seq, o.a, m.Chat, m.ID, m.Attempts, blob(m.Body)}
	case opBump:
		args = []any{o.a, o.b, o.c}
	case opEnqueue:
		args = []any{o.entry.Seq, o.a, o.entry.Key, blob(o.entry.Payload)}
	case opDropQueue:
		args = []any{o.a}
	}
	//nolint:sqlclosecheck // closed when the transaction ends
	_, err := tx.StmtContext(ctx, s.stmts[o.kind]).ExecContext(ctx, args...)
	return err
}

// blob makes an empty value an empty blob; the driver stores nil as NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (s *sqlite) Load(ctx context.Context, bucket string, fn func(string, []byte) error) (err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT key, value FROM kv WHERE bucket = ? ORDER BY key`, bucket)
	if err != nil {
		return fmt.Errorf("load %s: %w", bucket, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key string
		var value []byte
		if err = rows.Scan(&key, &value); err != nil {
			return fmt.Errorf("load %s: %w", bucket, err)
		}
		if err = fn(key, value); err != nil {
			return fmt.Errorf("load %s %s: %w", bucket, key, err)
		}
	}
	return rows.Err()
}

func (s *sqlite) Find(ctx context.Context, phone, chat, id string) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM message WHERE phone = ? AND chat = ? AND id = ?`, phone, chat, id).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("find message: %w", err)
	}
	return n > 0, nil
}

func (s *sqlite) Messages(ctx context.Context, phone string, after int64, limit int) ([]Message, error) {
	return s.messages(ctx, `SELECT seq, chat, id, attempts, body FROM message WHERE phone = ? AND seq > ? ORDER BY seq LIMIT ?`, phone, after, limit)
}

func (s *sqlite) Last(ctx context.Context, phone string, limit int) ([]Message, error) {
	return s.messages(ctx, `SELECT seq, chat, id, attempts, body FROM
		(SELECT seq, chat, id, attempts, body FROM message WHERE phone = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq`, phone, limit)
}

func (s *sqlite) messages(ctx context.Context, query string, args ...any) (out []Message, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m Message
		if err = rows.Scan(&m.Seq, &m.Chat, &m.ID, &m.Attempts, &m.Body); err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

func (s *sqlite) Queue(ctx context.Context, device string, after, until int64, limit int) (out []Entry, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT seq, key, payload FROM queue WHERE device = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
		device, after, until, limit)
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e Entry
		if err = rows.Scan(&e.Seq, &e.Key, &e.Payload); err != nil {
			return nil, fmt.Errorf("read queue: %w", err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

func (s *sqlite) QueueKinds(ctx context.Context, device string, until int64) (_ map[string]int, err error) {
	const query = `SELECT substr(key, 1, instr(key || '|', '|') - 1) AS kind, COUNT(*) FROM queue
		WHERE device = ? AND seq <= ? GROUP BY kind`
	rows, err := s.db.QueryContext(ctx, query, device, until)
	if err != nil {
		return nil, fmt.Errorf("count queue: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	kinds := map[string]int{}
	for rows.Next() {
		var kind string
		var n int
		if err := rows.Scan(&kind, &n); err != nil {
			return nil, fmt.Errorf("count queue: %w", err)
		}
		kinds[kind] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count queue: %w", err)
	}
	return kinds, nil
}

func (s *sqlite) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.stopped
		return nil
	}
	s.closed = true
	close(s.work)
	s.mu.Unlock()
	<-s.stopped
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close(), s.db.Close())...)
}
