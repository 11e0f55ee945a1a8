package sqlstore

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/testenv"
)

func claimDatabases(t *testing.T, test func(t *testing.T, o Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, Options{Database: filepath.Join(t.TempDir(), "t.db")})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Options{Database: testenv.PostgreSQL(t)})
	})
}

func TestClaimIsForOneServer(t *testing.T) {
	t.Parallel()
	claimDatabases(t, func(t *testing.T, o Options) {
		first, err := TakeClaim(t.Context(), o, "process 7 on box", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, err = TakeClaim(t.Context(), o, "process 8 on box", 0)
		if !errors.Is(err, ErrClaimed) {
			t.Errorf("second claim: %v, want ErrClaimed", err)
		}
		if dialectOf(o.Database) == dialectPostgres && !strings.Contains(err.Error(), "process 7 on box") {
			t.Errorf("the refusal doesn't say who has it: %v", err)
		}
		if err := first.Release(); err != nil {
			t.Fatal(err)
		}
		second, err := TakeClaim(t.Context(), o, "process 8 on box", 10*time.Second)
		if err != nil {
			t.Fatalf("after the release: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := errors.Join(second.Run(ctx), second.Release()); err != nil {
			t.Error(err)
		}
	})
}

func TestKindIsForGood(t *testing.T) {
	t.Parallel()
	claimDatabases(t, func(t *testing.T, o Options) {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, want := range []string{"sandbox", "production", "sandbox"} {
			if got, err := s.Kind(t.Context(), want); err != nil || got != "sandbox" {
				t.Errorf("asked as %s: %q, %v", want, got, err)
			}
		}
	})
}
