// Command accept measures durable acceptance: POST /messages against a handler
// that does nothing, and against the same stack with one transaction per
// request. Every server runs in a process of its own; load comes from this one,
// in short slices that take turns, so that whatever else the machine does hits
// all sides alike. The ratios are medians over the rounds.
//
//	go run ./bench/accept                        # empty database
//	go run ./bench/accept --stored 1000000       # with a million messages stored
//	go run ./bench/accept --rounds 3 --json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Stored   int           `help:"Messages to store before measuring." default:"0"`
	Conns    []int         `help:"Connections; may be given several times." default:"64,256"`
	Rounds   int           `help:"Rounds of slices for each number of connections." default:"7"`
	Slice    time.Duration `help:"How long one slice of load lasts." default:"2s"`
	Seconds  int           `help:"Bound on the whole run, filling included: no round is started after it." default:"900"`
	Database string        `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	Dir      string        `help:"Folder for the databases; default: a temporary one, removed afterwards."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
	Profile  string        `help:"Folder in which each server leaves its CPU profile, as NAME.pprof."`

	Role string `hidden:"" help:"null, naive or tideline: be that server."`
	Data string `hidden:"" help:"The database of --role."`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measure durable acceptance against a null handler and against one transaction per request."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := bench
	if o.Role != "" {
		run = serve
	}
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "accept:", err)
		os.Exit(1)
	}
}

// bench fills the databases, starts the servers and drives them in turns.
func bench(ctx context.Context, o *options) (err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tideline-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	databases := map[string]string{"tideline": o.Database, "naive": o.Database}
	if o.Database == "" {
		for name := range databases {
			databases[name] = filepath.Join(dir, name+".db")
		}
		if o.Stored > 0 {
			databases["empty"] = filepath.Join(dir, "empty.db")
		}
	}
	began := time.Now()
	until := began.Add(time.Duration(o.Seconds) * time.Second)
	filling, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	w, err := fill(filling, databases, o)
	if err != nil {
		return fmt.Errorf("fill the databases: %w", err)
	}
	if o.Stored > 0 {
		fmt.Fprintf(os.Stderr, "stored %d messages in %s\n", o.Stored, time.Since(began).Round(time.Second))
	}

	sides := make(map[string]*side)
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.stop())
		}
	}()
	databases["null"] = databases["tideline"]
	for name, database := range databases {
		if sides[name], err = start(ctx, name, database, o.Profile); err != nil {
			return fmt.Errorf("start the %s server: %w", name, err)
		}
	}
	var rows []row
	for i, conns := range o.Conns {
		// Each number of connections gets an equal share of the time that is left.
		end := time.Now().Add(time.Until(until) / time.Duration(len(o.Conns)-i))
		r, err := compare(ctx, sides, w, conns, o, end)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	return show(o, rows)
}

func show(o *options, rows []row) error {
	database := "SQLite"
	if o.Database != "" {
		database = "PostgreSQL"
	}
	if o.JSON {
		all := map[string]any{"bench": "accept", "database": database, "stored": o.Stored}
		for _, r := range rows {
			if err := report.Add(all, r, r.Connections); err != nil {
				return err
			}
		}
		return report.Write(os.Stdout, all)
	}
	fmt.Printf("durable POST /messages on %s, %d messages stored at the start; medians of slices of %s\n\n", database, o.Stored, o.Slice)
	for _, r := range rows {
		fmt.Printf("%d connections, %d rounds\n", r.Connections, r.Rounds)
		fmt.Printf("  requests/s          null %.0f   one transaction each %.0f   Tideline %.0f\n", r.NullRate, r.NaiveRate, r.DurableRate)
		goal := func(key string) string { return goals.Words("accept", fmt.Sprintf("%s_%d", key, r.Connections)) }
		line := func(name string, value float64, goal string) { fmt.Printf("  %-34s %8.3f   %s\n", name, value, goal) }
		line("durable / null", r.DurableOverNull, goal("durable_over_null"))
		line("durable / one transaction each", r.DurableOverNaive, goal("durable_over_naive"))
		line("p99 / p99 of null", r.P99OverNull, goal("p99_over_null"))
		line("commits per message", r.CommitsPerMessage, goal("commits_per_message"))
		line("KB written per message", r.BytesPerMessage/1000, goal("bytes_per_message"))
		if r.StoredOverEmpty > 0 {
			line("rate with stored / rate when empty", r.StoredOverEmpty, goal("stored_over_empty"))
		}
		line("CPU µs per request, null", r.NullCPU, "")
		line("CPU µs per request, durable", r.DurableCPU, "")
		line("p99 ms, durable", r.DurableP99, "")
		fmt.Println()
	}
	return nil
}
