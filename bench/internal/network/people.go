package network

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

// People write to accounts at a constant rate: each message goes to the next
// account, from a random one of its customers.
type People struct {
	Customers []string `json:"customers"` // numbers
	Accounts  []string `json:"accounts"`
	// Circle is how many customers each account has: the first one those from the
	// first customer on, the second those from the second on. 0 = all.
	Circle    int           `json:"circle"`
	PerSecond float64       `json:"per_second"`
	For       time.Duration `json:"for"`
}

// Written is what people wrote.
type Written struct {
	Messages int    `json:"messages"`
	Digest   Digest `json:"digest"`
}

// writers is how many phones write at the same time.
const writers = 8

// Stamp begins each text that people write: when they did, in nanoseconds since
// 1970, so that whoever sees the text can tell how long it took to get there.
const Stamp = "at %019d, "

// write lets p write into sim.
func write(ctx context.Context, sim *wasim.Server, p People) (w Written, err error) {
	if len(p.Customers) == 0 || len(p.Accounts) == 0 || p.PerSecond <= 0 {
		return w, fmt.Errorf("people need customers, accounts and a rate")
	}
	if p.Circle <= 0 || p.Circle > len(p.Customers) {
		p.Circle = len(p.Customers)
	}
	total := int64(p.PerSecond * p.For.Seconds())
	began := time.Now()
	var next atomic.Int64
	var mu sync.Mutex
	var running sync.WaitGroup
	for worker := range writers {
		rnd := rand.New(rand.NewPCG(7, uint64(worker)))
		running.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= total {
					return
				}
				due := began.Add(time.Duration(float64(i) / p.PerSecond * float64(time.Second)))
				select {
				case <-time.After(time.Until(due)):
				case <-ctx.Done():
					return
				}
				account := int(i) % len(p.Accounts)
				from, to := p.Customers[(account+rnd.IntN(p.Circle))%len(p.Customers)], p.Accounts[account]
				text := fmt.Sprintf(Stamp+"word %d: where is my order?", time.Now().UnixNano(), i)
				wrote := fmt.Errorf("no phone has number %s", from)
				if phone, ok := sim.Phone(from); ok {
					_, wrote = phone.Send(ctx, to, text)
				}
				mu.Lock()
				if wrote == nil {
					w.Messages++
					w.Digest = w.Digest.With(from, to, text)
				} else if err == nil {
					err = wrote
					next.Store(total)
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return w, err
}

// Digest sums up a set of messages in whatever order: two sets with the same
// number of messages and the same digest are the same.
type Digest uint64

// With gives the digest with one more message.
func (d Digest) With(from, to, text string) Digest {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %s %s", from, to, text) // a hash takes everything
	return d + Digest(h.Sum64())
}

// Shown is what phones show of messages from others.
type Shown struct {
	Messages int    `json:"messages"`
	Twice    int    `json:"twice"`  // texts that a phone shows again
	Resent   int    `json:"resent"` // messages that went over the wire more than once
	Digest   Digest `json:"digest"` // of Messages, without those that are there again
}

// shown reads the logs of phones.
func shown(sim *wasim.Server, numbers []string) (s Shown, err error) {
	const page = 1000
	type said struct{ from, text string }
	for _, number := range numbers {
		phone, ok := sim.Phone(number)
		if !ok {
			return s, fmt.Errorf("no phone has number %s", number)
		}
		seen := make(map[said]bool)
		for after := int64(0); ; {
			list, err := phone.Received(after, page)
			if err != nil {
				return s, err
			}
			for i := range list {
				m := &list[i]
				after = m.Seq
				if m.FromMe || m.Kind != "text" {
					continue
				}
				if m.Attempts > 1 {
					s.Resent++
				}
				if seen[said{m.From, m.Text}] {
					s.Twice++
					continue
				}
				seen[said{m.From, m.Text}] = true
				s.Messages++
				s.Digest = s.Digest.With(m.From, number, m.Text)
			}
			if len(list) < page {
				break
			}
		}
	}
	return s, nil
}
