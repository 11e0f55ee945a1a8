package testenv

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, ctx context.Context, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPostgreSQLGivesEachTestAnEmptyDatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t)
			conn := connect(t, ctx, PostgreSQL(t))
			// Fails when another test's table is already there.
			if _, err := conn.Exec(ctx, "CREATE TABLE only_mine (id BIGINT)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPostgreSQLDropsTheDatabaseAlthoughSomebodyIsStillConnected(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	var given *url.URL
	t.Run("uses a database", func(t *testing.T) {
		var err error
		if given, err = url.Parse(PostgreSQL(t)); err != nil {
			t.Fatal(err)
		}
		left, err := pgx.Connect(ctx, given.String()) // never closed by the test
		if err != nil {
			t.Fatal(err)
		}
		if err := left.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	})
	admin := *given
	admin.Path = "/postgres"
	var count int
	err := connect(t, ctx, admin.String()).QueryRow(ctx,
		"SELECT count(*) FROM pg_database WHERE datname = $1", strings.TrimPrefix(given.Path, "/")).Scan(&count)
	if err != nil {
		t.Fatal(err)
	}
	if count != 0 {
		t.Errorf("database %s is still there", given.Path)
	}
}

func TestPostgreSQLKeepsTheDurabilityOfAProductionServer(t *testing.T) {
	t.Parallel()
	if os.Getenv(PostgresURL) != "" {
		t.Logf("%s is set: this reads the settings of that server", PostgresURL)
	}
	ctx := deadline(t)
	conn := connect(t, ctx, PostgreSQL(t))
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		var got string
		if err := conn.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != "on" {
			t.Errorf("%s = %s, want on", setting, got)
		}
	}
}

func TestAGivenServerIsUsedInsteadOfStartingOne(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		given, want string
	}{
		"with a database":    {"postgres://u:secret@db.example:5433/app?sslmode=require", "postgres://u:secret@db.example:5433/app?sslmode=require"},
		"without a database": {"postgresql://db.example", "postgresql://db.example/postgres"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := &postgresPool{dir: func() (string, error) { return "", errors.New("a server was started") }}
			got, err := pool.server(test.given)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if err := pool.stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

func TestAnUnusableGivenServerIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"mysql://u:secret@h/db", "u:secret@h", "postgres://u:secret@h:port"} {
		_, err := parsePostgresURL(given)
		if err == nil {
			t.Fatalf("%q was accepted", given)
		}
		if !strings.Contains(err.Error(), PostgresURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("unhelpful or indiscreet error: %v", err)
		}
	}
}

func TestAMissingServerIsAnErrorThatSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := postgresBin([]string{filepath.Join(t.TempDir(), "*", "bin")})
	if !errors.Is(err, errNoPostgres) {
		t.Fatalf("got %v, want %v", err, errNoPostgres)
	}
	for _, hint := range []string{"scripts/setup-test", PostgresURL} {
		if !strings.Contains(err.Error(), hint) {
			t.Errorf("the error does not mention %s: %v", hint, err)
		}
	}
}

func TestTheNewestInstalledServerIsChosen(t *testing.T) {
	home := t.TempDir()
	for _, programs := range []string{"9.6/bin/initdb", "9.6/bin/postgres", "15/bin/initdb", "15/bin/postgres", "17/bin/initdb"} {
		path := filepath.Join(home, "pg", programs)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	t.Chdir(home) // a relative pattern, so that digits in the temporary path do not count
	got, err := postgresBin([]string{"pg/*/bin"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "pg/15/bin"; got != want { // 17 has no server, 15 is newer than 9.6
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFailedStartSaysWhyAndIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	calls := 0
	pool := &postgresPool{dir: func() (string, error) { calls++; return "", errors.New("disk full") }}
	for range 3 {
		if _, err := pool.server(""); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("got %v, want an error that says: disk full", err)
		}
	}
	if calls != 1 {
		t.Errorf("tried %d times, want once", calls)
	}
}

func TestAServerThatExitsAtStartIsReportedWithItsLog(t *testing.T) {
	t.Parallel()
	bin, err := postgresBin(postgresHomes())
	if err != nil {
		t.Fatal(err)
	}
	owner, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	scratchPath, err := scratch.dir()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir(), which the server's user cannot enter.
	dir, err := os.MkdirTemp(scratchPath, "empty-")
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.takeOver(dir); err != nil {
		t.Fatal(err)
	}
	_, err = launchPostgres(deadline(t), bin, dir, "password", owner)
	if err == nil || !strings.Contains(err.Error(), "it exited") || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v, want an error that says that the server exited, with its log", err)
	}
}

func TestTheServerDiesWithAKilledTestBinary(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, Command{Path: self, Env: []string{actAs + "=owner of a server"}})
	match, err := p.AwaitStdout(ctx, regexp.MustCompile(`(?s)server: (\S+)\n.*scratch: (\S+)\n`))
	if err != nil {
		t.Fatal(err)
	}
	server, folder := match[1], match[2]
	if err := connect(t, ctx, server).Ping(ctx); err != nil {
		t.Fatalf("the server does not answer while its owner lives: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "the server ends", func() bool {
		conn, err := pgx.Connect(ctx, server)
		if err == nil {
			_ = conn.Close(ctx)
		}
		return err != nil
	})
	// The folder stays until the next run, which must recognise it.
	if err := os.RemoveAll(folder); err != nil {
		t.Errorf("remove the folder that the killed binary left: %v", err)
	}
}
