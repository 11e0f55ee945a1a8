package e2e

import (
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
)

// connection is an end of a TCP connection or a listening socket of a process.
type connection struct {
	local, remote net.IP
	listening     bool
}

// connections lists the TCP sockets of a process, as Linux knows them.
func connections(t *testing.T, pid int) []connection {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil {
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				own[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var found []connection
	for _, name := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(filepath.Join(proc, "net", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			const local, remote, state, inode = 1, 2, 3, 9 // columns, see proc(5)
			f := strings.Fields(line)
			if len(f) > inode && own[f[inode]] {
				found = append(found, connection{hexIP(t, f[local]), hexIP(t, f[remote]), f[state] == "0A"})
			}
		}
	}
	return found
}

// hexIP reads an address such as 0100007F:1F90: words in the machine's byte order.
func hexIP(t *testing.T, s string) net.IP {
	t.Helper()
	text, _, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	return net.IP(b)
}

// TestPromise10NothingLeavesUnasked looks at the sockets of a sandbox at work and
// of a production server that has nothing to do yet.
func TestPromise10NothingLeavesUnasked(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("the sockets of a process can only be told on Linux; the rest is tested elsewhere")
		return
	}
	sandbox := newSandbox(t)
	srv := sandbox.start(t)
	srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "hello"}), "Sent", "Delivered", "Read")
	socks := connections(t, srv.PID())
	if len(socks) < 4 { // two listeners, both ends of the account's connection
		t.Errorf("only %d sockets were found", len(socks))
	}
	for _, c := range socks {
		if !c.local.IsLoopback() || !c.listening && !c.remote.IsLoopback() {
			t.Errorf("the sandbox has a socket from %s to %s", c.local, c.remote)
		}
	}
	srv.stop(t)

	production := site{dir: filepath.Join(t.TempDir(), "data")}
	srv = production.start(t)
	for _, c := range connections(t, srv.PID()) {
		if !c.local.IsLoopback() || !c.listening {
			t.Errorf("a server without accounts has a socket from %s to %s", c.local, c.remote)
		}
	}
	srv.stop(t)
}

func TestPromise10ASandboxListensOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{
		{"--listen", "0.0.0.0:0"},
		{"--listen", ":0"},
		{"--database", "postgres://db.example.com/tideline"},
	} {
		s := newSandbox(t)
		r := s.run(t, append([]string{"serve", "--sandbox"}, flags...)...)
		if r.code != 2 || !strings.Contains(r.notes, "this machine only") {
			t.Errorf("%v: exit code %d, %s", flags, r.code, r.notes)
		}
		if _, err := os.Stat(s.dir); err == nil {
			t.Errorf("%v: made a data folder", flags)
		}
	}
}
