package sqlstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// BenchmarkDeliver measures what storage does for a delivery of 1 KB: it is
// fanned out in pages of 200, read, and its outcome stored by one of 64 callers.
// The event itself is not in it.
func BenchmarkDeliver(b *testing.B) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		b.Run(dialect, func(b *testing.B) {
			database := filepath.Join(b.TempDir(), "tideline.db")
			if dialect == "postgres" {
				database = testenv.PostgreSQL(b)
			}
			benchmarkDeliver(b, database)
		})
	}
}

func benchmarkDeliver(b *testing.B, database string) {
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	accounts, _ := benchWorld(b, s)
	ws := accounts[0].WorkspaceID
	h, _, err := s.PutWebhook(ctx, tideline.Webhook{WorkspaceID: ws, EventType: tideline.EventMessageNew, URL: "https://example.com", Enabled: true}, -1)
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(strings.Repeat("0123456789abcdef", 64))
	stats, cpu, written := s.Stats(), cpuTime(b), bytesWritten()
	b.ResetTimer()
	outcomes := make(chan store.Delivery)
	var wg sync.WaitGroup
	var serial atomic.Int64
	for range 64 {
		wg.Go(func() {
			for d := range outcomes {
				now := time.UnixMicro(serial.Add(1))
				errs := s.PutOutcomes(ctx, []store.Outcome{{WorkspaceID: ws, WebhookID: h.ID, DeliveryID: d.ID, State: tideline.DeliveryDelivered, At: now,
					Attempt: &store.Attempt{At: now, Duration: time.Millisecond, StatusCode: 200, Request: "webhook-id: " + d.EventUID, Response: "ok"}}})
				if errs[0] != nil {
					b.Error(errs[0])
				}
			}
		})
	}
	for done := 0; done < b.N; {
		n := min(200, b.N-done)
		put := store.Deliveries{}
		for i := range n {
			put.Bodies = append(put.Bodies, body)
			put.Rows = append(put.Rows, store.NewDelivery{WorkspaceID: ws, WebhookID: h.ID, EventID: int64(done + i + 1),
				EventUID: fmt.Sprintf("019a-%032d", done+i), ChatID: int64(i % 50), Body: i, EventAt: time.UnixMilli(1)})
		}
		if _, err := s.PutDeliveries(ctx, store.EventPage{From: int64(done), To: int64(done + n)}, put, time.UnixMilli(1)); err != nil {
			b.Fatal(err)
		}
		page, err := s.WaitingDeliveries(ctx, ws, h.ID, 0, 200)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range page {
			if d.EventID > int64(done) { // the others are with a caller already
				outcomes <- d
			}
		}
		done += n
	}
	close(outcomes)
	wg.Wait()
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/n, "cpu-us/op")
	b.ReportMetric(float64(bytesWritten()-written)/n, "written-B/op")
	b.ReportMetric(n/float64(s.Stats().Commits-stats.Commits), "deliveries/commit")
}
