package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	postgresStartTimeout = time.Minute
	postgresStopTimeout  = 10 * time.Second
	postgresRole         = "tideline"
	// portAttempts covers the moment between choosing a free port and the
	// server listening on it, in which another process may take it.
	portAttempts = 5
)

// postgresServer is a server that this process has started.
type postgresServer struct {
	cmd   *exec.Cmd
	alive *os.File // reads as ended once the server has exited
	url   *url.URL // its maintenance database
}

// startPostgres makes a database cluster in dir, which must not exist yet, and
// starts a server on it, with settings that come before those for tests. It returns
// once the server answers.
func startPostgres(ctx context.Context, dir string, settings ...string) (*postgresServer, error) {
	bin, err := postgresBin(postgresHomes())
	if err != nil {
		return nil, err
	}
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the server's folder: %w", err)
	}
	password := rand.Text()
	// The password file is inside a folder that only its owner can enter.
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		return nil, fmt.Errorf("write the server's password: %w", err)
	}
	if err := owner.takeOver(passwordFile, dir); err != nil {
		return nil, err
	}
	if err := initCluster(ctx, bin, dir, passwordFile, owner); err != nil {
		return nil, err
	}
	var failures []error
	for range portAttempts {
		server, err := launchPostgres(ctx, bin, dir, password, owner, settings...)
		if err == nil {
			return server, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// initCluster runs initdb. Passwords go over loopback only, so they are compared
// as they are: SCRAM would cost each of the tests' many connections milliseconds.
func initCluster(ctx context.Context, bin, dir, passwordFile string, owner *account) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"--pgdata="+filepath.Join(dir, "data"),
		"--username="+postgresRole, "--pwfile="+passwordFile,
		"--auth-host=password", "--auth-local=reject",
		"--encoding=UTF8", "--no-locale",
		"--no-sync") // the files need not survive the machine's crash, the server syncs what it writes later
	cmd.Dir = dir
	bindChild(cmd, syscall.SIGKILL, owner)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// launchPostgres starts the server on a port that is free now and waits until it
// answers or exits.
func launchPostgres(ctx context.Context, bin, dir, password string, owner *account, settings ...string) (*postgresServer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return launchPostgresAt(ctx, bin, dir, port, password, owner, settings...)
}

// launchPostgresAt starts the server on a port, with settings (name=value) beside
// those of postgresArgs.
func launchPostgresAt(ctx context.Context, bin, dir string, port int, password string, owner *account, settings ...string) (*postgresServer, error) {
	logPath := filepath.Join(dir, "server.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the server's log: %w", err)
	}
	defer log.Close()
	alive, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}

	cmd := exec.Command(filepath.Join(bin, "postgres"), postgresArgs(dir, port, settings...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	// The server and its children keep this end open until the last of them is
	// gone: their exit can be awaited without a goroutine.
	cmd.ExtraFiles = []*os.File{theirs}
	// SIGQUIT is the immediate shutdown: the server ends its children and frees
	// its shared memory, which a SIGKILL would leave to the next start.
	bindChild(cmd, syscall.SIGQUIT, owner)
	err = cmd.Start()
	// As long as we held this end too, the exit would go unnoticed.
	theirs.Close()
	if err != nil {
		alive.Close()
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	server := &postgresServer{cmd: cmd, alive: alive, url: &url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(postgresRole, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}}
	if err := server.awaitReady(ctx); err != nil {
		text, _ := os.ReadFile(logPath)
		return nil, errors.Join(fmt.Errorf("start postgres: %w\n%s", err, bytes.TrimSpace(text)), server.stop())
	}
	return server, nil
}

// postgresArgs are settings for a small server with many short databases. What
// concerns durability stays as PostgreSQL has it. The last of two settings of one
// name counts, so more come last.
func postgresArgs(dir string, port int, more ...string) []string {
	args := []string{"-D", filepath.Join(dir, "data")}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=", // nothing to clean up, no limit on the length of the path
		"max_connections=200",
		"shared_buffers=32MB",
		"wal_level=minimal",
		"max_wal_senders=0",
		"jit=off",
		"logging_collector=off",
		"log_destination=stderr",
	}, more...) {
		args = append(args, "-c", setting)
	}
	return args
}

// awaitReady returns when the server answers a query, and with an error when it
// has exited or ctx has ended first.
func (s *postgresServer) awaitReady(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.url.String())
		if err == nil {
			return errors.Join(conn.Ping(ctx), conn.Close(ctx))
		}
		if ctx.Err() != nil {
			return fmt.Errorf("it does not answer: %w", err)
		}
		if s.exited(20 * time.Millisecond) {
			return errors.New("it exited")
		}
	}
}

// exited waits up to d for the server to be gone and says whether it is.
func (s *postgresServer) exited(d time.Duration) bool {
	if err := s.alive.SetReadDeadline(time.Now().Add(d)); err != nil {
		return true
	}
	_, err := s.alive.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// stop ends the server at once and waits until it is gone. Its data is about to
// be deleted, so an orderly shutdown would be time wasted.
func (s *postgresServer) stop() error {
	defer s.alive.Close()
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if !s.exited(postgresStopTimeout) {
		if err := s.cmd.Process.Kill(); err != nil {
			return err
		}
	}
	// How it exited after SIGQUIT is of no interest.
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// freePort asks the kernel for a port that nobody listens on.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
