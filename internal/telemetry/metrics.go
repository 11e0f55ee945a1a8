package telemetry

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// namespace starts the name of every metric of ours.
const namespace = "tideline"

// NewRegistry makes a registry with what the Go runtime and the process tell
// about themselves, and a constant that names the build.
func NewRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info", Help: "Always 1; its labels name the build.",
			ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
		}, func() float64 { return 1 }),
	)
	return r
}

// Outbox counts how messages end. It is an outbox.Observer.
type Outbox struct {
	settled *prometheus.CounterVec
	retried prometheus.Counter
	late    prometheus.Histogram
	took    prometheus.Histogram
}

// NewOutbox makes an Outbox and registers its metrics.
func NewOutbox(r prometheus.Registerer) *Outbox {
	o := &Outbox{
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "outbox", Name: "settled_total",
			Help: "Messages that left the outbox, by status and, when failed, reason.",
		}, []string{"status", "reason"}),
		retried: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "outbox", Name: "retries_total",
			Help: "Attempts to send that will be repeated.",
		}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "outbox", Name: "lateness_seconds",
			Help:    "How long after its due time a message's last attempt began.",
			Buckets: []float64{.001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300},
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "outbox", Name: "attempt_seconds",
			Help:    "How long a message's last attempt took, from its start to WhatsApp's acknowledgement.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}),
	}
	r.MustRegister(o.settled, o.retried, o.late, o.took)
	// Series that don't exist yet can't be alerted on.
	o.settled.WithLabelValues(string(tideline.StatusSent), "")
	return o
}

// Settled notes a message that ended.
func (o *Outbox) Settled(status tideline.Status, reason tideline.Reason, late, took time.Duration) {
	o.settled.WithLabelValues(string(status), string(reason)).Inc()
	o.late.Observe(max(0, late).Seconds())
	o.took.Observe(took.Seconds())
}

// Retried notes an attempt that will be repeated.
func (o *Outbox) Retried() { o.retried.Inc() }

// Sources are asked when metrics are fetched. Each may be nil.
type Sources struct {
	// Queue gives the messages in the outbox and those in flight.
	Queue func() (messages, inFlight int)
	// Accounts lists all accounts.
	Accounts func(ctx context.Context) ([]tideline.Account, error)
	// Pairings counts the pairings that wait for a phone.
	Pairings func() int
	// Commits gives the transactions committed, those that held acceptances, and
	// the messages accepted since the start.
	Commits func() (commits, batches, accepted int64)
	// Backup gives the instant whose state the latest backup holds; zero when none
	// was made.
	Backup func(ctx context.Context) (time.Time, error)
}

// askTimeout bounds a question to storage, so that a slow database shows as a
// missing series and not as a scrape that fails whole.
const askTimeout = 5 * time.Second

// Register registers what s can tell.
func (s Sources) Register(r prometheus.Registerer) { r.MustRegister(newSourceCollector(s)) }

type sourceCollector struct {
	s                          Sources
	queued, inFlight           *prometheus.Desc
	accounts, limited, paused  *prometheus.Desc
	pairings                   *prometheus.Desc
	commits, batches, accepted *prometheus.Desc
	backup                     *prometheus.Desc
}

func newSourceCollector(s Sources) *sourceCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &sourceCollector{
		s:        s,
		queued:   desc("outbox_messages", "Accepted messages that are not sent yet."),
		inFlight: desc("outbox_in_flight", "Messages that are being sent right now."),
		accounts: desc("accounts", "WhatsApp accounts by state.", "state"),
		limited:  desc("accounts_reach_out_limited", "WhatsApp accounts that may write to nobody new for now."),
		paused:   desc("lanes_paused", "WhatsApp accounts whose sending people paused."),
		pairings: desc("pairings", "Pairings that wait for a phone."),
		commits:  desc("store_commits_total", "Transactions committed."),
		batches:  desc("store_accept_batches_total", "Transactions that held at least one acceptance."),
		accepted: desc("messages_accepted_total", "Messages accepted."),
		backup:   desc("last_backup_timestamp_seconds", "The instant whose state the latest backup holds; 0 when none was made."),
	}
}

// Describe implements prometheus.Collector.
func (c *sourceCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.queued, c.inFlight, c.accounts, c.limited, c.paused, c.pairings, c.commits, c.batches, c.accepted, c.backup} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *sourceCollector) Collect(out chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	if c.s.Queue != nil {
		queued, inFlight := c.s.Queue()
		put(c.queued, prometheus.GaugeValue, float64(queued))
		put(c.inFlight, prometheus.GaugeValue, float64(inFlight))
	}
	if c.s.Commits != nil {
		commits, batches, accepted := c.s.Commits()
		put(c.commits, prometheus.CounterValue, float64(commits))
		put(c.batches, prometheus.CounterValue, float64(batches))
		put(c.accepted, prometheus.CounterValue, float64(accepted))
	}
	if c.s.Backup != nil {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		if at, err := c.s.Backup(ctx); err == nil {
			put(c.backup, prometheus.GaugeValue, unixSeconds(at))
		}
	}
	if c.s.Pairings != nil {
		put(c.pairings, prometheus.GaugeValue, float64(c.s.Pairings()))
	}
	if c.s.Accounts != nil {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		accounts, err := c.s.Accounts(ctx)
		if err != nil {
			return // readiness says that storage is away; no figures are better than wrong ones
		}
		count := map[tideline.AccountState]int{}
		for _, state := range accountStates() {
			count[state] = 0
		}
		limited, paused, now := 0, 0, time.Now()
		for _, a := range accounts {
			count[a.State]++
			if a.Hold.ReachOutLimited(now) {
				limited++
			}
			if a.Pause.Paused() {
				paused++
			}
		}
		put(c.limited, prometheus.GaugeValue, float64(limited))
		put(c.paused, prometheus.GaugeValue, float64(paused))
		for state, n := range count {
			put(c.accounts, prometheus.GaugeValue, float64(n), string(state))
		}
	}
}

func accountStates() []tideline.AccountState {
	return []tideline.AccountState{
		tideline.AccountConnecting, tideline.AccountActive, tideline.AccountDisconnected,
		tideline.AccountLoggedOut, tideline.AccountBanned, tideline.AccountOutdated,
	}
}

// unixSeconds is an instant as Prometheus has it; 0 for none.
func unixSeconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
