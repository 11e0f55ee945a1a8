// Command webhooks measures delivery: durable deliveries, from the log of events
// over fan-out, signature, POST and the stored outcome, against signed POSTs that
// nothing remembers. Both use the same guarded client, the same number of
// requests at a time, and the same receiver, which runs in a process of its own.
// They take turns, so that whatever else the machine does hits both; the ratio is
// a median over the rounds. Then events come at a steady rate, and the time from
// an event to its arrival is measured.
//
//	go run ./bench/webhooks
//	go run ./bench/webhooks --rounds 3 --events 2000 --json
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Events   int           `help:"Deliveries of a round." default:"5000"`
	Rounds   int           `help:"Rounds; a round is deliveries and as many POSTs." default:"5"`
	Chats    int           `help:"Chats that the events are of; the deliveries of a chat go one after the other." default:"200"`
	Webhooks int           `help:"Webhooks that each event goes to." default:"1"`
	Parallel int           `help:"Requests at a time, on either side; shared by the webhooks." default:"16"`
	Rate     int           `help:"Events per second when the time to arrival is measured." default:"200"`
	Steady   time.Duration `help:"How long that takes." default:"5s"`
	Seconds  int           `help:"Bound on the whole run." default:"180"`
	Database string        `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	JSON     bool          `name:"json" help:"Print one JSON object."`
	Profile  string        `help:"File in which to leave the CPU profile of the rounds of deliveries."`

	Role string `hidden:"" help:"receiver: be the receiver."`
}

// result is what a run showed.
type result struct {
	Rounds         int     `json:"rounds"`
	RawRate        float64 `json:"raw_posts_per_second"`
	DurableRate    float64 `json:"durable_deliveries_per_second"`
	DurableOverRaw float64 `json:"durable_over_raw"`
	RawCPU         float64 `json:"cpu_us_per_post"`     // without the receiver's
	DurableCPU     float64 `json:"cpu_us_per_delivery"` // without the receiver's and PostgreSQL's
	LatenessP50    float64 `json:"event_to_delivery_p50_ms"`
	LatenessP95    float64 `json:"event_to_delivery_p95_ms"`
	LatenessP99    float64 `json:"event_to_delivery_p99_ms"`
	Measured       int     `json:"event_to_delivery_events"`
}

func main() {
	var o options
	kong.Parse(&o, kong.Description("Measure durable deliveries against signed POSTs."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := bench
	if o.Role == "receiver" {
		run = receive
	}
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "webhooks:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o *options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Seconds)*time.Second)
	defer cancel()
	database := o.Database
	if database == "" {
		dir, err := os.MkdirTemp("", "tideline-bench-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		database = filepath.Join(dir, "tideline.db")
	}
	url, stop, err := startReceiver(ctx)
	if err != nil {
		return err
	}
	defer stop()
	w, err := openWorld(ctx, database, url, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.store.Close()) }()

	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		w.profile = f
	}
	var r result
	var raw, durable, ratios, rawCPU, durableCPU []float64
	for range o.Rounds {
		posts, postCPU, err := w.raw(ctx)
		if err != nil {
			return err
		}
		deliveries, deliveryCPU, err := w.durable(ctx)
		if err != nil {
			return err
		}
		raw, durable, ratios = append(raw, posts), append(durable, deliveries), append(ratios, deliveries/posts)
		rawCPU, durableCPU = append(rawCPU, postCPU), append(durableCPU, deliveryCPU)
		r.Rounds++
	}
	r.RawRate, r.DurableRate, r.DurableOverRaw = median(raw), median(durable), median(ratios)
	r.RawCPU, r.DurableCPU = median(rawCPU), median(durableCPU)
	late, err := w.steady(ctx)
	if err != nil {
		return err
	}
	r.Measured = len(late)
	r.LatenessP50, r.LatenessP95, r.LatenessP99 = quantile(late, 0.5), quantile(late, 0.95), quantile(late, 0.99)
	return show(o, &r)
}

func show(o *options, r *result) error {
	kind := "SQLite"
	if o.Database != "" {
		kind = "PostgreSQL"
	}
	if o.JSON {
		all := map[string]any{"bench": "webhooks", "database": kind, "webhooks": o.Webhooks}
		if err := report.Add(all, *r, 0); err != nil {
			return err
		}
		return report.Write(os.Stdout, all)
	}
	fmt.Printf("deliveries on %s: medians of %d rounds of %d to %d webhooks, %d chats, %d requests at a time\n\n", kind, r.Rounds, o.Events, o.Webhooks, o.Chats, o.Parallel)
	fmt.Printf("  signed POSTs/s %.0f   durable deliveries/s %.0f\n", r.RawRate, r.DurableRate)
	fmt.Printf("  durable / raw                 %8.3f   %s\n", r.DurableOverRaw, goals.Words("webhooks", "durable_over_raw"))
	fmt.Printf("  CPU of the sender, us: %.0f per POST   %.0f per delivery\n", r.RawCPU, r.DurableCPU)
	fmt.Printf("  event to delivery p50, p95, p99 ms at %d/s   %.1f   %.1f   %.1f   p95 %s\n", o.Rate, r.LatenessP50, r.LatenessP95, r.LatenessP99, goals.Words("webhooks", "event_to_delivery_p95_ms"))
	return nil
}

// cpuTime is the processor time that this process took so far, which the receiver
// does not count in.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// quantile gives a duration in milliseconds; sorted is in ascending order.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))]) / 1e6
}
