package testenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// errNoPostgres tells a person what to do, since it ends up as the only line of
// a failed test.
var errNoPostgres = errors.New("the PostgreSQL server programs (initdb, postgres) are not installed: " +
	"run scripts/setup-test, install PostgreSQL 13 or later and put its programs on PATH, " +
	"or set " + PostgresURL + " to the URL of a running server")

// postgresHomes are the folders, as glob patterns, in which packagers put the
// server programs without adding them to PATH.
func postgresHomes() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
		"/usr/pgsql-*/bin",                     // PostgreSQL's own RPM packages
		"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
		"/Applications/Postgres.app/*/*/*/bin", // Postgres.app
		"/usr/local/pgsql/bin",                 // built from source
	}
}

// postgresBin returns the folder of the server programs. PATH wins, since it is
// what a person chose; of several versions found elsewhere the newest is taken.
func postgresBin(homes []string) (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if dir := filepath.Dir(path); hasServer(dir) {
			return dir, nil
		}
	}
	for _, pattern := range homes {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !hasServer(dir) })
		if len(dirs) > 0 {
			return slices.MaxFunc(dirs, func(a, b string) int { return version(a) - version(b) }), nil
		}
	}
	return "", errNoPostgres
}

func hasServer(dir string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, program)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// version reads the major version out of a path such as
// /usr/lib/postgresql/15/bin; 9.6 and older count as 9.
func version(dir string) int {
	start := -1
	for i, r := range dir {
		digit := '0' <= r && r <= '9'
		if digit && start < 0 {
			start = i
		}
		if !digit && start >= 0 {
			n, _ := strconv.Atoi(dir[start:i])
			return n
		}
	}
	return 0
}
