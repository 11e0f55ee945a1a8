package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/cpuparts"
	"github.com/tidelinehq/tideline/bench/internal/load"
	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/bench/internal/procstat"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	customers = 100 // phones that accounts write to and hear from
	conns     = 64  // over which programs ask
)

// steadyWorld is what takes part.
type steadyWorld struct {
	o       *options
	net     *network.Network
	node    *node.Node
	network []string // numbers of customers
	numbers []string // of accounts

	requests [][]byte
	asked    network.Digest // of requests
	written  network.Written
	samples  []sample
	parts    map[string]float64
}

// sample is a look at the server, and at the processor time of the others.
type sample struct {
	at time.Time
	node.State
	emulator, programs time.Duration
}

// steady lets all accounts send and receive for a while. After an error it gives
// what was measured until then.
func steady(ctx context.Context, o *options) (r steadyResult, err error) {
	dir, err := os.MkdirTemp("", "tideline-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &steadyWorld{o: o}
	for i := range customers {
		w.network = append(w.network, customer(i))
	}
	for i := range o.Accounts {
		w.numbers = append(w.numbers, business(i))
	}
	w.ask()
	if w.net, err = network.Start(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.net.Stop()) }()
	setup := node.Setup{Dir: dir, Database: o.Database, Network: w.net.Where, GapMin: tideline.DefaultGap.Min, GapMax: tideline.DefaultGap.Max}
	if err := w.pair(ctx, setup); err != nil {
		return r, fmt.Errorf("pair: %w", err)
	}
	// The memory that pairing took is gone with the process.
	if w.node, err = node.Start(ctx, setup); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.node.Stop()) }()
	if err := w.node.AwaitActive(ctx, o.Accounts); err != nil {
		return r, err
	}
	wait(ctx, 3*time.Second) // what follows a login is over
	if err := w.traffic(ctx); err != nil {
		return r, err
	}
	if r, err = w.sumUp(ctx); err != nil {
		return r, err
	}
	if err := w.node.Stop(); err != nil {
		return r, err
	}
	database := o.Database
	if database == "" {
		database = filepath.Join(dir, "tideline.db")
	}
	return r, w.account(ctx, database, &r)
}

// ask makes what programs will ask for: each text is another one.
func (w *steadyWorld) ask() {
	n := int(w.rate() * w.length().Seconds())
	for i := range n {
		from, round := i%w.o.Accounts, i/w.o.Accounts
		to := customer((from + round%w.o.Contacts) % customers)
		text := fmt.Sprintf("Your order %d of account %d is on its way. Thank you for your trust in us.", round, from)
		body := fmt.Sprintf(`{"phone":%q,"whatsapp_account_phone":%q,"text":%q}`, to, business(from), text)
		w.requests = append(w.requests, fmt.Appendf(nil, "POST /integrations/api/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			node.Token, len(body), body))
		w.asked = w.asked.With(business(from), to, text)
	}
}

// rate is what programs ask for in a second.
func (w *steadyWorld) rate() float64 { return float64(w.o.Accounts) / w.o.Every.Seconds() }

func (w *steadyWorld) length() time.Duration {
	return time.Duration(w.o.Minutes * float64(time.Minute))
}

// pair puts the phones on the network and pairs the accounts with a server of its
// own.
func (w *steadyWorld) pair(ctx context.Context, setup node.Setup) error {
	for _, number := range w.network {
		if err := w.net.AddPhone(ctx, number); err != nil {
			return err
		}
	}
	first, err := node.Start(ctx, setup)
	if err != nil {
		return err
	}
	return errors.Join(first.Pair(ctx, w.net.Where, w.numbers), first.Stop())
}

// traffic has programs ask and people write, and looks at the server every minute.
// It returns when all is settled.
func (w *steadyWorld) traffic(ctx context.Context) error {
	if err := w.look(ctx); err != nil {
		return err
	}
	if err := w.node.Record(ctx, true); err != nil {
		return err
	}
	if _, err := w.node.Profile(ctx, true); err != nil {
		return err
	}
	// The first error ends all.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	looking, endLooking := context.WithCancel(ctx)
	defer endLooking()
	var watching, traffic sync.WaitGroup
	watching.Go(func() {
		for wait(looking, min(time.Minute, w.length()/4)) {
			if err := w.look(ctx); err != nil && looking.Err() == nil {
				cancel(err)
			}
		}
	})
	traffic.Go(func() {
		got, err := load.RunPaced(ctx, w.node.Addr, conns, w.rate(), w.length(), w.requests)
		switch {
		case err != nil:
			cancel(fmt.Errorf("programs ask: %w", err))
		case got.Failed > 0:
			cancel(fmt.Errorf("%d of %d requests failed: %s", got.Failed, got.Requests, got.Sample))
		case got.Requests != len(w.requests):
			cancel(fmt.Errorf("%d requests made of %d", got.Requests, len(w.requests)))
		}
	})
	traffic.Go(func() {
		var err error
		w.written, err = w.net.Write(ctx, network.People{
			Customers: w.network, Accounts: w.numbers, Circle: w.o.Contacts, PerSecond: float64(w.o.Accounts) / w.o.Hear.Seconds(), For: w.length(),
		})
		if err != nil {
			cancel(fmt.Errorf("people write: %w", err))
		}
	})
	traffic.Wait()
	endLooking()
	watching.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err := w.look(ctx); err != nil {
		return err
	}
	profile, err := w.node.Profile(ctx, false)
	if err != nil {
		return err
	}
	if w.parts, err = cpuparts.Of(profile); err != nil {
		return err
	}
	if err := w.node.AwaitSettled(ctx); err != nil {
		return err
	}
	return w.node.AwaitReceived(ctx, int64(w.written.Messages))
}

// look takes a sample.
func (w *steadyWorld) look(ctx context.Context) error {
	s := sample{at: time.Now()}
	var err error
	if s.State, err = w.node.State(ctx, true, false); err != nil {
		return err
	}
	for pid, used := range map[int]*time.Duration{w.net.PID(): &s.emulator, os.Getpid(): &s.programs} {
		st, err := procstat.Read(pid)
		if err != nil {
			return err
		}
		*used = st.CPU
	}
	w.samples = append(w.samples, s)
	return nil
}
