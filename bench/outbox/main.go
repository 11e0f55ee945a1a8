// Command outbox measures the pacer alone: N lanes that all have a backlog, a
// send that does nothing, gaps from 1 to 3 seconds. It prints how late heads
// were handed out, that none was early, and what a lane costs in memory.
//
//	go run ./bench/outbox                      # 10,000 and 100,000 lanes
//	go run ./bench/outbox --lanes 1000 --seconds 5 --json
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/report"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
)

type options struct {
	Lanes   []int `help:"How many lanes; may be given several times." default:"10000,100000"`
	Seconds int   `help:"Bound on the whole run, shared by the numbers of lanes; two seconds of each share let the lanes spread out." default:"40"`
	JSON    bool  `name:"json" help:"Print one JSON object."`
}

// result is one row. Times are milliseconds.
type result struct {
	Lanes            int     `json:"-"` // the suffix of all keys
	Sends            int     `json:"sends"`
	SendsPerSecond   float64 `json:"sends_per_second"`
	LatenessP50      float64 `json:"lateness_p50_ms"`
	LatenessP99      float64 `json:"lateness_p99_ms"`
	LatenessMax      float64 `json:"lateness_max_ms"`
	Early            int     `json:"early"`
	BytesPerLane     float64 `json:"bytes_per_lane"`
	BytesPerMessage  float64 `json:"bytes_per_queued_message"`
	CPUMicrosPerSend float64 `json:"cpu_us_per_send"`
	CorePercent      float64 `json:"core_percent"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measure the pacer: lateness and memory of N paced lanes."))
	var rows []result
	for _, n := range o.Lanes {
		share := time.Duration(o.Seconds) * time.Second / time.Duration(len(o.Lanes))
		rows = append(rows, measure(n, max(share-4*time.Second, time.Second)))
	}
	if o.JSON {
		if err := printJSON(rows); err != nil {
			fmt.Fprintln(os.Stderr, "outbox:", err)
			os.Exit(1)
		}
		return
	}
	fmt.Println("paced lanes with backlog, no-op send, gap 1-3 s")
	fmt.Printf("%9s %9s %9s | %8s %8s %8s %6s | %7s %9s | %8s %6s\n", "lanes", "sends", "sends/s", "p50 ms", "p99 ms", "max ms", "early", "B/lane", "B/queued", "us/send", "core")
	for _, r := range rows {
		fmt.Printf("%9d %9d %9.0f | %8.2f %8.2f %8.2f %6d | %7.1f %9.1f | %8.2f %5.1f%%\n", r.Lanes, r.Sends, r.SendsPerSecond,
			r.LatenessP50, r.LatenessP99, r.LatenessMax, r.Early, r.BytesPerLane, r.BytesPerMessage, r.CPUMicrosPerSend, r.CorePercent)
	}
}

func printJSON(rows []result) error {
	all := map[string]any{"bench": "outbox"}
	for _, r := range rows {
		if err := report.Add(all, r, r.Lanes); err != nil {
			return err
		}
	}
	return report.Write(os.Stdout, all)
}

// measure runs n lanes for d and keeps every lane supplied with messages.
func measure(n int, d time.Duration) result {
	rng := rand.New(rand.NewPCG(1, 2))
	gap := func() time.Duration { return time.Duration(1000+rng.Int64N(2001)) * time.Millisecond }

	before := heap()
	var p *outbox.Pacer
	var mu sync.Mutex // guards what hand touches; hand runs on one goroutine, the reader below on another
	var late []time.Duration
	early := 0
	recording := false
	next := int64(0)
	one := make([]store.Queued, 1)
	p = outbox.NewPacer(func(account, _ int64, due time.Time) {
		now := time.Now()
		mu.Lock()
		if recording {
			late = append(late, now.Sub(due))
			if now.Before(due) {
				early++
			}
		}
		next++
		one[0] = store.Queued{AccountID: account, MessageID: next, Gap: gap()}
		mu.Unlock()
		p.Enqueue(one) // the backlog never ends
		p.Finish(account, now)
	})
	supply := func(per int) {
		for account := range int64(n) {
			for range per {
				next++
				one[0] = store.Queued{AccountID: account + 1, MessageID: next, Gap: gap()}
				p.Enqueue(one)
			}
		}
	}
	// The lanes' clocks are spread, as they are after a restart.
	start := time.Now()
	for account := range int64(n) {
		p.SetClock(account+1, start.Add(-time.Duration(rng.Int64N(int64(2*time.Second)))))
	}
	supply(1)
	lanes := heap() - before
	supply(1)
	messages := heap() - before - lanes

	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = p.Run(ctx) })
	wait(2 * time.Second)
	mu.Lock()
	late = make([]time.Duration, 0, n*int(d/time.Second)) // no growth while measuring
	recording = true
	mu.Unlock()
	cpu0, t0 := cpu(), time.Now()
	wait(d)
	mu.Lock()
	recording = false
	mu.Unlock()
	used, took := cpu()-cpu0, time.Since(t0)
	cancel()
	done.Wait()

	slices.Sort(late)
	at := func(q float64) float64 {
		if len(late) == 0 {
			return 0
		}
		return float64(late[int(q*float64(len(late)-1))]) / 1e6
	}
	r := result{
		Lanes: n, Sends: len(late), SendsPerSecond: float64(len(late)) / took.Seconds(),
		LatenessP50: at(0.50), LatenessP99: at(0.99), LatenessMax: at(1), Early: early,
		BytesPerMessage: float64(messages) / float64(n),
		CorePercent:     100 * used.Seconds() / took.Seconds(),
	}
	// The first supply counts the lanes and one queued message each.
	r.BytesPerLane = float64(lanes)/float64(n) - 16
	r.CPUMicrosPerSend = float64(used.Microseconds()) / float64(max(len(late), 1))
	return r
}

func wait(d time.Duration) { <-time.After(d) }

// heap gives the live heap in bytes.
func heap() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpu gives the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
