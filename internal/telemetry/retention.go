package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Retention counts what is deleted because of its age. It is a retention.Observer.
type Retention struct {
	messages, rows, files, bytes, archived, packed prometheus.Counter
	oldest                                         *prometheus.GaugeVec
	last, took                                     prometheus.Gauge
}

// NewRetention makes a Retention and registers its metrics.
func NewRetention(r prometheus.Registerer) *Retention {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: "retention", Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "retention", Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	t := &Retention{
		messages: counter("deleted_messages_total", "Messages that were deleted because of their age."),
		rows:     counter("deleted_rows_total", "Rows that went with them, those of the ledger included."),
		files:    counter("deleted_files_total", "Files that were deleted because nothing used them any more."),
		bytes:    counter("deleted_file_bytes_total", "Bytes of these files."),
		archived: counter("archived_messages_total", "Messages that were written to the archive."),
		packed:   counter("archived_bytes_total", "Bytes of the archive's parts, compressed, without files."),
		last:     gauge("last_sweep_timestamp_seconds", "When the last sweep that went through everything began."),
		took:     gauge("last_sweep_seconds", "How long it took."),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "retention", Name: "oldest_message_timestamp_seconds",
			Help: "The time of the oldest message of a workspace that has a limit.",
		}, []string{"workspace"}),
	}
	r.MustRegister(t.oldest)
	return t
}

// Dropped notes deleted messages and the rows that went with them.
func (t *Retention) Dropped(messages, rows int64) {
	t.messages.Add(float64(messages))
	t.rows.Add(float64(rows))
}

// DroppedFiles notes deleted files and their bytes.
func (t *Retention) DroppedFiles(files, bytes int64) {
	t.files.Add(float64(files))
	t.bytes.Add(float64(bytes))
}

// Archived notes a part of the archive that is durable.
func (t *Retention) Archived(messages int, bytes int64) {
	t.archived.Add(float64(messages))
	t.packed.Add(float64(bytes))
}

// Oldest notes the time of the oldest message that a workspace has; zero = none.
func (t *Retention) Oldest(workspace string, at time.Time) {
	if at.IsZero() {
		t.oldest.DeleteLabelValues(workspace)
		return
	}
	t.oldest.WithLabelValues(workspace).Set(float64(at.Unix()))
}

// Swept notes a sweep that went through everything.
func (t *Retention) Swept(at time.Time, took time.Duration) {
	t.last.Set(float64(at.Unix()))
	t.took.Set(took.Seconds())
}
