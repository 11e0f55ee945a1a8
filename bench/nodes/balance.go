package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// balancer sends programs to nodes that said lately that they are ready.
type balancer struct{ nodes []*node }

const probeEvery = 100 * time.Millisecond

// run looks at the nodes until ctx ends.
func (b *balancer) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, n := range b.nodes {
		all.Go(func() {
			tick := time.NewTicker(probeEvery)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				if l := n.current(); l != nil {
					l.ready.Store(l.probe(ctx))
				}
			}
		})
	}
	all.Wait()
}

// pick gives a ready node's process; nil when there is none.
func (b *balancer) pick() *life {
	first := rand.IntN(len(b.nodes))
	for i := range b.nodes {
		if l := b.nodes[(first+i)%len(b.nodes)].current(); l != nil && l.ready.Load() {
			return l
		}
	}
	return nil
}
