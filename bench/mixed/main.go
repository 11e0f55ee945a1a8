// Command mixed measures one server while it does everything at once: programs ask
// for messages over HTTP at a constant rate, accounts send at their gap over the
// emulated network, phones answer with receipts, people write, a webhook hears of
// it, and inbox pages are open that fetch what changed.
//
// Requests come at their times whether or not the server keeps up, and their
// latency counts from then. The rate is half of what the server accepts under the
// same load when 64 connections ask as fast as they can. Slices take turns with
// slices of the same requests to a handler that does nothing, in a process of its
// own, beside the same background.
//
//	go run ./bench/mixed
//	go run ./bench/mixed --rounds 2 --slice 3s --json
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

type options struct {
	Accounts  int           `help:"Accounts to pair." default:"50"`
	Customers int           `help:"Phones of customers, whom every account writes to." default:"40"`
	Pages     int           `help:"Inbox pages that are open." default:"10"`
	People    float64       `help:"Messages a second that people write." default:"50"`
	Rate      float64       `help:"Requests a second; 0 = half of what the server accepts at most."`
	Conns     int           `help:"Connections that requests are made over." default:"64"`
	Rounds    int           `help:"Rounds of a slice of requests to Tideline and one to the null handler." default:"6"`
	Slice     time.Duration `help:"How long a slice is." default:"5s"`
	Seconds   int           `help:"Bound on the whole run." default:"300"`
	Database  string        `help:"PostgreSQL URL of an empty database to use instead of SQLite; it is filled and not cleaned up."`
	JSON      bool          `name:"json" help:"Print one JSON object."`
}

// result is what a run showed. Times are milliseconds.
type result struct {
	Accounts int `json:"accounts"`
	Pages    int `json:"pages"`
	Rounds   int `json:"rounds"`

	MostPerSecond float64 `json:"accept_most_per_second"` // 64 connections without a pause
	PerSecond     float64 `json:"accept_per_second"`
	AcceptP50     float64 `json:"accept_p50_ms"` // of all slices, as the next two
	AcceptP95     float64 `json:"accept_p95_ms"`
	AcceptP99     float64 `json:"accept_p99_ms"`
	NullP99       float64 `json:"null_p99_ms"`
	P99OverNull   float64 `json:"accept_p99_over_null"` // median of the rounds

	// The rest is of the slices of requests to Tideline.
	Sends       int     `json:"sends"`
	LatenessP50 float64 `json:"lateness_p50_ms"`
	LatenessP99 float64 `json:"lateness_p99_ms"`
	LatenessMax float64 `json:"lateness_max_ms"`
	Deliveries  int     `json:"deliveries"`
	DeliveryP50 float64 `json:"event_to_delivery_p50_ms"`
	DeliveryP95 float64 `json:"event_to_delivery_p95_ms"`
	DeliveryP99 float64 `json:"event_to_delivery_p99_ms"`
	Lists       int     `json:"lists"` // fetched by pages
	ListP50     float64 `json:"list_p50_ms"`
	ListP95     float64 `json:"list_p95_ms"`
	OnPages     int     `json:"on_pages"` // messages of the chats that pages have open
	OnPageP50   float64 `json:"written_to_page_p50_ms"`
	OnPageP95   float64 `json:"written_to_page_p95_ms"`

	Receipts    int64   `json:"receipts"`
	Received    int64   `json:"received"`
	Failed      int64   `json:"failed"`     // messages
	LogLines    int64   `json:"log_errors"` // at level warning and above
	ServerCPU   float64 `json:"server_cores"`
	EmulatorCPU float64 `json:"emulator_cores"`
}

func main() {
	roles := child.Roles{network.Role: network.Serve, node.Role: node.Serve, nullRole: serveNull}
	if asked, err := roles.Play(); asked {
		exit(err)
	}
	var o options
	kong.Parse(&o, kong.Description("Measure one server under everything at once."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Seconds)*time.Second)
	defer cancel()
	r, err := measure(ctx, &o)
	if err == nil {
		err = show(&o, &r)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "mixed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func show(o *options, r *result) error {
	kind := "SQLite"
	if o.Database != "" {
		kind = "PostgreSQL"
	}
	if o.JSON {
		all := map[string]any{"bench": "mixed", "database": kind}
		if err := report.Add(all, *r, 0); err != nil {
			return err
		}
		return report.Write(os.Stdout, all)
	}
	fmt.Printf("everything at once on %s: %d accounts, %d open pages, %g messages a second from people\n\n", kind, r.Accounts, r.Pages, o.People)
	goal := func(key string) string { return goals.Words("mixed", key) }
	line := func(name, format string, values ...any) {
		fmt.Printf("  %-46s %s\n", name, fmt.Sprintf(format, values...))
	}
	line("accepted a second, at most; half of it", "%.0f; %.0f", r.MostPerSecond, r.PerSecond)
	line("accept p50, p95, p99 ms", "%.1f, %.1f, %.1f", r.AcceptP50, r.AcceptP95, r.AcceptP99)
	line("p99 ms of the null handler; p99 / p99 of null", "%.1f; %.2f   %s", r.NullP99, r.P99OverNull, goal("accept_p99_over_null"))
	line("lateness of sends p50, p99, max ms", "%.1f, %.1f, %.1f (%d)   p99 %s", r.LatenessP50, r.LatenessP99, r.LatenessMax, r.Sends, goal("lateness_p99_ms"))
	line("event to delivery p50, p95, p99 ms", "%.1f, %.1f, %.1f (%d)   p95 %s", r.DeliveryP50, r.DeliveryP95, r.DeliveryP99, r.Deliveries, goal("event_to_delivery_p95_ms"))
	line("list of an open page p50, p95 ms", "%.1f, %.1f (%d)   p95 %s", r.ListP50, r.ListP95, r.Lists, goal("list_p95_ms"))
	line("written by a customer to on a page p50, p95 ms", "%.0f, %.0f (%d)   p95 %s", r.OnPageP50, r.OnPageP95, r.OnPages, goal("written_to_page_p95_ms"))
	line("receipts; received; failed; lines in the log", "%d; %d; %d; %d", r.Receipts, r.Received, r.Failed, r.LogLines)
	line("cores: server; emulator", "%.2f; %.2f", r.ServerCPU, r.EmulatorCPU)
	return nil
}
