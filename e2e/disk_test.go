package e2e

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidelinehq/tideline/wasim"
)

// inNewNamespace says to a test binary that another one has started it where it may
// mount file systems.
const inNewNamespace = "TIDELINE_TEST_MOUNTS"

// onSmallDisk runs a test in a folder that is a disk of its own, of some megabytes.
// Whoever is not root runs the test once more in a namespace in which he is; where
// the system allows neither, the test fails.
func onSmallDisk(t *testing.T, size string, test func(t *testing.T, disk string)) {
	t.Helper()
	disk := t.TempDir()
	err := syscall.Mount("tideline-test", disk, "tmpfs", 0, "size="+size+",mode=0700")
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", disk, err)
			}
		})
		test(t, disk)
		return
	}
	if os.Getenv(inNewNamespace) != "" || !errors.Is(err, syscall.EPERM) {
		t.Fatalf("mount a small disk: %v", err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", "--mount", "--",
		program, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), inNewNamespace+"=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && !bytes.Contains(out, []byte("=== RUN")):
		t.Fatalf("this test has to mount a file system, which takes root or user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces): %v\n%s", err, out)
	case err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Fatalf("in a user namespace: %v\n%s", err, out)
	}
	t.Logf("in a user namespace:\n%s", out)
}

// fillDisk writes a file until nothing more fits, and gives its name.
func fillDisk(t *testing.T, disk string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 4096, 1} {
		for block := make([]byte, size); err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
		err = nil
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// networkElsewhere moves the state of the sandbox's network away from the disk of the
// server's own data: it is WhatsApp, and the phones have disks of their own.
func (s site) networkElsewhere(t *testing.T) {
	t.Helper()
	network, elsewhere := filepath.Join(s.dir, "network"), filepath.Join(t.TempDir(), "network")
	if err := os.CopyFS(elsewhere, os.DirFS(network)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(network), os.Symlink(elsewhere, network)); err != nil {
		t.Fatal(err)
	}
}

// troubled waits until the server says on /readyz, with its reason, that it can't
// store anything.
func (s *server) troubled(t *testing.T, reason string) {
	t.Helper()
	eventually(t, "the server says why it is not ready", func(ctx context.Context) (bool, string) {
		_, err := s.fetch(ctx, "/readyz")
		if err == nil {
			return false, "ready"
		}
		return strings.Contains(err.Error(), "503") && strings.Contains(err.Error(), reason), err.Error()
	})
}

// well waits until the server is ready again.
func (s *server) well(t *testing.T) {
	t.Helper()
	eventually(t, "the server is ready again", func(ctx context.Context) (bool, string) {
		text, err := s.fetch(ctx, "/readyz")
		if err != nil {
			return false, err.Error()
		}
		return true, text
	})
}

// loud counts what a server wrote into its log above the level info.
func (s *server) loud() (lines []string) {
	for line := range strings.Lines(s.Stderr()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestAFullDiskLosesNothing fills the disk under a server at work. It refuses what it
// can't store, says why, once, and goes on by itself when there is room. What it
// accepted before, in between and after is on the phones once; what came meanwhile is
// shown once.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	onSmallDisk(t, "96m", func(t *testing.T, disk string) {
		s := site{dir: filepath.Join(disk, "data"), sandbox: true}
		crowd := prepare(t, s)
		s.networkElsewhere(t)
		srv := s.start(t)
		srv.addPhone(t, quiet)
		crowd.switchTo(srv)
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		crowd.begin(ctx, t)
		crowd.progress(ctx, t)

		crowd.ailing.Store(true)
		filler := fillDisk(t, disk)
		crowd.refusals(ctx, t, 30)
		srv.troubled(t, "the disk of the database is full")
		if err := srv.says(t.Context(), quiet, "said to a full disk"); err != nil {
			t.Fatal(err)
		}
		crowd.refusals(ctx, t, 100)
		if r := s.run(t, "doctor"); r.code != 1 || !strings.Contains(r.out, "no space left on device") {
			t.Errorf("doctor: exit code %d, want 1 and the reason\n%s%s", r.code, r.out, r.notes)
		}
		loud := srv.loud()
		if n := strings.Count(srv.Stderr(), `msg="nothing can be stored`); n != 1 {
			t.Errorf("the log says %d times that nothing can be stored, want once", n)
		}
		t.Logf("%d requests refused, %d lines of log:\n%s", crowd.refused.Load(), len(loud), strings.Join(loud, ""))

		if err := os.Remove(filler); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		srv.well(t)
		crowd.ailing.Store(false)
		crowd.progress(ctx, t)
		crowd.settled(t, srv)
		srv.awaitShown(t, quiet, "said to a full disk")
		if _, messages, err := srv.conversation(t.Context(), quiet); err != nil || len(messages) != 1 {
			t.Errorf("what a customer wrote meanwhile is shown as %d messages, %v; want one", len(messages), err)
		}
		srv.stop(t)
		s.healthy(t)
	})
}

// refusals waits until the clients were refused n times in all.
func (c *crowd) refusals(ctx context.Context, t *testing.T, n int64) {
	t.Helper()
	for c.refused.Load() < n {
		select {
		case <-c.beat:
		case <-ctx.Done():
			t.Fatalf("only %d requests were refused, want %d", c.refused.Load(), n)
		}
	}
}

// settled ends the clients' work and compares what they were told with the phones.
func (c *crowd) settled(t *testing.T, srv *server) {
	t.Helper()
	c.finish(t)
	srv.drained(t)
	for i := range accountsPerSite {
		mine := c.senders[i*clientsPerNumber : (i+1)*clientsPerNumber]
		var log []wasim.Received
		var err error
		if log, err = srv.received(t.Context(), mine[0].to); err != nil {
			t.Fatal(err)
		}
		checkOnceEach(t, mine, log)
		checkOrder(t, mine, log)
		checkGaps(t, log)
	}
	quotas, err := srv.api.Quotas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if quotas.Messages.Used != c.accepted.Load() {
		t.Errorf("%d credits were used for %d messages", quotas.Messages.Used, c.accepted.Load())
	}
}
