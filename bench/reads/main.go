// Command reads measures how long lists and lookups of the API take in a large
// workspace: over HTTP, with a few people's worth of load, each kind of request
// by itself.
//
//	go run ./bench/reads                              # 100,000 chats, 1,000,000 messages
//	go run ./bench/reads --chats 1000 --messages 10000 --json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Chats    int           `help:"Chats of the workspace." default:"100000"`
	Messages int           `help:"Messages in them." default:"1000000"`
	Conns    int           `help:"Connections that ask at the same time." default:"4"`
	Slice    time.Duration `help:"How long each kind of request is asked for." default:"2s"`
	Seconds  int           `help:"Bound on the whole run, filling included." default:"900"`
	Database string        `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	Dir      string        `help:"Folder for the database, which is used again when it is there; default: a temporary one, removed afterwards."`
	Only     string        `help:"Only the kinds whose name has this in it."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measure lists and lookups in a large workspace."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Seconds)*time.Second)
	defer cancel()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "reads:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) (err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tideline-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	database := o.Database
	if database == "" {
		database = filepath.Join(dir, "tideline.db")
	}
	began := time.Now()
	w, err := open(ctx, database, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	fmt.Fprintf(os.Stderr, "%d chats and %d messages are there after %s\n", o.Chats, o.Messages, time.Since(began).Round(time.Second))

	all := map[string]any{"bench": "reads", "chats": o.Chats, "messages": o.Messages}
	goal, slowest, missed := goals.Of("reads", "slowest_p95_ms"), time.Duration(0), 0
	if !o.JSON {
		fmt.Printf("%-28s %9s %9s %9s %9s   p95 %s\n", "request", "CPU", "p50", "p95", "p99", goal.Bound())
	}
	for _, k := range w.kinds() {
		if o.Only != "" && !k.matches(o.Only) {
			continue
		}
		before := cpu()
		took, err := ask(ctx, w.addr, o.Conns, o.Slice, k)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		perRequest := (cpu() - before) / time.Duration(max(1, len(took)))
		p95 := took.quantile(0.95)
		word := ""
		slowest = max(slowest, p95)
		if !goal.Met(milliseconds(p95)) {
			word = "a miss"
			missed++
		}
		if o.JSON {
			row := struct {
				P50      float64 `json:"p50_ms"`
				P95      float64 `json:"p95_ms"`
				P99      float64 `json:"p99_ms"`
				CPU      float64 `json:"cpu_ms"`
				Requests int     `json:"requests"`
			}{milliseconds(took.quantile(0.5)), milliseconds(p95), milliseconds(took.quantile(0.99)), milliseconds(perRequest), len(took)}
			part := map[string]any{}
			if err := report.Add(part, row, 0); err != nil {
				return err
			}
			for key, value := range part {
				all[k.key()+"_"+key] = value
			}
			continue
		}
		fmt.Printf("%-28s %7.1fms %7.1fms %7.1fms %7.1fms   %s\n", k.name, milliseconds(perRequest), milliseconds(took.quantile(0.5)), milliseconds(p95), milliseconds(took.quantile(0.99)), word)
	}
	if o.JSON {
		all["missed"], all["slowest_p95_ms"] = missed, milliseconds(slowest)
		return report.Write(os.Stdout, all)
	}
	return nil
}

// cpu gives the processor time that this process, the server and those who ask
// it, has used. On a busy machine it says more than how long things took. A
// PostgreSQL server's is not in it.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
