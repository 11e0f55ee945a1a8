package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

// The faults.
const (
	kill      = "kill"       // kill -9, and a new process later
	freeze    = "freeze"     // SIGSTOP for longer than a lease, then SIGCONT
	hiccup    = "hiccup"     // SIGSTOP for less than a lease
	cut       = "cut"        // nothing passes between node and database for longer than a lease
	failover  = "failover"   // all connections to the database break, of every node
	jumpAhead = "clock_jump" // the database's clock jumps forward, later back
	rolling   = "rolling_restart"
	stranded  = "network" // WhatsApp's side: connections break, acknowledgements are lost
)

// chaos does it all at random.
type chaos struct {
	s   *simulation
	rnd *rand.Rand
}

// run makes every kind of fault happen at least once, and goes on until ctx ends.
func (c *chaos) run(ctx context.Context) error {
	kinds := []string{kill, freeze, cut, rolling, jumpAhead, failover, hiccup, stranded}
	for ctx.Err() == nil {
		c.rnd.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		for _, kind := range kinds {
			if ctx.Err() != nil {
				break
			}
			began := time.Now()
			// What was begun is ended, also when the time is over meanwhile.
			if err := c.one(context.WithoutCancel(ctx), kind); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			c.s.o.progress("%s: %s", kind, time.Since(began).Round(100*time.Millisecond))
		}
	}
	return nil
}

// between gives a random duration.
func (c *chaos) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.rnd.Int64N(int64(most-least)))
}

// one makes one fault happen and waits until all is well again.
func (c *chaos) one(ctx context.Context, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	i := c.rnd.IntN(len(c.s.nodes))
	n := c.s.nodes[i]
	f := fault{Kind: kind, Node: i, Began: c.s.net.sim.Now()}
	var err error
	if f.Accounts, err = c.s.look.heldBy(ctx, n.current().cmd.Process.Pid); err != nil {
		return err
	}
	switch kind {
	case kill:
		f.Lost = true
		err = c.kill(ctx, n)
	case freeze:
		f.Lost = true
		err = c.freeze(ctx, n, c.between(14*time.Second, 18*time.Second))
	case hiccup:
		err = c.freeze(ctx, n, c.between(200*time.Millisecond, 4*time.Second))
	case cut:
		f.Lost = true
		n.path.cut()
		pause(ctx, c.between(14*time.Second, 18*time.Second))
		n.path.heal(c.rnd.IntN(2) == 0)
	case failover:
		f.Node = -1
		for _, n := range c.s.nodes {
			n.path.heal(true)
		}
	case jumpAhead:
		f.Node = -1
		by := 5 + c.rnd.IntN(3600)
		if err = c.s.look.jump(ctx, by); err == nil {
			pause(ctx, c.between(time.Second, 4*time.Second))
			err = c.s.look.jump(ctx, -by)
		}
	case rolling:
		f.Node = -1
		err = c.rolling(ctx)
	case stranded:
		f.Node = -1
		err = c.stranded() //nolint:contextcheck // the network ends connections by itself
	}
	if err != nil {
		return err
	}
	f.Ended = c.s.net.sim.Now()
	c.s.faults = append(c.s.faults, f)
	return c.s.calm(ctx)
}

// kill ends a process, and starts the next one before or after others took over.
func (c *chaos) kill(ctx context.Context, n *node) error {
	n.kill()
	pause(ctx, c.between(0, 12*time.Second))
	return n.start(ctx)
}

func (c *chaos) freeze(ctx context.Context, n *node, d time.Duration) error {
	if err := n.freeze(); err != nil {
		return err
	}
	pause(ctx, d)
	return n.thaw()
}

// rolling restarts the nodes one after the other, while programs notice nothing.
func (c *chaos) rolling(ctx context.Context) error {
	c.s.traffic.restarting.Add(1)
	defer c.s.traffic.restarting.Add(1)
	c.s.restarts++
	for _, n := range c.s.nodes {
		if err := n.stop(ctx); err != nil {
			return err
		}
		if err := n.start(ctx); err != nil {
			return err
		}
		if err := c.s.calm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stranded lets WhatsApp's side misbehave for a few accounts.
func (c *chaos) stranded() error {
	for _, kind := range []wasim.FaultKind{wasim.FaultCut, wasim.FaultDropAck, wasim.FaultCutBeforeAck, wasim.FaultCutOnMessage, wasim.FaultKick} {
		account := c.s.net.accounts[c.rnd.IntN(len(c.s.net.accounts))]
		if _, err := c.s.net.sim.SetFault(wasim.Fault{Kind: kind, Number: account, Count: 1}); err != nil {
			return err
		}
	}
	return nil
}
