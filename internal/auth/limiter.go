package auth

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiterSize bounds how many keys a Limiter tells apart.
const limiterSize = 65536

// Rate is how many requests are let through: PerSecond on average, and Burst at
// once. The zero value, and any PerSecond of 0 or less, means no limit.
type Rate struct {
	PerSecond float64
	Burst     int // at least 1 is used
}

// Limiter counts requests per key, a client's address or a token. It remembers
// a bounded number of keys and forgets those not seen for the longest time,
// which is to say: who has many addresses can have their count forgotten. It
// protects the server from clients in a hurry; what a workspace may use up is
// limited by its credits and its API calls. It is per process.
//
// A nil Limiter lets everything through.
type Limiter[K comparable] struct {
	rate Rate
	now  func() time.Time

	mu   sync.Mutex
	keys generations[K, *rate.Limiter]
}

// NewLimiter makes a Limiter, nil when r is no limit; now nil = time.Now.
func NewLimiter[K comparable](r Rate, now func() time.Time) *Limiter[K] {
	if r.PerSecond <= 0 {
		return nil
	}
	if now == nil {
		now = time.Now
	}
	r.Burst = max(1, r.Burst)
	return &Limiter[K]{rate: r, now: now, keys: newGenerations[K, *rate.Limiter](limiterSize)}
}

// Allow counts a request of key. When it is one too many it is not counted, and
// retry is the time in whole seconds, at least one, after which the next one
// will be let through.
func (l *Limiter[K]) Allow(key K) (retry time.Duration, ok bool) {
	if l == nil {
		return 0, true
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, found, aging := l.keys.peek(key)
	if !found {
		bucket = rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
	}
	if !found || aging {
		l.keys.put(key, bucket)
	}
	if bucket.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - bucket.TokensAt(now)
	seconds := math.Ceil(missing / l.rate.PerSecond)
	return time.Duration(max(1, seconds)) * time.Second, false
}
