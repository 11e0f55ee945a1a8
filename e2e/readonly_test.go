package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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

// TestADiskThatTurnsReadOnlyLosesNothing lets a disk turn read-only under a server at
// work, as a file system does that found itself damaged. Linux lets nobody write to such
// a one until it is mounted anew, so the server is started again on it.
func TestADiskThatTurnsReadOnlyLosesNothing(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/loop-control"); err != nil || os.Geteuid() != 0 {
		// Only a file system of one's own can be damaged, and it takes a loop device to
		// mount one. What a server does on a disk that is read-only is shown above.
		t.Logf("this machine has no loop devices for root (%v): a disk that turns read-only at work is not tried", err)
		return
	}
	disk := newExt4(t)
	s := site{dir: filepath.Join(disk.dir, "data"), sandbox: true}
	crowd := prepare(t, s)
	s.networkElsewhere(t)
	srv := s.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	crowd.switchTo(srv)
	crowd.begin(ctx, t)
	crowd.progress(ctx, t)

	crowd.ailing.Store(true)
	disk.damage(t)
	crowd.refusals(ctx, t, 50)
	srv.troubled(t, "nothing can be stored since")
	if n := strings.Count(srv.Stderr(), `msg="nothing can be stored`); n != 1 {
		t.Errorf("the log says %d times that nothing can be stored, want once", n)
	}
	if n := len(srv.loud()); n > 100 {
		t.Errorf("%d lines of log are too many:\n%s", n, strings.Join(srv.loud()[:100], ""))
	}
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	crowd.switchTo(nil)
	crowd.ailing.Store(false)

	disk.repair(t)
	srv = s.start(t)
	crowd.switchTo(srv)
	crowd.progress(ctx, t)
	crowd.settled(t, srv)
	srv.stop(t)
	s.healthy(t)
}

// ext4 is a file system of Linux in a file.
type ext4 struct{ image, dir string }

// newExt4 makes one. That takes root and a loop device, also in a container: run it
// with --privileged, or with --device=/dev/loop-control, the loop devices and
// CAP_SYS_ADMIN.
func newExt4(t *testing.T) *ext4 {
	t.Helper()
	d := &ext4{image: filepath.Join(t.TempDir(), "image"), dir: t.TempDir()}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 128<<20); err != nil {
		t.Fatal(err)
	}
	d.run(t, "mkfs.ext4", "-q", "-F", d.image)
	d.mount(t)
	t.Cleanup(func() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) }) // a failed test may leave it unmounted
	return d
}

func (d *ext4) run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("this test needs root, loop devices, mount and e2fsprogs: %s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

func (d *ext4) mount(t *testing.T) {
	t.Helper()
	d.run(t, "mount", "-o", "loop,errors=remount-ro", d.image, d.dir)
}

// damage has the kernel find an error.
func (d *ext4) damage(t *testing.T) {
	t.Helper()
	var info syscall.Stat_t
	if err := syscall.Stat(d.dir, &info); err != nil {
		t.Fatal(err)
	}
	const minorBits = 8 // of the old layout, which loop devices fit into
	device, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", info.Dev>>minorBits&0xfff, info.Dev&0xff))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("for a test"), 0); err != nil {
		t.Fatal(err)
	}
}

// repair does what an operator does. Nothing may use the file system.
func (d *ext4) repair(t *testing.T) {
	t.Helper()
	d.run(t, "umount", d.dir)
	// 1 means that it repaired something.
	cmd := exec.CommandContext(t.Context(), "/sbin/e2fsck", "-f", "-y", d.image)
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
	d.mount(t)
}
