package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// newWorld opens a store with one workspace and account and gives what makes
// acceptances there.
func newWorld(t *testing.T, database string) (*Store, func(uid string) *store.Acceptance) {
	t.Helper()
	ctx, now := t.Context(), time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)
	s, err := Open(ctx, Options{Database: database, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ws, owner, err := s.CreateWorkspace(ctx, tideline.Workspace{Slug: "first", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan},
		Gap: tideline.DefaultGap, CreatedAt: now}, tideline.Member{Email: "a@example.com", CreatedAt: now})
	if err != nil {
		t.Fatal(err)
	}
	account, err := s.PutAccount(ctx, tideline.Account{WorkspaceID: ws.ID, JID: "14840000001@s.whatsapp.net", CreatedAt: now})
	if err != nil {
		t.Fatal(err)
	}
	version, err := s.Version(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s, func(uid string) *store.Acceptance {
		return &store.Acceptance{WorkspaceID: ws.ID, AccountID: account.ID, MemberID: owner.ID, Version: version,
			Message: store.NewMessage{UID: uid, WhatsAppID: "3EB0" + uid, Text: "hi", Origin: tideline.OriginPublicAPI, Credits: 1, At: now},
			Chat:    store.ChatRef{JID: "14840000099@s.whatsapp.net", Phone: "+14840000099"}, Grant: ws.Grant(), Location: time.UTC}
	}
}

// assertQueue fails the test unless n messages are queued and the ledger adds up.
func assertQueue(t *testing.T, s *Store, n int) {
	t.Helper()
	queued := 0
	if err := s.Backlog(t.Context(), func(store.Queued) error { queued++; return nil }); err != nil {
		t.Fatal(err)
	}
	if queued != n {
		t.Errorf("%d messages are queued, want %d", queued, n)
	}
	faults, err := s.AuditLedger(t.Context())
	if err != nil || len(faults) > 0 {
		t.Errorf("audit: %v %v", faults, err)
	}
}

func TestACommitInDoubtIsNotRepeated(t *testing.T) {
	t.Parallel()
	s, acceptance := newWorld(t, testenv.PostgreSQL(t))
	for _, committed := range []bool{true, false} {
		jobs := []*job{{accept: acceptance("a" + map[bool]string{true: "1", false: "2"}[committed])},
			{accept: acceptance("b" + map[bool]string{true: "1", false: "2"}[committed])}}
		tries := 0
		s.commitJobs(t.Context(), jobs, func(run func(*tx) error) (bool, error) {
			tries++
			if tries > 1 {
				return s.transact(t.Context(), run)
			}
			_, err := s.transact(t.Context(), func(t *tx) error {
				if err := run(t); err != nil || committed {
					return err
				}
				return errors.New("the server lost it")
			})
			if committed && err != nil {
				t.Fatal(err)
			}
			return true, driver.ErrBadConn // the answer to COMMIT never came
		})
		for _, j := range jobs {
			if j.err != nil || j.accepted.Err != nil || j.accepted.MessageID == 0 || j.accepted.ChatID == 0 {
				t.Errorf("committed %v: outcome %+v, %v", committed, j.accepted, j.err)
			}
		}
		if tries != 2 {
			t.Errorf("%d tries", tries)
		}
	}
	assertQueue(t, s, 4)
}

func TestAFailedCommitFailsEveryItem(t *testing.T) {
	t.Parallel()
	s, acceptance := newWorld(t, filepath.Join(t.TempDir(), "tideline.db"))
	broken := errors.New("the disk is gone")
	jobs := []*job{{accept: acceptance("a")}, {write: func(context.Context, *tx) error { return nil }}}
	s.commitJobs(t.Context(), jobs, func(func(*tx) error) (bool, error) { return false, broken })
	for _, j := range jobs {
		if !errors.Is(j.err, broken) {
			t.Errorf("outcome %v", j.err)
		}
	}
	assertQueue(t, s, 0)
}

func TestAnItemThatTheTablesRefuseIsFoundAmongMany(t *testing.T) {
	t.Parallel()
	s, acceptance := newWorld(t, filepath.Join(t.TempDir(), "tideline.db"))
	var jobs []*job
	for i := range 37 {
		jobs = append(jobs, &job{accept: acceptance(string(rune('A' + i)))})
	}
	jobs[20].accept.Message.UID = jobs[5].accept.Message.UID
	failedWrite := errors.New("refused")
	jobs = append(jobs, &job{write: func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `UPDATE accounts SET name = 'half done'`); err != nil {
			return err
		}
		return failedWrite
	}})
	s.commitSQLite(jobs)
	for i, j := range jobs {
		if wantErr := i == 20 || i == 37; (j.err != nil || j.accepted.Err != nil) != wantErr {
			t.Errorf("job %d: %+v, %v", i, j.accepted, j.err)
		}
	}
	assertQueue(t, s, 36)
	accounts, err := s.AllAccounts(t.Context())
	if err != nil || accounts[0].Name != "" {
		t.Errorf("a failed write left %+v, %v", accounts, err)
	}
}

func TestACallerThatLeavesIsNotCommitted(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	var committed []*job
	c := startCommitter(8, func(jobs []*job) time.Duration {
		committed = append(committed, jobs...)
		begun <- struct{}{}
		<-release
		return 0
	})
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	first, second := &job{}, &job{}
	wg.Go(func() {
		if err := c.do(t.Context(), first); err != nil {
			t.Error(err)
		}
	})
	<-begun
	wg.Go(func() {
		if err := c.do(ctx, second); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for queued := 0; queued == 0 && t.Context().Err() == nil; runtime.Gosched() {
		c.mu.Lock()
		queued = len(c.queue)
		c.mu.Unlock()
	}
	leave()
	close(release)
	wg.Wait()
	c.stop()
	if len(committed) != 1 || committed[0] != first {
		t.Errorf("%d jobs were committed", len(committed))
	}
	if err := c.do(t.Context(), &job{}); !errors.Is(err, errClosed) {
		t.Errorf("a stopped committer gives %v", err)
	}
}

// TestAWriteThatIsUnderWayIsWaitedFor is about what a write fills in: the caller
// reads it, whether or not its context has ended meanwhile.
func TestAWriteThatIsUnderWayIsWaitedFor(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	filled := 0
	c := startCommitter(8, func([]*job) time.Duration {
		close(begun)
		<-release
		filled = 7
		return 0
	})
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		answered <- c.do(ctx, &job{write: func(context.Context, *tx) error { return nil }})
	}()
	<-begun
	leave()
	close(release)
	if err := <-answered; err != nil || filled != 7 {
		t.Errorf("the caller is answered %v and reads %d", err, filled)
	}
	c.stop()
	if err := c.do(ctx, &job{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left is answered %v", err)
	}
}

func TestTheChatCacheForgetsTheOldest(t *testing.T) {
	t.Parallel()
	c := newChatCache(2)
	key := func(i int64) chatKey { return chatKey{i, "x"} }
	for i := range int64(5) {
		c.add(key(i), i)
		if id, ok := c.get(key(0)); i < 2 && (!ok || id != 0) {
			t.Errorf("chat 0 is forgotten after chat %d", i)
		}
	}
	if len(c.young)+len(c.old) > 4 {
		t.Errorf("%d chats are remembered", len(c.young)+len(c.old))
	}
	if id, ok := c.get(key(4)); !ok || id != 4 {
		t.Error("the newest chat is forgotten")
	}
}
