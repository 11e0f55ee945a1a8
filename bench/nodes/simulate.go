package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"time"
)

// The gap of the workspace, short so that many messages go.
const (
	minGap = 40 * time.Millisecond
	maxGap = 120 * time.Millisecond
)

// simulation is a network, the nodes on it, and what goes on.
type simulation struct {
	o       *options
	net     *network
	look    *onlooker
	nodes   []*node
	traffic *traffic

	faults   []fault
	restarts int
}

// simulate runs it all and checks it. The report is nil when it could not be run.
func simulate(ctx context.Context, o *options) (r *report, err error) {
	if o.progress == nil {
		o.progress = func(string, ...any) {}
	}
	s := &simulation{o: o}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	way := &balancer{nodes: s.nodes}
	s.traffic = &traffic{o: o, net: s.net, way: way, asked: make(map[string]bool)}
	if err := s.live(ctx, way); err != nil {
		return nil, err
	}
	f, r, err := s.facts(ctx)
	if err != nil {
		return nil, err
	}
	check(f, r)
	return r, nil
}

// open starts the network and the nodes and pairs the accounts.
func (s *simulation) open(ctx context.Context) (err error) {
	if s.net, err = openNetwork(ctx, s.o); err != nil {
		return err
	}
	if s.look, err = openOnlooker(ctx, s.o.Database); err != nil {
		return err
	}
	for i := range s.o.Nodes {
		n, err := newNode(ctx, s.o, i, s.net.url())
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, n)
	}
	if err := s.nodes[0].start(ctx); err != nil {
		return err
	}
	if _, err := s.nodes[0].command(ctx, "workspace", "set", "--gap", fmt.Sprintf("%s-%s", minGap, maxGap)); err != nil {
		return err
	}
	for _, number := range s.net.accounts {
		if err := s.pair(ctx, number); err != nil {
			return err
		}
	}
	if err := s.look.attend(ctx); err != nil {
		return fmt.Errorf("note who writes: %w", err)
	}
	for _, n := range s.nodes[1:] {
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	s.o.progress("%d nodes and %d accounts are up", len(s.nodes), len(s.net.accounts))
	return nil
}

// pair links an account's phone by the command, as a person would.
func (s *simulation) pair(ctx context.Context, number string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.o.Binary, s.nodes[0].args("account", "pair", "--json")...)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	phone, _ := s.net.sim.Phone(number)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Event, QR string }
		if err := json.Unmarshal(lines.Bytes(), &e); err == nil && e.QR != "" {
			if err := phone.ScanQR(ctx, e.QR); err != nil {
				return errors.Join(fmt.Errorf("pair %s: %w", number, err), cmd.Wait())
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("pair %s: %w: %s", number, err, notes.Bytes())
	}
	return nil
}

// live lets programs and people write while everything breaks, and waits until
// all has settled.
func (s *simulation) live(ctx context.Context, way *balancer) error {
	looking, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { way.run(looking) })
	defer background.Wait()
	defer stop()
	if err := s.calm(ctx); err != nil {
		return err
	}
	busy, end := context.WithTimeout(ctx, time.Duration(s.o.Minutes*float64(time.Minute)))
	defer end()
	var all sync.WaitGroup
	all.Go(func() { s.traffic.programs(busy) })
	all.Go(func() { s.traffic.people(busy) })
	err := (&chaos{s: s, rnd: rand.New(rand.NewPCG(s.o.Seed, 0))}).run(busy)
	if err == nil {
		// Whoever was lost last is still to be seen sending elsewhere.
		err = s.calm(ctx)
	}
	end()
	all.Wait()
	if err != nil {
		return err
	}
	return s.settle(ctx)
}

// calm waits until every account is held and connected, and then a little, so
// that faults don't hide each other.
func (s *simulation) calm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Drain)
	defer cancel()
	for {
		n, err := s.look.unheld(ctx)
		if err != nil {
			return err
		}
		ready := 0
		for _, node := range s.nodes {
			if l := node.current(); l != nil && node.alive() && l.probe(ctx) {
				ready++
			}
		}
		if n == 0 && ready == len(s.nodes) {
			pause(ctx, time.Second)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d accounts are not connected, and %d of %d nodes are ready, after %s", n, ready, len(s.nodes), s.o.Drain)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// settle waits until nothing is queued and nothing more arrives.
func (s *simulation) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Drain)
	defer cancel()
	for {
		n, err := s.look.queued(ctx)
		if err != nil {
			return fmt.Errorf("wait for the queue: %w", err)
		}
		if n == 0 {
			pause(ctx, 3*time.Second) // receipts, and what people wrote last
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d messages are still queued after %s", n, s.o.Drain)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// facts gathers what is known.
func (s *simulation) facts(ctx context.Context) (*facts, *report, error) {
	t := s.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	f := &facts{Asked: t.asked, Accepted: t.told, Said: t.said, MinGap: minGap, Faults: s.faults}
	r := &report{
		Nodes: s.o.Nodes, Accounts: s.o.Accounts, Customers: s.o.Customers, Minutes: s.o.Minutes, Seed: s.o.Seed,
		AnswersLost: int(t.lost.Load()), Refused: int(t.refused.Load()),
		Restarts: s.restarts, RestartRequests: int(t.during.Load()), RestartFailures: int(t.fails.Load()),
		Logins: int(s.net.sim.Stats().Logins), faults: make(map[string]int), wrong: t.wrong,
	}
	for _, one := range s.faults {
		r.faults[one.Kind]++
	}
	for _, n := range s.nodes {
		if !n.alive() {
			f.Sick = append(f.Sick, fmt.Sprintf("node %d ended by itself; see %s", n.number, n.log.Name()))
		}
	}
	quotas, err := s.nodes[0].current().api.Quotas(ctx)
	if err != nil {
		return nil, nil, err
	}
	f.Used = quotas.Messages.Used
	if f.Shown, err = s.net.shown(); err != nil {
		return nil, nil, err
	}
	return f, r, s.look.gather(ctx, f, r)
}

// close ends the nodes, which must end in good order, and the network.
func (s *simulation) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	for _, n := range s.nodes {
		n.path.heal(false)
		if err := n.stop(ctx); err != nil {
			errs = append(errs, err)
			n.kill()
		}
		n.path.close()
		errs = append(errs, n.log.Close())
	}
	if s.look != nil {
		errs = append(errs, s.look.close(ctx))
	}
	if s.net != nil {
		errs = append(errs, s.net.sim.Close())
	}
	return errors.Join(errs...)
}
