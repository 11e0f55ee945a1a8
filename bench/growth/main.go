// Command growth lets a workspace send for a simulated year and more while messages
// are kept for a tenth of that, and shows that neither the database's size nor the
// cost of accepting a message grows once the first period is over, and how long
// acceptances wait while old messages are deleted.
//
//	go run ./bench/growth                            # SQLite, 12 turns of 20,000 messages
//	go run ./bench/growth --messages 100000 --seconds 600 --json
//	go run ./bench/growth --database postgres://user@127.0.0.1/empty_database
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

	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Turns    int    `help:"Periods, of a tenth of a year each." default:"12"`
	Messages int    `help:"Messages sent in each." default:"20000"`
	Chats    int    `help:"Chats they go to." default:"500"`
	Workers  int    `help:"Callers at the same time." default:"64"`
	Seconds  int    `help:"Bound on the whole run." default:"300"`
	Database string `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	JSON     bool   `name:"json" help:"Print one JSON object."`
}

// goals: what the last turn may be of the third, by which time the first messages
// have been deleted.
const (
	goalSize = 1.15 // at most
	goalRate = 0.8  // at least
)

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measure whether a database stops growing when messages are kept for a limited time."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Seconds)*time.Second)
	defer cancel()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

// settled is the turn that later ones are compared with.
const settled = 3

func run(ctx context.Context, o *options) (err error) {
	if o.Turns <= settled {
		return fmt.Errorf("--turns %d is too few: use more than %d", o.Turns, settled)
	}
	dir, err := os.MkdirTemp("", "tideline-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	database := o.Database
	if database == "" {
		database = filepath.Join(dir, "tideline.db")
	}
	w, err := open(ctx, database, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if !o.JSON {
		fmt.Printf("%4s %9s %9s %12s %12s %12s %12s %10s\n", "turn", "MB", "stored", "accepted/s", "p99 quiet", "p99 deleting", "piece", "deleted")
	}
	var turns []turn
	for i := range o.Turns {
		t, err := w.turn(ctx, i)
		if err != nil {
			if ctx.Err() != nil && len(turns) > settled {
				break // as far as it came
			}
			return err
		}
		turns = append(turns, t)
		if !o.JSON {
			fmt.Printf("%4d %9.1f %9d %12.0f %12s %12s %12s %10d\n", i+1, t.megabytes, t.stored, t.rate,
				t.p99Quiet.Round(10*time.Microsecond), t.p99Deleting.Round(10*time.Microsecond), t.piece.Round(10*time.Microsecond), t.deleted)
		}
	}
	return w.conclude(ctx, o, turns)
}

// conclude compares the last turn with the third, and audits the ledger.
func (w *world) conclude(ctx context.Context, o *options, turns []turn) error {
	if len(turns) <= settled {
		return errors.New("the time was too short to compare turns: raise --seconds, or lower --messages")
	}
	first, last := turns[settled-1], turns[len(turns)-1]
	size, rate := last.megabytes/first.megabytes, median(turns[len(turns)-3:])/median(turns[:settled])
	faults, err := w.store.AuditLedger(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if o.JSON {
		return report.Write(os.Stdout, map[string]any{
			"bench": "growth", "turns": len(turns), "messages": o.Messages, "size_last_over_third": size, "rate_last_over_first": rate,
			"megabytes": last.megabytes, "p99_ms": last.p99.Seconds() * 1000, "p99_quiet_ms": last.p99Quiet.Seconds() * 1000, "p99_deleting_ms": last.p99Deleting.Seconds() * 1000,
			"max_deleting_ms": last.maxDeleting.Seconds() * 1000, "piece_ms": last.piece.Seconds() * 1000, "deleted": last.deleted, "ledger_faults": len(faults),
		})
	}
	fmt.Printf("\nsize, last turn ÷ third: %.2f (goal at most %.2f)\nrate, last three turns ÷ first three: %.2f (goal at least %.2f)\nfaults in the ledger: %d\n",
		size, goalSize, rate, goalRate, len(faults))
	if size > goalSize || rate < goalRate || len(faults) > 0 {
		return errors.New("a goal was missed")
	}
	return nil
}
