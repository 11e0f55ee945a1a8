package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestComplaint29AccountsAreSpreadOverMachines: servers that come take their part
// of the accounts, and those of one that goes are taken by the others.
func TestComplaint29AccountsAreSpreadOverMachines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(12)
		a := w.start(db, Config{})
		pass(time.Minute)
		w.check("alone", []int{12}, a)
		b, c := w.start(db, Config{}), w.start(db, Config{})
		pass(2 * time.Minute)
		w.check("with two more", []int{4, 4, 4}, a, b, c)
		w.end(c)
		pass(time.Minute)
		w.check("without one", []int{6, 6}, a, b)
		w.end(a, b)
	})
}
