package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
)

// errExited is the cause with which waiting for output ends once the process
// has exited and all it printed has been read.
var errExited = errors.New("the process has exited")

// Command says what [Start] runs.
type Command struct {
	Path string   // executable, such as [Binary]'s
	Args []string // arguments after the program's name
	Dir  string   // working folder; empty means the test's
	// Env is added to the test's own environment, the last value of a name
	// wins.
	Env []string
}

// Process is a running program that a test drives from outside. Its methods may
// be called from any goroutine; they report errors rather than failing the
// test, so that a test may kill and restart from where it likes.
type Process struct {
	cmd            *exec.Cmd
	stdout, stderr *output

	exited chan struct{} // closed once code is set
	code   int
}

// Start starts a program with an empty standard input. When the test ends the
// program is killed if it still runs, and if the test has failed what it has
// printed goes to the test's log.
func Start(t testing.TB, command Command) *Process {
	t.Helper()
	p := &Process{
		cmd:    exec.Command(command.Path, command.Args...),
		stdout: newOutput(),
		stderr: newOutput(),
		exited: make(chan struct{}),
	}
	p.cmd.Dir = command.Dir
	p.cmd.Env = append(os.Environ(), command.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	bindChild(p.cmd, syscall.SIGKILL, nil)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", command.Path, err)
	}
	go func() {
		// The error repeats the exit code or says that the program was killed.
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
		close(p.exited)
	}()
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Errorf("kill %s: %v", command.Path, err)
		}
		if t.Failed() {
			t.Logf("%s, process %d\nstandard output:\n%s\nstandard error:\n%s",
				command.Path, p.PID(), p.Stdout(), p.Stderr())
		}
	})
	return p
}

// PID returns the process id, also after the process has exited.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout returns what the process has written to standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the process has written to standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// AwaitStdout waits until pattern matches somewhere in the standard output and
// returns the match and its groups, as [regexp.Regexp.FindStringSubmatch] does.
// It fails when ctx ends or the process exits without printing a match. Output
// arrives in pieces: let the pattern reach to the end of the line.
func (p *Process) AwaitStdout(ctx context.Context, pattern *regexp.Regexp) ([]string, error) {
	return p.await(ctx, p.stdout, "standard output", pattern)
}

// AwaitStderr is [Process.AwaitStdout] for standard error, where the log is.
func (p *Process) AwaitStderr(ctx context.Context, pattern *regexp.Regexp) ([]string, error) {
	return p.await(ctx, p.stderr, "standard error", pattern)
}

func (p *Process) await(ctx context.Context, out *output, name string, pattern *regexp.Regexp) ([]string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Wait returns after the last output has been copied, so nothing that was
	// printed is missed.
	go func() {
		select {
		case <-p.exited:
			cancel(errExited)
		case <-ctx.Done():
		}
	}()
	match, err := out.await(ctx, pattern)
	if err != nil {
		return nil, fmt.Errorf("wait for %q on %s: %w", pattern, name, err)
	}
	return match, nil
}

// Wait waits for the process to exit by itself and returns its exit code, -1 if
// a signal has ended it. The error is that of ctx.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.exited:
		return p.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for process %d to exit: %w", p.PID(), context.Cause(ctx))
	}
}

// Stop asks the process to end as Ctrl-C does (SIGINT) and waits for its exit
// code as [Process.Wait] does. A process that has already exited is no error.
func (p *Process) Stop(ctx context.Context) (int, error) {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, fmt.Errorf("interrupt process %d: %w", p.PID(), err)
	}
	return p.Wait(ctx)
}

// Kill ends the process without giving it a chance to do anything (SIGKILL) and
// returns once it is gone. A process that has already exited is no error.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.PID(), err)
	}
	<-p.exited
	return nil
}
