package testenv

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var listening = regexp.MustCompile(`listening on (\S+)\n`)

// daemonPath builds the program of testdata/daemon once for all tests.
var daemonPath = sync.OnceValues(func() (string, error) {
	dir, err := scratch.dir()
	if err != nil {
		return "", err
	}
	return buildBinary("./internal/testenv/testdata/daemon", filepath.Join(dir, "daemon"))
})

func daemon(t *testing.T, args ...string) *Process {
	t.Helper()
	path, err := daemonPath()
	if err != nil {
		t.Fatal(err)
	}
	return Start(t, Command{Path: path, Args: args, Env: []string{"GREETING=first", "GREETING=hello"}})
}

func TestAProcessIsReadyWhenItSaysSoAndStopsWithItsOwnExitCode(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	p := daemon(t, "7")
	match, err := p.AwaitStdout(ctx, listening)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := match[1], "127.0.0.1:4711"; got != want {
		t.Errorf("address %q, want %q", got, want)
	}
	if _, err := p.AwaitStderr(ctx, regexp.MustCompile(`greeting: hello\n`)); err != nil {
		t.Error(err)
	}
	code, err := p.Stop(ctx)
	if err != nil || code != 7 {
		t.Errorf("exit code %d, %v; want 7", code, err)
	}
	if got := p.Stdout(); !strings.HasSuffix(got, "goodbye\n") {
		t.Errorf("standard output %q, want the last words in it", got)
	}
	if code, err := p.Stop(ctx); err != nil || code != 7 {
		t.Errorf("stopping again: exit code %d, %v; want 7", code, err)
	}
}

func TestAKilledProcessHasNoChanceToSayGoodbye(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	p := daemon(t, "0")
	if _, err := p.AwaitStdout(ctx, listening); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Wait(ctx); err != nil || code != -1 {
		t.Errorf("exit code %d, %v; want -1", code, err)
	}
	if strings.Contains(p.Stdout(), "goodbye") {
		t.Error("the process was interrupted, not killed")
	}
	if err := p.Kill(); err != nil {
		t.Errorf("killing again: %v", err)
	}
}

func TestWaitingForOutputEndsWhenTheProcessExits(t *testing.T) {
	t.Parallel()
	p := daemon(t, "not a number")
	_, err := p.AwaitStdout(deadline(t), listening)
	if !errors.Is(err, errExited) {
		t.Fatalf("got %v, want %v", err, errExited)
	}
	if !strings.Contains(p.Stderr(), "exit code:") {
		t.Errorf("standard error %q lacks the reason", p.Stderr())
	}
}

func TestWaitingForOutputEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := daemon(t, "0")
	if _, err := p.AwaitStdout(deadline(t), listening); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.AwaitStdout(ctx, regexp.MustCompile("never printed")); !errors.Is(err, context.Canceled) {
		t.Errorf("AwaitStdout: got %v, want %v", err, context.Canceled)
	}
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: got %v, want %v", err, context.Canceled)
	}
}

func TestAProcessIsKilledWhenItsTestEnds(t *testing.T) {
	t.Parallel()
	var p *Process
	t.Run("starts it", func(t *testing.T) {
		p = daemon(t, "0")
	})
	select {
	case <-p.exited:
	default:
		t.Error("the process outlives its test")
	}
}

func TestABuildThatFailsShowsTheCompilersWords(t *testing.T) {
	t.Parallel()
	_, err := buildBinary("./internal/testenv/testdata/nothing", filepath.Join(t.TempDir(), "nothing"))
	if err == nil || !strings.Contains(err.Error(), "testdata/nothing") {
		t.Errorf("got %v, want an error that names the package", err)
	}
}

func TestOutputIsFoundAcrossWrites(t *testing.T) {
	t.Parallel()
	out := newOutput()
	r, w := io.Pipe()
	go func() {
		b := bufio.NewReader(r)
		_, _ = io.Copy(out, b)
	}()
	t.Cleanup(func() { _ = w.Close() })
	for _, piece := range []string{"lis", "tening on 127", ".0.0.1:1\n"} {
		if _, err := io.WriteString(w, piece); err != nil {
			t.Fatal(err)
		}
	}
	match, err := out.await(deadline(t), listening)
	if err != nil || match[1] != "127.0.0.1:1" {
		t.Errorf("got %q, %v", match, err)
	}
}

func TestTheModuleRootHoldsThisModule(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(ModuleRoot(t), "internal", "testenv", "doc.go")); err != nil {
		t.Error(err)
	}
}
