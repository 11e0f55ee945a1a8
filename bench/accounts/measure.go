package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/procstat"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// measure pairs, starts a server, lets it rest, and sends.
func measure(ctx context.Context, o *options) (r result, err error) {
	dir, err := os.MkdirTemp("", "tideline-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	net, err := network.Start(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, net.Stop()) }()

	r.Accounts = o.Accounts
	if r.PairSeconds, err = timed(func() error { return pairElsewhere(ctx, o, dir, net.Where) }); err != nil {
		return r, fmt.Errorf("pair: %w", err)
	}

	// This process has held no account yet: what it holds now is not theirs.
	before, err := rest()
	if err != nil {
		return r, err
	}
	s, err := open(ctx, dir, o.Database, net.Where)
	if err != nil {
		return r, err
	}
	defer s.close()
	if r.ReconnectSeconds, err = timed(func() error { return s.awaitActive(ctx, o.Accounts) }); err != nil {
		return r, fmt.Errorf("connect: %w", err)
	}
	wait(ctx, 3*time.Second) // what follows a login is over
	after, err := rest()
	if err != nil {
		return r, err
	}
	n := float64(o.Accounts)
	r.BaseRSS = float64(before.rss) / (1 << 20)
	r.RSSPerAccount = float64(after.rss-before.rss) / 1024 / n
	r.HeapPerAccount = float64(after.heap-before.heap) / 1024 / n
	r.Goroutines = float64(after.goroutines-before.goroutines) / n
	if o.Messages == 0 {
		return r, nil
	}
	return r, s.sendAll(ctx, o, net, &r)
}

// pairElsewhere pairs the accounts in a process of its own, so that the memory
// that pairing took is gone.
func pairElsewhere(ctx context.Context, o *options, dir string, net network.Where) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	where, err := json.Marshal(net)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "--pair", string(where), "--dir", dir, "--database", o.Database,
		"--accounts", strconv.Itoa(o.Accounts), "--contacts", strconv.Itoa(o.Contacts), "--seconds", strconv.Itoa(o.Seconds))
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// pairOnly is what that process does.
func pairOnly(ctx context.Context, o *options) error {
	var net network.Where
	if err := json.Unmarshal([]byte(o.Pair), &net); err != nil {
		return err
	}
	s, err := open(ctx, o.Dir, o.Database, net)
	if err != nil {
		return err
	}
	defer s.close()
	return s.pairAll(ctx, o, net)
}

// sendAll sends in two rounds: the first makes the encrypted sessions, the
// second is measured.
func (s *stack) sendAll(ctx context.Context, o *options, net *network.Network, r *result) error {
	if err := s.send(ctx, o, o.Accounts*o.Contacts); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	mine, err := procstat.Read(os.Getpid())
	if err != nil {
		return err
	}
	theirs, err := procstat.Read(net.PID())
	if err != nil {
		return err
	}
	took, err := timed(func() error { return s.send(ctx, o, o.Messages) })
	if err != nil {
		return err
	}
	mineAfter, err := procstat.Read(os.Getpid())
	if err != nil {
		return err
	}
	theirsAfter, err := procstat.Read(net.PID())
	if err != nil {
		return err
	}
	perMessage := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(o.Messages) }
	r.Messages, r.MessagesPerSec = o.Messages, float64(o.Messages)/took
	r.CPUPerMessage = perMessage(mineAfter.CPU - mine.CPU)
	r.EmulatorCPU = perMessage(theirsAfter.CPU - theirs.CPU)
	return nil
}

// send accepts n messages, spread over accounts and contacts, and waits until
// all of them are settled and acknowledged.
func (s *stack) send(ctx context.Context, o *options, n int) error {
	p, err := s.principal(ctx)
	if err != nil {
		return err
	}
	for i := range n {
		account, contact := i%o.Accounts, i/o.Accounts%o.Contacts
		sender, text := business(account), fmt.Sprintf("Your order %d is on its way.", i)
		if _, err := s.messages.Send(ctx, p, message.SendRequest{
			Phone: customer(contact), AccountPhone: &sender, Text: &text, Origin: tideline.OriginPublicAPI,
		}); err != nil {
			return err
		}
	}
	for {
		left, err := s.store.QueueLength(ctx, p.Workspace.ID)
		if err != nil || left == 0 {
			return err
		}
		if !wait(ctx, 10*time.Millisecond) {
			return fmt.Errorf("%d messages still queued: %w", left, ctx.Err())
		}
	}
}

// usage is what a process at rest holds.
type usage struct {
	rss, heap  int64
	goroutines int
}

func rest() (usage, error) {
	debug.FreeOSMemory()
	st, err := procstat.Read(os.Getpid())
	if err != nil {
		return usage{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{rss: st.RSS, heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}, nil
}

func timed(f func() error) (seconds float64, err error) {
	start := time.Now()
	err = f()
	return time.Since(start).Seconds(), err
}

// wait lets d pass and reports whether ctx still lives.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// awaitActive waits until n accounts are connected.
func (s *stack) awaitActive(ctx context.Context, n int) error {
	for {
		all, err := s.store.AllAccounts(ctx)
		if err != nil {
			return err
		}
		active := 0
		for _, a := range all {
			if a.State == tideline.AccountActive {
				active++
			}
		}
		if active >= n {
			return nil
		}
		if !wait(ctx, 20*time.Millisecond) {
			return fmt.Errorf("%d of %d accounts active: %w", active, n, ctx.Err())
		}
	}
}
