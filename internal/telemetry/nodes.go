package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/cluster"
)

// Nodes tells of this server as one of several on a database.
type Nodes struct {
	node func() cluster.Stats
	bus  func() cluster.BusStats

	nodes, held, lease                  *prometheus.Desc
	claimed, released, expelled, lapses *prometheus.Desc
	signals, calls                      *prometheus.Desc
}

// NewNodes makes a Nodes and registers its metrics. Either function may be nil.
func NewNodes(r prometheus.Registerer, node func() cluster.Stats, bus func() cluster.BusStats) *Nodes {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "node", name), help, labels, nil)
	}
	n := &Nodes{
		node: node, bus: bus,
		nodes:    desc("nodes", "Servers that share the database, as this one saw them last."),
		held:     desc("accounts_held", "WhatsApp accounts that this server acts for."),
		lease:    desc("lease_left_seconds", "How long this server may act for its accounts without hearing from the database; 0 when it may not."),
		claimed:  desc("accounts_claimed_total", "Times that this server took over a WhatsApp account."),
		released: desc("accounts_released_total", "Times that this server gave a WhatsApp account back in order."),
		expelled: desc("expelled_total", "Servers that this one found dead."),
		lapses:   desc("lapses_total", "Times that this server gave up everything because its lease was over."),
		signals:  desc("signals_total", "Hints between servers.", "direction"),
		calls:    desc("calls_total", "Questions between servers.", "direction"),
	}
	r.MustRegister(n)
	return n
}

// Describe implements prometheus.Collector.
func (n *Nodes) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{n.nodes, n.held, n.lease, n.claimed, n.released, n.expelled, n.lapses, n.signals, n.calls} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (n *Nodes) Collect(out chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	if n.node != nil {
		s := n.node()
		put(n.nodes, prometheus.GaugeValue, float64(s.Nodes))
		put(n.held, prometheus.GaugeValue, float64(s.Held))
		put(n.lease, prometheus.GaugeValue, s.LeaseLeft.Seconds())
		put(n.claimed, prometheus.CounterValue, float64(s.Claimed))
		put(n.released, prometheus.CounterValue, float64(s.Released))
		put(n.expelled, prometheus.CounterValue, float64(s.Expelled))
		put(n.lapses, prometheus.CounterValue, float64(s.Lapses))
	}
	if n.bus != nil {
		s := n.bus()
		put(n.signals, prometheus.CounterValue, float64(s.Sent), "sent")
		put(n.signals, prometheus.CounterValue, float64(s.Received), "received")
		put(n.calls, prometheus.CounterValue, float64(s.Asked), "asked")
		put(n.calls, prometheus.CounterValue, float64(s.Served), "served")
	}
}
