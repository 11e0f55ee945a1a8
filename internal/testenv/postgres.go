package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// PostgresURL is the environment variable that names a running server to use
// instead of starting one: a postgres:// URL of a role that may create
// databases. The database it names is only used to connect to.
const PostgresURL = "TIDELINE_TEST_POSTGRES"

// adminTimeout bounds each creation and removal of a database.
const adminTimeout = 30 * time.Second

// postgres is the server of this process, see [scratch] for why it is
// process-wide.
var postgres = &postgresPool{dir: scratch.dir}

// PostgreSQL returns the URL of a new, empty database with a name of its own,
// on the server shared by the tests of this binary. The database is removed,
// with whatever connections are left, when the test and its subtests are done.
// It may be called from parallel tests. The test fails at once if there is no
// server and none can be started.
//
// The server keeps PostgreSQL's durability settings (fsync, full_page_writes,
// synchronous_commit), since some tests are about them.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	return postgreSQLCopy(t, emptyDatabase)
}

// emptyDatabase is the database that PostgreSQL itself keeps for copying.
const emptyDatabase = "template0"

// postgreSQLCopy is [PostgreSQL] with a copy of another database of the server,
// to which nothing may be connected.
func postgreSQLCopy(t testing.TB, template string) string {
	t.Helper()
	server, err := postgres.server(os.Getenv(PostgresURL))
	if err != nil {
		t.Fatalf("PostgreSQL for the tests: %v", err)
	}
	name := newDatabaseName()
	if err := createDatabase(server, name, template); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		if err := dropDatabase(server, name); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return databaseURL(server, name)
}

func newDatabaseName() string {
	return "tideline_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
}

func databaseURL(server *url.URL, name string) string {
	own := *server
	own.Path = "/" + name
	return own.String()
}

// The context is not a test's, which ends before its clean-up runs.

func createDatabase(server *url.URL, name, template string) error {
	return admin(context.Background(), server, "CREATE DATABASE "+name+" TEMPLATE "+template)
}

func dropDatabase(server *url.URL, name string) error {
	return admin(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)")
}

// admin runs one statement on a connection of its own. The few milliseconds
// that a connection costs buy a helper that keeps no goroutine or socket which
// a leak check of the caller would have to know about.
func admin(ctx context.Context, server *url.URL, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// setting asks a server for one of its settings.
func setting(ctx context.Context, server *url.URL, name string) (value string, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return "", err
	}
	err = conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, errors.Join(err, conn.Close(ctx))
}

// postgresPool starts at most one server and remembers how that went: after a
// failure every further test fails at once with the same words instead of
// trying again.
type postgresPool struct {
	dir func() (string, error) // where the server's folder is made

	mu      sync.Mutex
	tried   bool
	running *postgresServer
	url     *url.URL
	err     error
}

// server returns the URL of the server's maintenance database. A given URL wins
// over a server of our own.
func (p *postgresPool) server(given string) (*url.URL, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.tried {
		p.tried = true
		if given != "" {
			p.url, p.err = parsePostgresURL(given)
		} else {
			p.url, p.err = p.start()
		}
	}
	return p.url, p.err
}

func (p *postgresPool) start() (*url.URL, error) {
	dir, err := p.dir()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), postgresStartTimeout)
	defer cancel()
	p.running, err = startPostgres(ctx, filepath.Join(dir, "postgres"))
	if err != nil {
		return nil, err
	}
	return p.running.url, nil
}

// stop ends the server if this pool has started one.
func (p *postgresPool) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	running := p.running
	p.running, p.tried = nil, false
	if err := running.stop(); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// parsePostgresURL checks what a person has put into the environment. The error
// must not repeat the value, which holds a password.
func parsePostgresURL(given string) (*url.URL, error) {
	u, err := url.Parse(given)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, fmt.Errorf("%s is not a postgres:// URL", PostgresURL)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/postgres"
	}
	return u, nil
}
