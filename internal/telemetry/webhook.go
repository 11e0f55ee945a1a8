package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Webhooks counts how attempts to deliver events end. It is a webhook.Observer.
type Webhooks struct {
	attempts *prometheus.CounterVec
	late     prometheus.Histogram
	took     prometheus.Histogram
}

// The outcomes of attempts, as the metric's label shows them.
const (
	attemptDelivered = "delivered"
	attemptRetry     = "retry" // the delivery keeps its place in line
	attemptAside     = "aside" // it is tried again by itself
	attemptDead      = "dead"
)

// NewWebhooks makes a Webhooks and registers its metrics.
func NewWebhooks(r prometheus.Registerer) *Webhooks {
	w := &Webhooks{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "attempts_total",
			Help: "Requests to webhooks, by what became of the delivery: delivered, retry, aside, dead.",
		}, []string{"outcome"}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "lateness_seconds",
			Help:    "How long after its event a delivery arrived.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600, 86400},
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "attempt_seconds",
			Help:    "How long a request to a webhook took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
	}
	r.MustRegister(w.attempts, w.late, w.took)
	// Series that don't exist yet can't be alerted on.
	for _, outcome := range []string{attemptDelivered, attemptRetry, attemptAside, attemptDead} {
		w.attempts.WithLabelValues(outcome)
	}
	return w
}

// Delivered notes a delivery that arrived.
func (w *Webhooks) Delivered(late, took time.Duration) {
	w.attempts.WithLabelValues(attemptDelivered).Inc()
	w.late.Observe(max(0, late).Seconds())
	w.took.Observe(took.Seconds())
}

// Failed notes an attempt that failed, and where that leaves the delivery.
func (w *Webhooks) Failed(state tideline.DeliveryState, took time.Duration) {
	outcome := attemptRetry
	switch state {
	case tideline.DeliveryAside:
		outcome = attemptAside
	case tideline.DeliveryDead:
		outcome = attemptDead
	}
	w.attempts.WithLabelValues(outcome).Inc()
	w.took.Observe(took.Seconds())
}

// backlogCollector asks for what is pending when metrics are fetched.
type backlogCollector struct {
	backlog         func(ctx context.Context) (pending int64, oldest time.Time, err error)
	pending, oldest *prometheus.Desc
}

// RegisterBacklog registers how many deliveries are pending and how old the
// oldest of them is; see store.Deliverer.
func RegisterBacklog(r prometheus.Registerer, backlog func(ctx context.Context) (pending int64, oldest time.Time, err error)) {
	r.MustRegister(&backlogCollector{
		backlog: backlog,
		pending: prometheus.NewDesc(prometheus.BuildFQName(namespace, "webhook", "pending"), "Deliveries that have not arrived and are not given up.", nil, nil),
		oldest:  prometheus.NewDesc(prometheus.BuildFQName(namespace, "webhook", "oldest_seconds"), "How long the oldest pending delivery has been there; 0 when there is none.", nil, nil),
	})
}

// Describe implements prometheus.Collector.
func (c *backlogCollector) Describe(out chan<- *prometheus.Desc) { out <- c.pending; out <- c.oldest }

// Collect implements prometheus.Collector.
func (c *backlogCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	pending, oldest, err := c.backlog(ctx)
	if err != nil {
		return // readiness says that storage is away; no figures are better than wrong ones
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, time.Since(oldest).Seconds())
	}
	out <- prometheus.MustNewConstMetric(c.pending, prometheus.GaugeValue, float64(pending))
	out <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age)
}
