package backup

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

// TestWhateverIsStoredCanBeMovedAndBack lets the suite of storage fill databases,
// and moves each to an SQLite file, some to PostgreSQL and from there to SQLite.
// What arrives must be the same, down to the ids that are drawn next, and its
// ledger must add up.
func TestWhateverIsStoredCanBeMovedAndBack(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	filled, around := map[string]bool{}, 0
	t.Run("databases", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Opener {
			d := newSQLite(t)
			t.Cleanup(func() {
				moved := moveAround(t, d.made(background{t}))
				mu.Lock()
				defer mu.Unlock()
				if slices.Contains(viaPostgres, t.Name()) {
					around++
				}
				for _, m := range moved {
					filled[m.Table] = filled[m.Table] || m.Rows > 0
				}
			})
			return func() (store.Store, error) {
				return sqlstore.Open(t.Context(), sqlstore.Options{Database: d.url, Conns: 2})
			}
		})
	})
	var empty []string
	for table, some := range filled {
		if !some && table[:3] != "wha" {
			empty = append(empty, table)
		}
	}
	slices.Sort(empty)
	if around != len(viaPostgres) {
		t.Errorf("%d databases went through PostgreSQL, want %d", around, len(viaPostgres))
	}
	if len(filled) < 50 || len(empty) > 0 {
		t.Errorf("%d tables were moved, and no row of %v: the test proves nothing about them", len(filled), empty)
	}
}

// background is a test after its end, whose context is over.
type background struct{ testing.TB }

func (background) Context() context.Context { return context.Background() }

// viaPostgres are the tests whose databases go through PostgreSQL: those with the
// most kinds of rows.
var viaPostgres = []string{
	"TestWhateverIsStoredCanBeMovedAndBack/databases/Model",
	"TestWhateverIsStoredCanBeMovedAndBack/databases/InboxModel",
	"TestWhateverIsStoredCanBeMovedAndBack/databases/FanOutModel",
}

func moveAround(tb testing.TB, d database) []Moved {
	t := background{tb}
	back := newSQLite(t).made(t)
	if !slices.Contains(viaPostgres, t.Name()) {
		return move(t, d, back)
	}
	between := newPostgres(t).made(t)
	there := move(t, d, between)
	again := move(t, between, back)
	slices.SortFunc(there, byTable)
	slices.SortFunc(again, byTable)
	for i := range there {
		there[i].SHA256, again[i].SHA256 = "", "" // columns may stand in another order
	}
	if diff := cmp.Diff(there, again); diff != "" {
		t.Errorf("on the way to PostgreSQL and back something changed (-there +back):\n%s", diff)
	}
	return there
}

func byTable(a, b Moved) int {
	if a.Table < b.Table {
		return -1
	}
	return 1
}

// move moves rows and audits them where they arrived.
func move(t testing.TB, from, to database) []Moved {
	t.Helper()
	s, l := from.snapshot(t), to.loader(t)
	moved, err := Move(t.Context(), s, l, func(string, int64) {})
	if err != nil {
		t.Fatalf("move: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	arrived := to.store(t)
	if faults, err := arrived.AuditLedger(t.Context()); err != nil || len(faults) > 0 {
		before, _ := from.store(t).AuditLedger(t.Context())
		if diff := cmp.Diff(before, faults); diff != "" || err != nil {
			t.Errorf("the ledger where it arrived: %v %s", err, diff)
		}
	}
	if version, err := meow.PrepareSessions(t.Context(), to.sessions()); err != nil || version != s.Sessions() {
		t.Errorf("sessions have version %d, %v", version, err)
	}
	return moved
}
