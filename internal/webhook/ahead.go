package webhook

import (
	"sync/atomic"

	"github.com/tidelinehq/tideline/internal/store"
)

const (
	aheadBytes = 32 << 20 // bodies that all endpoints keep ahead together
	aheadShare = 4 << 20  // bodies that one endpoint keeps ahead
	aheadMost  = 4096     // deliveries that one endpoint keeps ahead
)

// ahead keeps new deliveries for which an endpoint's window has no room, so that
// they need not be read again as soon as it has. Nothing of the webhook is missing
// between them. An endpoint that is down has none, and all endpoints together
// few enough to fit in memory.
type ahead struct {
	kept *atomic.Int64 // bytes of bodies, of all endpoints
	size int64         // of this one
	rows []store.Delivery
}

func (a *ahead) empty() bool { return len(a.rows) == 0 }

// reaches reports whether the first one is not behind a delivery in line.
func (a *ahead) reaches(id int64) bool { return len(a.rows) > 0 && a.rows[0].ID <= id }

// keep takes a copy of a delivery in, if there is room.
func (a *ahead) keep(d *store.Delivery) bool {
	size := int64(len(d.Body))
	if len(a.rows) >= aheadMost || a.size+size > aheadShare {
		return false
	}
	if a.kept.Add(size) > aheadBytes {
		a.kept.Add(-size)
		return false
	}
	a.size += size
	a.rows = append(a.rows, *d)
	return true
}

// next takes the first one out.
func (a *ahead) next() store.Delivery {
	d := a.rows[0]
	a.rows[0] = store.Delivery{} // so that its body can be collected
	a.rows = a.rows[1:]
	size := int64(len(d.Body))
	a.size -= size
	a.kept.Add(-size)
	return d
}

// drop forgets them all. They have to be read then.
func (a *ahead) drop() {
	for !a.empty() {
		a.next()
	}
	a.rows = nil
}
