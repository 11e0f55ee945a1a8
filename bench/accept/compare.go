package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/bench/internal/load"
	"github.com/tidelinehq/tideline/bench/internal/procstat"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

// row is the outcome for one number of connections. The keys follow the table
// of goals in docs/performance.md.
type row struct {
	Connections       int     `json:"-"` // the suffix of all keys
	Rounds            int     `json:"rounds"`
	NullRate          float64 `json:"null_per_second"`
	NaiveRate         float64 `json:"naive_per_second"`
	DurableRate       float64 `json:"durable_per_second"`
	DurableOverNull   float64 `json:"durable_over_null"`
	DurableOverNaive  float64 `json:"durable_over_naive"`
	P99OverNull       float64 `json:"p99_over_null"`
	CommitsPerMessage float64 `json:"commits_per_message"`
	BytesPerMessage   float64 `json:"bytes_per_message"`
	StoredOverEmpty   float64 `json:"stored_over_empty,omitzero"`
	NullCPU           float64 `json:"null_cpu_us"`
	DurableCPU        float64 `json:"durable_cpu_us"`
	DurableP99        float64 `json:"durable_p99_ms"`
}

// side is a server process.
type side struct {
	cmd  *exec.Cmd
	addr string
}

// start runs this program as a server and waits for its address.
func start(ctx context.Context, role, database, profile string) (*side, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &side{cmd: exec.CommandContext(ctx, self, "--role", role, "--data", database, "--profile", profile)}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("no address: %w", err)
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

func (s *side) stop() error {
	if s == nil || s.cmd.Process == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	return s.cmd.Wait()
}

// counters is what a server's process and store have counted.
type counters struct {
	stat  procstat.Stat
	store sqlstore.Stats
}

func (s *side) counters(ctx context.Context) (c counters, err error) {
	if c.stat, err = procstat.Read(s.cmd.Process.Pid); err != nil {
		return c, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/bench/stats", nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer func() { _ = res.Body.Close() }()
	return c, json.UnmarshalRead(res.Body, &c.store)
}

// slice is one side's share of a round.
type slice struct {
	load.Result
	cpu     time.Duration
	written int64
	commits int64
}

func (s *side) drive(ctx context.Context, conns int, d time.Duration, requests [][]byte) (slice, error) {
	before, err := s.counters(ctx)
	if err != nil {
		return slice{}, err
	}
	r, err := load.Run(ctx, s.addr, conns, d, requests)
	if err != nil {
		return slice{}, err
	}
	if r.Failed > 0 {
		return slice{}, fmt.Errorf("%d of %d requests failed: %s", r.Failed, r.Requests, r.Sample)
	}
	after, err := s.counters(ctx)
	if err != nil {
		return slice{}, err
	}
	return slice{
		Result: r, cpu: after.stat.CPU - before.stat.CPU,
		written: after.stat.Written - before.stat.Written,
		commits: after.store.Commits - before.store.Commits,
	}, nil
}

// compare drives all sides in turns, o.Rounds times or until end.
func compare(ctx context.Context, sides map[string]*side, w *workload, conns int, o *options, end time.Time) (row, error) {
	names := []string{"null", "naive", "tideline"}
	if sides["empty"] != nil {
		names = append(names, "empty")
	}
	for _, name := range names { // caches, connection pools and the runtime settle
		if _, err := sides[name].drive(ctx, conns, o.Slice/2, w.requests); err != nil {
			return row{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	got := make(map[string][]slice)
	r := row{Connections: conns}
	for range o.Rounds {
		if r.Rounds > 0 && time.Now().After(end) {
			break
		}
		for _, name := range names {
			s, err := sides[name].drive(ctx, conns, o.Slice, w.requests)
			if err != nil {
				return row{}, fmt.Errorf("%s: %w", name, err)
			}
			got[name] = append(got[name], s)
		}
		r.Rounds++
	}
	null, naive, durable := got["null"], got["naive"], got["tideline"]
	rate := func(s slice) float64 { return s.Rate() }
	p99 := func(s slice) float64 { return s.Quantile(0.99).Seconds() * 1000 }
	cpu := func(s slice) float64 { return float64(s.cpu.Microseconds()) / float64(s.Requests) }
	r.NullRate, r.NaiveRate, r.DurableRate = median(null, rate), median(naive, rate), median(durable, rate)
	r.DurableOverNull = ratio(durable, null, rate)
	r.DurableOverNaive = ratio(durable, naive, rate)
	r.P99OverNull = ratio(durable, null, p99)
	r.CommitsPerMessage = median(durable, func(s slice) float64 { return float64(s.commits) / float64(s.Requests) })
	// What null writes is its answers; the rest goes to the database.
	answers := median(null, func(s slice) float64 { return float64(s.written) / float64(s.Requests) })
	r.BytesPerMessage = median(durable, func(s slice) float64 { return float64(s.written) / float64(s.Requests) }) - answers
	r.NullCPU, r.DurableCPU, r.DurableP99 = median(null, cpu), median(durable, cpu), median(durable, p99)
	if empty := got["empty"]; empty != nil {
		r.StoredOverEmpty = ratio(durable, empty, rate)
	}
	return r, nil
}

// ratio is the median over the rounds of f(a)/f(b), each pair from one round.
func ratio(a, b []slice, f func(slice) float64) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = f(a[i]) / f(b[i])
	}
	return middle(all)
}

func median(s []slice, f func(slice) float64) float64 {
	all := make([]float64, len(s))
	for i := range s {
		all[i] = f(s[i])
	}
	return middle(all)
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
