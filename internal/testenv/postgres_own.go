package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a PostgreSQL server of one test, which may do to it what
// happens to servers. Its methods fail the test; they are for its goroutine.
type PostgresServer struct {
	bin, dir, password string
	owner              *account
	port               int
	running            *postgresServer // nil while it is stopped
	url                *url.URL        // of its maintenance database
}

// replicating are the settings of a server that has a standby or is one.
var replicating = []string{"wal_level=replica", "max_wal_senders=4", "hot_standby=on"}

// NewPostgresServer starts a server of its own for a test. Unlike [PostgreSQL] it is
// always one that was started here.
func NewPostgresServer(t testing.TB) *PostgresServer {
	t.Helper()
	s := prepareServer(t)
	passwordFile := filepath.Join(s.dir, "password")
	err := os.WriteFile(passwordFile, []byte(s.password), 0o600)
	if err == nil {
		err = s.owner.takeOver(passwordFile)
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), postgresStartTimeout)
		defer cancel()
		err = initCluster(ctx, s.bin, s.dir, passwordFile, s.owner)
	}
	if err != nil {
		t.Fatalf("a PostgreSQL server for the test: %v", err)
	}
	s.Start(t)
	return s
}

// prepareServer makes a server's folder and chooses its port.
func prepareServer(t testing.TB) *PostgresServer {
	t.Helper()
	parent, err := scratch.dir()
	if err != nil {
		t.Fatal(err)
	}
	s := &PostgresServer{password: rand.Text()}
	if s.dir, err = os.MkdirTemp(parent, "server-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.end(), os.RemoveAll(s.dir)); err != nil {
			t.Errorf("end the test's PostgreSQL server: %v", err)
		}
	})
	s.bin, err = postgresBin(postgresHomes())
	if err == nil {
		s.owner, err = serverAccount()
	}
	if err == nil {
		err = s.owner.takeOver(s.dir)
	}
	if err == nil {
		s.port, err = freePort()
	}
	if err != nil {
		t.Fatalf("a PostgreSQL server for the test: %v", err)
	}
	return s
}

// Start starts the server and returns when it answers. After Crash it recovers
// first.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), postgresStartTimeout)
	defer cancel()
	var err error
	if s.running, err = launchPostgresAt(ctx, s.bin, s.dir, s.port, s.password, s.owner, replicating...); err != nil {
		t.Fatal(err)
	}
	s.url = s.running.url
}

// Crash ends the server at once, as pg_ctl stop -m immediate does: transactions
// break off where they are, and clients hear nothing or that the server ends.
func (s *PostgresServer) Crash(t testing.TB) {
	t.Helper()
	if err := s.end(); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}

func (s *PostgresServer) end() error {
	if s.running == nil {
		return nil
	}
	running := s.running
	s.running = nil
	return running.stop()
}

// NewDatabase makes an empty database.
func (s *PostgresServer) NewDatabase(t testing.TB, name string) {
	t.Helper()
	if err := createDatabase(s.url, name, emptyDatabase); err != nil {
		t.Fatal(err)
	}
}

// URL names a database of the server, of it alone or of whichever of it and others
// takes changes. A standby has its primary's users and passwords.
func (s *PostgresServer) URL(database string, others ...*PostgresServer) string {
	u := *s.url
	u.Path = "/" + database
	for _, o := range others {
		u.Host += "," + o.url.Host
	}
	if len(others) > 0 {
		u.RawQuery += "&target_session_attrs=read-write"
	}
	return u.String()
}

// NewStandby starts a second server that repeats all that this one commits.
// This one waits for it before it answers a commit from now on.
func (s *PostgresServer) NewStandby(t testing.TB) *PostgresServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), postgresStartTimeout)
	defer cancel()
	standby := prepareServer(t)
	standby.password = s.password
	program, err := besidePostgres(s.bin, "pg_basebackup")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program, "--dbname="+s.url.String(),
		"--pgdata="+filepath.Join(standby.dir, "data"), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	cmd.Dir = standby.dir
	bindChild(cmd, syscall.SIGKILL, s.owner)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	standby.Start(t)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := admin(ctx, s.url, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.awaitStandby(ctx); err != nil {
		t.Fatalf("the standby does not follow: %v", err)
	}
	return standby
}

func (s *PostgresServer) awaitStandby(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var following bool
		if err := conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&following); err != nil || following {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Promote makes a standby take changes, as after the loss of its primary.
func (s *PostgresServer) Promote(t testing.TB) {
	t.Helper()
	if err := admin(context.Background(), s.url, "SELECT pg_promote(wait => true)"); err != nil {
		t.Fatal(fmt.Errorf("promote: %w", err))
	}
}

// besidePostgres finds another program of PostgreSQL. The server's own may be links
// in a folder that has none for the rest.
func besidePostgres(bin, name string) (string, error) {
	server, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres"))
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath(filepath.Join(filepath.Dir(server), name))
	if err != nil {
		return "", fmt.Errorf("install the client programs of PostgreSQL too: %w", err)
	}
	return path, nil
}
