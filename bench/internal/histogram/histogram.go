// Package histogram keeps how long many things took in little memory that doesn't
// grow, to within one percent.
package histogram

import (
	"math"
	"sync"
	"time"
)

const (
	least  = time.Microsecond // all that is shorter counts as this
	growth = 1.01             // from a bucket to the next
	// buckets reach to 1,000 s.
	buckets = 2084
)

// Histogram counts durations. The zero value is empty. Its methods may be called
// at the same time.
type Histogram struct {
	mu    sync.Mutex
	count [buckets]uint32
	n     int
	most  time.Duration
}

// Add counts d; one that is negative counts as zero.
func (h *Histogram) Add(d time.Duration) {
	at := 0
	if d > least {
		at = min(int(math.Ceil(math.Log(float64(d)/float64(least))/math.Log(growth))), buckets-1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count[at]++
	h.n++
	h.most = max(h.most, d)
}

// Reset forgets everything.
func (h *Histogram) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count, h.n, h.most = [buckets]uint32{}, 0, 0
}

// Spread is what a histogram tells, in milliseconds.
type Spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Spread gives what was counted so far.
func (h *Histogram) Spread() Spread {
	return Spread{N: h.N(), P50: ms(h.Quantile(0.5)), P95: ms(h.Quantile(0.95)), P99: ms(h.Quantile(0.99)), Max: ms(h.Quantile(1))}
}

// N is how many durations were counted.
func (h *Histogram) N() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// Quantile gives the duration that a part q of all, from 0 to 1, do not exceed by
// more than a percent; the longest is exact. Zero when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == 0 {
		return 0
	}
	if q >= 1 {
		return h.most
	}
	wanted, seen := max(1, int(math.Ceil(q*float64(h.n)))), 0
	for at, c := range h.count {
		if seen += int(c); seen >= wanted {
			return min(h.most, time.Duration(float64(least)*math.Pow(growth, float64(at))))
		}
	}
	return h.most
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
