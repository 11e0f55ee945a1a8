package datadir

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Seat names the folder among all folders that processes on this machine, and in its
// containers, can lock: since which start of the machine, on which file system, which
// one. So two processes with one seat can't both have the lock. "" when that can't
// be told.
func (f Folder) Seat() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", strings.TrimSpace(string(boot)), st.Dev, st.Ino)
}
