package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAServerOnAReadOnlyDiskSaysSo starts a server, which was killed at work, on a disk
// that can only be read by then. It ends with the reason; when the disk can be
// written again, all that was accepted is sent.
func TestAServerOnAReadOnlyDiskSaysSo(t *testing.T) {
	t.Parallel()
	onSmallDisk(t, "96m", func(t *testing.T, disk string) {
		s := site{dir: filepath.Join(disk, "data"), sandbox: true}
		crowd := prepare(t, s)
		s.networkElsewhere(t)
		srv := s.start(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		crowd.switchTo(srv)
		crowd.begin(ctx, t)
		crowd.progress(ctx, t)
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		crowd.switchTo(nil)

		remount := func(flags uintptr) {
			if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|flags, ""); err != nil {
				t.Fatalf("mount %s again: %v", disk, err)
			}
		}
		remount(syscall.MS_RDONLY)
		p := s.launch(t)
		if code, err := p.Wait(ctx); err != nil || code == 0 || !strings.Contains(p.Stderr(), "its disk or its server is read-only: mount it for writing") {
			t.Errorf("serve: exit code %d, %v; want an end with the reason\n%s", code, err, p.Stderr())
		}
		if r := s.run(t, "doctor"); r.code != 1 || !strings.Contains(r.out, "read-only file system") {
			t.Errorf("doctor: exit code %d, want 1 and the reason\n%s%s", r.code, r.out, r.notes)
		}

		remount(0)
		srv = s.start(t)
		crowd.switchTo(srv)
		crowd.progress(ctx, t)
		crowd.settled(t, srv)
		srv.stop(t)
		s.healthy(t)
	})
}
