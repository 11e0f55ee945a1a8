// Command inbox measures what somebody with a slow computer feels in a large
// inbox: how much the first page weighs, how soon it can be used, and how long it
// takes to change to another chat. It fills a workspace, runs the real server on
// it, and looks at it in Chromium with the processor slowed down.
//
//	go run ./bench/inbox                           # 100,000 chats, processor 4 times slower
//	go run ./bench/inbox --chats 1000 --json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Chats    int     `help:"Chats of the workspace." default:"100000"`
	Messages int     `help:"Messages in each of the chats that are opened." default:"200"`
	Throttle float64 `help:"How many times slower the browser's processor is made." default:"4"`
	Loads    int     `help:"How often the page is opened, each time by a new browser profile." default:"5"`
	Switches int     `help:"How many chats are opened." default:"40"`
	Seconds  int     `help:"Bound on the whole run, filling included." default:"900"`
	Dir      string  `help:"Folder for the data, which is used again when it is there; default: a temporary one, removed afterwards."`
	JSON     bool    `name:"json" help:"Print one JSON object."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measure a large inbox in a slow browser."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Seconds)*time.Second)
	defer cancel()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "inbox:", err)
		os.Exit(1)
	}
}

// result is what was measured.
type result struct {
	Bytes       int64 // of the first page with all that it loads
	Requests    int
	Interactive []time.Duration // one per load, sorted
	Slow, Full  changes         // with the processor slowed down, and not
}

// changes is how long it takes to change to another chat.
type changes struct {
	First []time.Duration // to one that was not open before, sorted
	Again []time.Duration // and to one that was
	// Processor time of the page's main thread: until the page was at hand, and for
	// each change.
	LoadCPU, ChangeCPU time.Duration
}

func run(ctx context.Context, o *options) (err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tideline-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	began := time.Now()
	s, err := open(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	fmt.Fprintf(os.Stderr, "%d chats are there after %s\n", o.Chats, time.Since(began).Round(time.Second))
	r, err := browse(ctx, s, o)
	if err != nil {
		return err
	}
	return show(r, o)
}

// quantile gives one of sorted times, q from 0 to 1.
func quantile(l []time.Duration, q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[int(q*float64(len(l)-1))]
}

func show(r result, o *options) error {
	for _, l := range [][]time.Duration{r.Interactive, r.Slow.First, r.Slow.Again, r.Full.First, r.Full.Again} {
		slices.Sort(l)
	}
	interactive, change := quantile(r.Interactive, 0.5), quantile(r.Full.First, 0.95)
	weighs, ready, changes := goals.Of("inbox", "page_bytes"), goals.Of("inbox", "interactive_p50_ms"), goals.Of("inbox", "switch_p95_ms")
	light, soon, quick := weighs.Met(float64(r.Bytes)), ready.Met(ms(interactive)), changes.Met(ms(change))
	missed := 0
	for _, met := range []bool{light, soon, quick} {
		if !met {
			missed++
		}
	}
	if o.JSON {
		return report.Write(os.Stdout, map[string]any{
			"bench": "inbox", "chats": o.Chats, "throttle": o.Throttle, "missed": missed,
			"page_bytes": r.Bytes, "page_requests": r.Requests, "interactive_p50_ms": ms(interactive),
			"interactive_max_ms": ms(quantile(r.Interactive, 1)),
			"switch_p50_ms":      ms(quantile(r.Full.First, 0.5)), "switch_p95_ms": ms(change),
			"switch_again_p50_ms": ms(quantile(r.Full.Again, 0.5)), "switch_again_p95_ms": ms(quantile(r.Full.Again, 0.95)),
			"slow_switch_p50_ms": ms(quantile(r.Slow.First, 0.5)), "slow_switch_p95_ms": ms(quantile(r.Slow.First, 0.95)),
			"slow_load_cpu_ms": ms(r.Slow.LoadCPU), "slow_switch_cpu_ms": ms(r.Slow.ChangeCPU),
		})
	}
	word := func(met bool) string {
		if met {
			return ""
		}
		return "a miss"
	}
	fmt.Printf("%d chats, processor %g times slower\n", o.Chats, o.Throttle)
	fmt.Printf("%-34s %8.1f KB            %s  %s\n", fmt.Sprintf("first page, %d requests", r.Requests), float64(r.Bytes)/1000, weighs.Bound(), word(light))
	fmt.Printf("%-34s %8.0f ms, worst %5.0f  %s  %s\n", "can be used after (median)", ms(interactive), ms(quantile(r.Interactive, 1)), ready.Bound(), word(soon))
	fmt.Printf("%-34s %8.0f ms to open the page, %.0f ms for each change of chat\n", "processor time of the main thread", ms(r.Slow.LoadCPU), ms(r.Slow.ChangeCPU))
	fmt.Printf("%-34s %8.0f ms, p95 %7.0f\n", "change to a chat (median)", ms(quantile(r.Slow.First, 0.5)), ms(quantile(r.Slow.First, 0.95)))
	fmt.Printf("%-34s %8.0f ms, p95 %7.0f\n", "back to it (median)", ms(quantile(r.Slow.Again, 0.5)), ms(quantile(r.Slow.Again, 0.95)))
	fmt.Printf("\nprocessor at full speed\n")
	fmt.Printf("%-34s %8.0f ms, p95 %7.0f  %s  %s\n", "change to a chat (median)", ms(quantile(r.Full.First, 0.5)), ms(change), changes.Bound(), word(quick))
	fmt.Printf("%-34s %8.0f ms, p95 %7.0f\n", "back to it (median)", ms(quantile(r.Full.Again, 0.5)), ms(quantile(r.Full.Again, 0.95)))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
