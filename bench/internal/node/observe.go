package node

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/bench/internal/histogram"
	"github.com/tidelinehq/tideline/bench/internal/procstat"
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// sends observes the outbox and the accounts: it passes all on to the product's
// own metrics and adds what those tell too coarsely.
type sends struct {
	*telemetry.Accounts
	total *telemetry.Outbox

	recording atomic.Bool
	lateness  histogram.Histogram
	failed    atomic.Int64
	sent      atomic.Int64
	retried   atomic.Int64
	received  atomic.Int64
	receipts  atomic.Int64

	mu   sync.Mutex
	late map[int64]*lateness
}

// lateness is how late an account's sends were.
type lateness struct {
	n         int
	sum, most time.Duration
}

func newSends(r prometheus.Registerer) *sends {
	return &sends{Accounts: telemetry.NewAccounts(r), total: telemetry.NewOutbox(r), late: map[int64]*lateness{}}
}

// outbox is the part that implements outbox.Observer.
type outboxObserver struct{ *sends }

// Settled implements outbox.Observer.
func (o outboxObserver) Settled(status tideline.Status, reason tideline.Reason, late, took time.Duration) {
	o.total.Settled(status, reason, late, took)
	if status == tideline.StatusFailed {
		o.failed.Add(1)
	} else {
		o.sent.Add(1)
	}
	if o.recording.Load() {
		o.lateness.Add(late)
	}
}

// Retried implements outbox.Observer.
func (o outboxObserver) Retried() {
	o.total.Retried()
	o.retried.Add(1)
}

// Heard implements account.Observer.
func (s *sends) Heard(accountID int64, kind account.Event, took time.Duration) {
	s.Accounts.Heard(accountID, kind, took)
	switch kind {
	case account.EventMessage:
		s.received.Add(1)
	case account.EventReceipt:
		s.receipts.Add(1)
	}
}

// Late implements outbox.LatenessObserver.
func (s *sends) Late(accountID int64, late time.Duration) {
	if !s.recording.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.late[accountID]
	if l == nil {
		l = &lateness{}
		s.late[accountID] = l
	}
	l.n++
	l.sum += late
	l.most = max(l.most, late)
}

// deliveries observes webhooks likewise.
type deliveries struct {
	*telemetry.Webhooks
	sends *sends
	late  histogram.Histogram
}

// Delivered implements webhook.Observer.
func (d *deliveries) Delivered(late, took time.Duration) {
	d.Webhooks.Delivered(late, took)
	if d.sends.recording.Load() {
		d.late.Add(late)
	}
}

// complaints counts what the log says at level warning and above, and passes it on.
type complaints struct {
	slog.Handler
	n *atomic.Int64
}

// Handle implements slog.Handler.
func (c complaints) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		c.n.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c complaints) WithAttrs(a []slog.Attr) slog.Handler {
	return complaints{c.Handler.WithAttrs(a), c.n}
}

// WithGroup implements slog.Handler.
func (c complaints) WithGroup(name string) slog.Handler {
	return complaints{c.Handler.WithGroup(name), c.n}
}

// state looks at this process.
func (s *server) state(ctx context.Context, collect, accounts bool) (State, error) {
	if collect {
		// The first one finishes what is under way; pools are empty after the second.
		runtime.GC()
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	st, err := procstat.Read(os.Getpid())
	if err != nil {
		return State{}, err
	}
	gc := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(gc)
	got := State{
		Heap: int64(m.HeapAlloc), RSS: st.RSS, CPU: st.CPU, GC: time.Duration(gc[0].Value.Float64() * float64(time.Second)), Goroutines: runtime.NumGoroutine(),
		Lateness: s.sends.lateness.Spread(), Delivery: s.deliveries.late.Spread(),
		Sent: s.sends.sent.Load(), Failed: s.sends.failed.Load(), Retried: s.sends.retried.Load(),
		Received: s.sends.received.Load(), Receipts: s.sends.receipts.Load(), Errors: s.complaints.Load(),
	}
	got.Queued, _ = s.queue.Queued()
	all, err := s.store.AllAccounts(ctx)
	if err != nil {
		return got, err
	}
	for _, a := range all {
		if a.State == tideline.AccountActive {
			got.Active++
		}
	}
	if accounts {
		got.Accounts, err = s.byAccount()
	}
	return got, err
}

// byAccount reads the product's metrics of accounts.
func (s *server) byAccount() ([]Account, error) {
	families, err := s.metrics.Gather()
	if err != nil {
		return nil, err
	}
	of := map[string]*Account{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			id := labels["account"]
			if id == "" {
				continue
			}
			if of[id] == nil {
				of[id] = &Account{ID: id}
			}
			a, v := of[id], m.GetCounter().GetValue()
			switch f.GetName() {
			case "tideline_account_busy_seconds_total":
				a.Busy = time.Duration(v * float64(time.Second))
			case "tideline_account_messages_total":
				if labels["status"] == string(tideline.StatusFailed) {
					a.Failed = int64(v)
				} else {
					a.Sent = int64(v)
				}
			case "tideline_account_events_total":
				if labels["kind"] == string(account.EventMessage) {
					a.Received = int64(v)
				}
			}
		}
	}
	s.sends.mu.Lock()
	defer s.sends.mu.Unlock()
	for id, l := range s.sends.late {
		if a := of[strconv.FormatInt(id, 10)]; a != nil && l.n > 0 {
			a.Late, a.MostLate = l.sum/time.Duration(l.n), l.most
		}
	}
	list := make([]Account, 0, len(of))
	for _, a := range of {
		list = append(list, *a)
	}
	return list, nil
}
