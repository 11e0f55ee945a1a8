package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"
)

// TestTheLogBeginsAnewWithoutWaitingForTheWriter has writers that never pause. The
// writer itself would copy the log only when it is far longer than in this test.
func TestTheLogBeginsAnewWithoutWaitingForTheWriter(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "tideline.db")
	s, acceptance := newWorld(t, database)
	db, err := openSQLite(database, false, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.checkpoints.close(); err != nil {
		t.Fatal(err)
	}
	s.checkpoints = startCheckpointer(db, slog.New(slog.DiscardHandler), 100, 4)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	anew := 0
	for i, before := 0, int64(0); anew < 3; i++ {
		if out := s.Accept(ctx, *acceptance(fmt.Sprintf("%d", i))); out.Err != nil {
			t.Fatal(out.Err)
		}
		pages, _, err := logPages(ctx, s.pool, "NOOP")
		if err != nil {
			t.Fatal(err)
		}
		if pages > 100*checkpointLate/checkpointPages*10 {
			t.Fatalf("the log has %d pages", pages)
		}
		if pages < before {
			anew++
		}
		before = pages
		if anew == 3 {
			assertQueue(t, s, i+1)
		}
	}
}
