package telemetry

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// maxAccountSeries bounds the accounts that have series of their own. What
// further ones do is counted together, under the account "other".
const maxAccountSeries = 5000

// Accounts counts what each account brings and costs. It is an account.Observer
// and an outbox.AccountObserver.
type Accounts struct {
	events, messages, busy, last *prometheus.Desc

	mu    sync.Mutex
	of    map[int64]*accountCounts
	other accountCounts
}

// accountCounts are one account's figures since the start.
type accountCounts struct {
	states, receipts, received uint64
	sent, failed               uint64
	busy                       time.Duration
	last                       time.Time // of the last news; zero = none yet
}

// NewAccounts makes an Accounts and registers its metrics.
func NewAccounts(r prometheus.Registerer) *Accounts {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "account", name), help, append([]string{"account"}, labels...), nil)
	}
	a := &Accounts{
		events:   desc("events_total", "News from WhatsApp for an account: changes of state, receipts, messages.", "kind"),
		messages: desc("messages_total", "Messages of an account that left the outbox, by status.", "status"),
		busy:     desc("busy_seconds_total", "Time that handling an account's news and sends took: what it costs, waiting included."),
		last:     desc("last_event_timestamp_seconds", "When WhatsApp was last heard of for an account, as Unix time."),
		of:       make(map[int64]*accountCounts),
	}
	r.MustRegister(a)
	return a
}

// Heard implements account.Observer.
func (a *Accounts) Heard(accountID int64, kind account.Event, took time.Duration) {
	a.note(accountID, func(c *accountCounts) {
		switch kind {
		case account.EventState:
			c.states++
		case account.EventReceipt:
			c.receipts++
		case account.EventMessage:
			c.received++
		}
		c.busy += took
		c.last = time.Now()
	})
}

// Ended implements outbox.AccountObserver.
func (a *Accounts) Ended(accountID int64, status tideline.Status, took time.Duration) {
	a.note(accountID, func(c *accountCounts) {
		if status == tideline.StatusFailed {
			c.failed++
		} else {
			c.sent++
		}
		c.busy += took
	})
}

// Forget implements account.Observer: the account's series end.
func (a *Accounts) Forget(accountID int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.of, accountID)
}

func (a *Accounts) note(accountID int64, change func(*accountCounts)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.of[accountID]
	switch {
	case c != nil:
	case len(a.of) < maxAccountSeries:
		c = new(accountCounts)
		a.of[accountID] = c
	default:
		c = &a.other
	}
	change(c)
}

// Describe implements prometheus.Collector.
func (a *Accounts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{a.events, a.messages, a.busy, a.last} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (a *Accounts) Collect(out chan<- prometheus.Metric) {
	a.mu.Lock()
	all := make(map[string]accountCounts, len(a.of)+1)
	for id, c := range a.of {
		all[strconv.FormatInt(id, 10)] = *c
	}
	if a.other != (accountCounts{}) {
		all["other"] = a.other
	}
	a.mu.Unlock()
	for id, c := range all {
		count := func(d *prometheus.Desc, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{id}, labels...)...)
		}
		count(a.events, float64(c.states), string(account.EventState))
		count(a.events, float64(c.receipts), string(account.EventReceipt))
		count(a.events, float64(c.received), string(account.EventMessage))
		count(a.messages, float64(c.sent), string(tideline.StatusSent))
		count(a.messages, float64(c.failed), string(tideline.StatusFailed))
		count(a.busy, c.busy.Seconds())
		if !c.last.IsZero() {
			out <- prometheus.MustNewConstMetric(a.last, prometheus.GaugeValue, float64(c.last.UnixMilli())/1000, id)
		}
	}
}
