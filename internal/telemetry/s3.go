package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// S3 counts what is asked of the service that files are kept in. It is an
// s3.Observer.
type S3 struct {
	attempts *prometheus.CounterVec
	failures *prometheus.CounterVec
	took     *prometheus.HistogramVec
}

// NewS3 makes an S3 and registers its metrics.
func NewS3(r prometheus.Registerer) *S3 {
	s := &S3{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "s3", Name: "attempts_total",
			Help: "Requests to S3 by operation (put, get, stat, delete, list) and outcome (ok, error); those that failed are repeated.",
		}, []string{"operation", "outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "s3", Name: "failures_total",
			Help: "Operations that failed after all their attempts.",
		}, []string{"operation"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "s3", Name: "attempt_seconds",
			Help:    "How long an attempt took; of get, until the bytes began to come.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"operation"}),
	}
	r.MustRegister(s.attempts, s.failures, s.took)
	// Series that don't exist yet can't be alerted on.
	for _, op := range []string{"put", "get", "stat", "delete", "list"} {
		s.attempts.WithLabelValues(op, "ok")
		s.attempts.WithLabelValues(op, "error")
		s.failures.WithLabelValues(op)
	}
	return s
}

// Attempted notes an attempt.
func (s *S3) Attempted(op string, ok bool, took time.Duration) {
	outcome := "ok"
	if !ok {
		outcome = "error"
	}
	s.attempts.WithLabelValues(op, outcome).Inc()
	s.took.WithLabelValues(op).Observe(took.Seconds())
}

// GaveUp notes an operation that failed after all its attempts.
func (s *S3) GaveUp(op string) { s.failures.WithLabelValues(op).Inc() }
