package httpapi

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
)

// metrics counts requests by operation and outcome.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tideline_http_requests_total",
			Help: "Requests to the public API, by operation, status and error code.",
		}, []string{"operation", "status", "error_code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tideline_http_request_seconds",
			Help:    "Time taken to answer requests to the public API, by operation.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60},
		}, []string{"operation"}),
	}
	if registry != nil {
		registry.MustRegister(m.requests, m.seconds)
	}
	return m
}

// operationStats are one operation's metrics, with the labels looked up once.
type operationStats struct {
	requests *prometheus.CounterVec // curried with the operation
	seconds  prometheus.Observer
	counters sync.Map // outcomeKey → prometheus.Counter
}

type outcomeKey struct {
	status int
	code   apigen.ErrorCode
}

func (m *metrics) of(operation string) *operationStats {
	return &operationStats{
		requests: m.requests.MustCurryWith(prometheus.Labels{"operation": operation}),
		seconds:  m.seconds.WithLabelValues(operation),
	}
}

func (o *operationStats) observe(status int, code apigen.ErrorCode, took time.Duration) {
	key := outcomeKey{status, code}
	counter, ok := o.counters.Load(key)
	if !ok {
		counter, _ = o.counters.LoadOrStore(key, o.requests.WithLabelValues(strconv.Itoa(status), string(code)))
	}
	counter.(prometheus.Counter).Inc()
	o.seconds.Observe(took.Seconds())
}
