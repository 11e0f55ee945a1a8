package wasim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// maxFaults bounds how many faults can be set at a time.
const maxFaults = 1000

// faultSet holds the faults that are waiting to strike.
type faultSet struct {
	armed  atomic.Int64 // len(list), so that the usual case costs no lock
	struck *bell        // rung when a fault has struck

	mu   sync.Mutex
	list []Fault
	last int
}

// take returns the oldest fault of a kind that applies to one of the given numbers, and counts that
// it struck.
func (f *faultSet) take(kind FaultKind, numbers ...string) (Fault, bool) {
	return f.takeIf(kind, func(f Fault) bool { return f.Number == "" || slices.Contains(numbers, f.Number) })
}

// takeAt is take for a request to a media host.
func (f *faultSet) takeAt(kind FaultKind, firstHost bool) (Fault, bool) {
	return f.takeIf(kind, func(f Fault) bool { return firstHost || !f.FirstHost })
}

func (f *faultSet) takeIf(kind FaultKind, applies func(Fault) bool) (Fault, bool) {
	if f.armed.Load() == 0 {
		return Fault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		fault := f.list[i]
		if fault.Kind != kind || !applies(fault) {
			continue
		}
		if fault.Count > 0 {
			if f.list[i].Count--; f.list[i].Count == 0 {
				f.list = slices.Delete(f.list, i, i+1)
				f.armed.Add(-1)
			}
			f.struck.ring()
		}
		return fault, true
	}
	return Fault{}, false
}

// SetFault arms a fault, or carries it out when its kind acts now, and returns it with its ID and
// defaults filled in. Several faults of a kind strike one after the other, the oldest first.
func (s *Server) SetFault(f Fault) (Fault, error) {
	f, err := f.normalize()
	if err != nil {
		return f, fmt.Errorf("wasim: %w", err)
	}
	if f.Number != "" {
		if _, ok := s.Phone(f.Number); !ok {
			return f, fmt.Errorf("wasim: no phone has number %s; add it first", f.Number)
		}
	}
	set := &s.faults
	set.mu.Lock()
	if len(set.list) >= maxFaults {
		set.mu.Unlock()
		return f, errors.New("wasim: too many faults are set; clear some")
	}
	set.last++
	f.ID = strconv.Itoa(set.last)
	if !f.immediate() {
		set.list = append(set.list, f)
		set.armed.Add(1)
	}
	set.mu.Unlock()
	defer s.changes.ring()
	if f.immediate() {
		return f, s.strike(f)
	}
	return f, nil
}

// Faults lists the faults that are armed, with the number of strikes left as Count.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.list)
}

// ClearFaults disarms the faults with the given IDs, or all of them when none is given.
func (s *Server) ClearFaults(ids ...string) {
	set := &s.faults
	defer s.changes.ring()
	set.mu.Lock()
	defer set.mu.Unlock()
	before := len(set.list)
	set.list = slices.DeleteFunc(set.list, func(f Fault) bool {
		return len(ids) == 0 || slices.Contains(ids, f.ID)
	})
	set.armed.Add(int64(len(set.list) - before))
}
