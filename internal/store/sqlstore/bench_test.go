package sqlstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The sizes of the benchmark's world.
const (
	benchWorkspaces = 100
	benchAccounts   = 10 // per workspace
	benchChats      = 50 // per account
)

// BenchmarkAccept measures the durable acceptance of 160-byte texts by callers
// that each wait for their answer. Besides the time it reports, per message,
// the CPU time of the process, commits, and bytes passed to write (SQLite).
func BenchmarkAccept(b *testing.B) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/callers=%d", dialect, callers), func(b *testing.B) {
				database := filepath.Join(b.TempDir(), "tideline.db")
				if dialect == "postgres" {
					database = testenv.PostgreSQL(b)
				}
				benchmarkAccept(b, database, callers)
			})
		}
	}
}

func benchmarkAccept(b *testing.B, database string, callers int) {
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	accounts, version := benchWorld(b, s)
	text := strings.Repeat("0123456789abcdef", 10)
	grant, now := tideline.Credits(1_000_000_000), time.Now()

	accept := func(r *rand.Rand, chat int) error {
		account := accounts[chat%len(accounts)]
		phone := tideline.Phone(fmt.Sprintf("+49151%03d%05d", chat/len(accounts), account.ID))
		return s.Accept(ctx, store.Acceptance{
			WorkspaceID: account.WorkspaceID, AccountID: account.ID, MemberID: 1, Version: version,
			Message: store.NewMessage{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: fmt.Sprintf("3EB0%016X", r.Uint64()), Text: text,
				Origin: tideline.OriginPublicAPI, Credits: 1, Gap: 2 * time.Second, At: now},
			Chat: store.ChatRef{JID: phone.JID(), Phone: phone}, Grant: grant, Location: time.UTC,
		}).Err
	}
	chats := len(accounts) * benchChats
	waits := make([][]time.Duration, max(callers, 256))
	run := func(n, callers int, chat func(*rand.Rand, int) int) {
		var left atomic.Int64
		left.Store(int64(n))
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(n)))
				for n := left.Add(-1); n >= 0; n = left.Add(-1) {
					begin := time.Now()
					if err := accept(r, chat(r, int(n))); err != nil {
						b.Error(err)
						return
					}
					waits[i] = append(waits[i], time.Since(begin))
				}
			})
		}
		wg.Wait()
	}
	run(chats, 256, func(_ *rand.Rand, n int) int { return n }) // every chat exists before the measurement
	clear(waits)
	stats, cpu, written := s.Stats(), cpuTime(b), bytesWritten()
	b.ResetTimer()
	run(b.N, callers, func(r *rand.Rand, _ int) int { return r.IntN(chats) })
	b.StopTimer()
	n := float64(b.N)
	all := slices.Concat(waits...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(all[len(all)-1].Microseconds()), "max-us")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/n, "cpu-us/op")
	b.ReportMetric(float64(bytesWritten()-written)/n, "written-B/op")
	b.ReportMetric(n/float64(s.Stats().Commits-stats.Commits), "msgs/commit")
}

// benchWorld makes the workspaces and accounts.
func benchWorld(b *testing.B, s *sqlstore.Store) (accounts []tideline.Account, version int64) {
	ctx := context.Background()
	credits := tideline.Credits(1_000_000_000)
	for w := range benchWorkspaces {
		ws, _, err := s.CreateWorkspace(ctx, tideline.Workspace{Slug: fmt.Sprintf("ws-%d", w), TimeZone: "UTC", Credits: &credits,
			Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now()},
			tideline.Member{Email: "owner@example.com", CreatedAt: time.Now()})
		if err != nil {
			b.Fatal(err)
		}
		for a := range benchAccounts {
			phone := tideline.Phone(fmt.Sprintf("+1484%03d%04d", w, a))
			account, err := s.PutAccount(ctx, tideline.Account{WorkspaceID: ws.ID, JID: phone.JID(), Phone: phone, CreatedAt: time.Now()})
			if err != nil {
				b.Fatal(err)
			}
			accounts = append(accounts, account)
		}
	}
	version, err := s.Version(ctx)
	if err != nil {
		b.Fatal(err)
	}
	return accounts, version
}

// cpuTime gives the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bytesWritten gives the bytes that this process passed to write, or 0 where
// the system does not count them.
func bytesWritten() int64 {
	counts, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	var n int64
	for line := range strings.Lines(string(counts)) {
		if _, err := fmt.Sscanf(line, "wchar: %d", &n); err == nil {
			return n
		}
	}
	return 0
}
