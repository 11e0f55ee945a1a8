package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/goals"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/bench/internal/report"
)

// steadyResult is what --steady shows. Processor time is in cores: 1 is one core
// all the time.
type steadyResult struct {
	Accounts int     `json:"accounts"`
	Minutes  float64 `json:"minutes"`

	Asked       int   `json:"asked"`   // messages that programs asked for
	Written     int   `json:"written"` // and that people wrote
	Shown       int   `json:"shown"`   // by phones
	ShownTwice  int   `json:"shown_twice"`
	Resent      int   `json:"resent"` // went over the wire again
	Stored      int   `json:"stored"` // of those that people wrote
	StoredTwice int   `json:"stored_twice"`
	Receipts    int64 `json:"receipts"`
	Failed      int64 `json:"failed"`
	Retried     int64 `json:"retried"`
	LogLines    int64 `json:"log_errors"` // at level warning and above
	Wrong       int   `json:"wrong"`      // kinds of things that are not accounted for

	ServerCores   float64 `json:"server_cores"`
	ServerFirst   float64 `json:"server_cores_first_minute"`
	ServerLast    float64 `json:"server_cores_last_minute"`
	EmulatorCores float64 `json:"emulator_cores"`
	ProgramsCores float64 `json:"programs_cores"`
	CPUPerMessage float64 `json:"server_cpu_ms_per_message"` // either way, receipts included

	LatenessP50 float64 `json:"lateness_p50_ms"`
	LatenessP95 float64 `json:"lateness_p95_ms"`
	LatenessP99 float64 `json:"lateness_p99_ms"`
	LatenessMax float64 `json:"lateness_max_ms"`

	// In JSON by flat, a key for each number.
	RSS        memory             `json:"-"` // MiB
	Heap       memory             `json:"-"` // MiB, live
	Goroutines memory             `json:"-"`
	parts      map[string]float64 // cores
	byAccount  map[string]spread
}

// memory is a figure at rest, after the first minute and at the end.
type memory struct{ Idle, First, Last float64 }

// spread is a figure over the accounts.
type spread struct{ Min, Median, P95, Max float64 }

func spreadOf(accounts []node.Account, figure func(node.Account) float64) spread {
	all := make([]float64, len(accounts))
	for i, a := range accounts {
		all[i] = figure(a)
	}
	slices.Sort(all)
	at := func(q float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return all[int(q*float64(len(all)-1))]
	}
	return spread{at(0), at(0.5), at(0.95), at(1)}
}

// sumUp makes the result of what was seen, while the server still is.
func (w *steadyWorld) sumUp(ctx context.Context) (r steadyResult, err error) {
	end, err := w.node.State(ctx, true, true)
	if err != nil {
		return r, err
	}
	idle, first, last := w.samples[0], w.samples[1], w.samples[len(w.samples)-1]
	before := w.samples[len(w.samples)-2] // the last minute, or what there is of it
	cores := func(from, to sample, used func(sample) time.Duration) float64 {
		return (used(to) - used(from)).Seconds() / to.at.Sub(from.at).Seconds()
	}
	server := func(s sample) time.Duration { return s.CPU }
	messages := len(w.requests) + w.written.Messages
	r = steadyResult{
		Accounts: w.o.Accounts, Minutes: last.at.Sub(idle.at).Minutes(), Asked: len(w.requests), Written: w.written.Messages,
		Receipts: end.Receipts, Failed: end.Failed, Retried: end.Retried, LogLines: end.Errors,
		ServerCores: cores(idle, last, server), ServerFirst: cores(idle, first, server), ServerLast: cores(before, last, server),
		EmulatorCores: cores(idle, last, func(s sample) time.Duration { return s.emulator }),
		ProgramsCores: cores(idle, last, func(s sample) time.Duration { return s.programs }),
		CPUPerMessage: (end.CPU - idle.CPU).Seconds() * 1000 / float64(messages),
		LatenessP50:   end.Lateness.P50, LatenessP95: end.Lateness.P95, LatenessP99: end.Lateness.P99, LatenessMax: end.Lateness.Max,
		parts: map[string]float64{},
	}
	over := func(figure func(sample) float64) memory { return memory{figure(idle), figure(first), figure(last)} }
	r.RSS = over(func(s sample) float64 { return float64(s.RSS) / (1 << 20) })
	r.Heap = over(func(s sample) float64 { return float64(s.Heap) / (1 << 20) })
	r.Goroutines = over(func(s sample) float64 { return float64(s.Goroutines) })
	for name, share := range w.parts {
		r.parts[name] = share * r.ServerCores
	}
	// What the heap held at rest is shared by all accounts alike, and what it grew by
	// in proportion to the messages.
	growth := (r.Heap.Last - r.Heap.Idle) * 1024 / float64(messages)
	r.byAccount = map[string]spread{
		"busy_seconds": spreadOf(end.Accounts, func(a node.Account) float64 { return a.Busy.Seconds() }),
		"messages":     spreadOf(end.Accounts, func(a node.Account) float64 { return float64(a.Sent + a.Received) }),
		"late_ms":      spreadOf(end.Accounts, func(a node.Account) float64 { return a.Late.Seconds() * 1000 }),
		"latest_ms":    spreadOf(end.Accounts, func(a node.Account) float64 { return a.MostLate.Seconds() * 1000 }),
		"heap_kib": spreadOf(end.Accounts, func(a node.Account) float64 {
			return r.Heap.Idle*1024/float64(w.o.Accounts) + growth*float64(a.Sent+a.Received)
		}),
	}
	return r, nil
}

// flat gives the result as one JSON object.
func (r *steadyResult) flat() (map[string]any, error) {
	all := map[string]any{"bench": "steady"}
	if err := report.Add(all, *r, 0); err != nil {
		return nil, err
	}
	for name, m := range map[string]memory{"rss_mib": r.RSS, "heap_mib": r.Heap, "goroutines": r.Goroutines} {
		all[name+"_idle"], all[name+"_first_minute"], all[name+"_last_minute"] = m.Idle, m.First, m.Last
	}
	for name, cores := range r.parts {
		all["cores_"+strings.ReplaceAll(name, " ", "_")] = cores
	}
	for name, s := range r.byAccount {
		all["account_"+name+"_min"], all["account_"+name+"_median"] = s.Min, s.Median
		all["account_"+name+"_p95"], all["account_"+name+"_max"] = s.P95, s.Max
	}
	return all, nil
}

// show prints the result. One that never got anywhere is not shown.
func (r *steadyResult) show(o *options) error {
	if r.Asked == 0 {
		return nil
	}
	if o.JSON {
		all, err := r.flat()
		if err != nil {
			return err
		}
		return report.Write(os.Stdout, all)
	}
	fmt.Printf("%d accounts for %.1f minutes: a message out every %s, one in every %s\n", r.Accounts, r.Minutes, o.Every, o.Hear)
	line := func(name, format string, values ...any) {
		fmt.Printf("  %-48s %s\n", name, fmt.Sprintf(format, values...))
	}
	line("asked for; shown by phones; twice; resent", "%d; %d; %d; %d", r.Asked, r.Shown, r.ShownTwice, r.Resent)
	line("written by people; stored; twice", "%d; %d; %d", r.Written, r.Stored, r.StoredTwice)
	line("receipts; failed; retried; lines in the log", "%d; %d; %d; %d", r.Receipts, r.Failed, r.Retried, r.LogLines)
	line("lateness p50, p95, p99, max ms", "%.1f, %.1f, %.1f, %.0f   p99 %s", r.LatenessP50, r.LatenessP95, r.LatenessP99, r.LatenessMax, goals.Words("accounts", "lateness_p99_ms"))
	line("cores: server (first minute, last); ms a message", "%.2f (%.2f, %.2f); %.2f", r.ServerCores, r.ServerFirst, r.ServerLast, r.CPUPerMessage)
	for _, name := range slices.SortedFunc(maps.Keys(r.parts), func(a, b string) int { return int(1e6 * (r.parts[b] - r.parts[a])) }) {
		line("  "+name, "%.3f", r.parts[name])
	}
	line("cores: emulator; programs", "%.2f; %.2f", r.EmulatorCores, r.ProgramsCores)
	line("resident MiB: idle, first minute, last", "%.0f, %.0f, %.0f", r.RSS.Idle, r.RSS.First, r.RSS.Last)
	line("live heap MiB: idle, first minute, last", "%.1f, %.1f, %.1f", r.Heap.Idle, r.Heap.First, r.Heap.Last)
	line("goroutines: idle, first minute, last", "%.0f, %.0f, %.0f", r.Goroutines.Idle, r.Goroutines.First, r.Goroutines.Last)
	fmt.Printf("  by account: %36s %9s %9s %9s\n", "min", "median", "p95", "max")
	for _, f := range []struct{ key, name string }{
		{"busy_seconds", "busy, s (waiting included)"}, {"messages", "messages, both ways"}, {"late_ms", "lateness, mean, ms"},
		{"latest_ms", "lateness, most, ms"}, {"heap_kib", "heap, KiB (estimate)"},
	} {
		s := r.byAccount[f.key]
		fmt.Printf("    %-33s %10.2f %9.2f %9.2f %9.2f\n", f.name, s.Min, s.Median, s.P95, s.Max)
	}
	return nil
}
