package storetest

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// drop deletes what is old enough, and tells that nobody can tell by the balance,
// the sums or the audit.
func (m *model) drop(rt *rapid.T) {
	w := m.world
	age := rapid.SampledFrom([]time.Duration{50 * time.Hour, 500 * time.Hour}).Draw(rt, "age")
	before := m.spent()
	old := w.old(w.now.Add(-age), rapid.IntRange(1, 5).Draw(rt, "page"))
	for _, o := range old {
		i := slices.IndexFunc(m.messages, func(msg *modelMessage) bool { return msg.id == o.ID })
		if m.messages[i].status == tideline.StatusPending {
			rt.Fatalf("message %d waits in the queue and may be deleted", o.ID)
		}
		m.messages = slices.Delete(m.messages, i, i+1)
	}
	w.drop(old)
	m.compareBalance(rt)
	same(rt, "spending", m.spent(), before)
	w.audit()
	if left := w.old(w.now.Add(-age), 100); len(left) > 0 {
		rt.Fatalf("after deleting all there are still %d", len(left))
	}
}

// spent sums up what was charged and refunded over all days.
func (m *model) spent() (sum store.Spent) {
	w := m.world
	days, err := w.store.Spending(w.ctx(), w.ws.ID, start.AddDate(0, 0, -2), w.now.AddDate(0, 0, 2), time.UTC)
	w.must(err)
	for _, d := range days {
		sum.Charged += d.Charged
		sum.Refunded += d.Refunded
	}
	return sum
}
