package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is everything that a soak measured, one flat object in JSON.
type report struct {
	Accounts  int     `json:"accounts"`
	Customers int     `json:"customers"`
	Seed      uint64  `json:"seed"`
	Minutes   float64 `json:"minutes"` // of traffic
	PerSecond float64 `json:"messages_per_second"`
	DrainedIn float64 `json:"drained_in_seconds"`
	Servers   int     `json:"servers"` // one after the other

	verdict
	trend

	AnswersLost  int   `json:"answers_lost"`    // of the API: the server died, and the request was repeated
	NotNow       int   `json:"answers_not_now"` // of the API: errors 5xx, and the request was repeated
	NetRetries   int64 `json:"wire_retries"`    // all that phones asked for, reactions and the like among them
	Duplicates   int64 `json:"wire_duplicates"` // messages that reached a phone again
	Logins       int64 `json:"logins"`
	GoroutinesUp int   `json:"goroutines_running"`
	Left         int   `json:"goroutines_left"` // by servers that were stopped in good order
	Unaccounted  int   `json:"unaccounted"`

	faults map[string]int
	notes  []string // what was wrong, for people
	log    string   // of the servers; "" when it is gone with its folder
}

// soak runs the whole thing.
func soak(ctx context.Context, o *options) (rep *report, err error) {
	dir, err := os.MkdirTemp("", "tideline-soak-")
	if err != nil {
		return nil, err
	}
	rep = &report{Accounts: o.Accounts, Customers: o.Customers, Seed: o.Seed, faults: map[string]int{}}
	defer func() {
		if err != nil || rep.Unaccounted > 0 {
			rep.log = filepath.Join(dir, "server.log")
			return
		}
		err = os.RemoveAll(dir)
	}()
	net, err := openNetwork(ctx, o.Accounts, o.Customers)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, net.sim.Close()) }()
	key := net.sim.RootKey()
	h := newHost(&setup{Dir: dir, Database: o.Database, Network: net.sim.Addr(), RootKey: hex.EncodeToString(key[:])})
	defer h.kill()
	if err := h.start(ctx); err != nil {
		return rep, err
	}
	o.progress("pairing %d accounts", o.Accounts)
	if err := pairAll(ctx, h, net); err != nil {
		return rep, fmt.Errorf("pair: %w", err)
	}
	if err := net.makeGroups(ctx, o.Accounts/10+1); err != nil {
		return rep, fmt.Errorf("make groups: %w", err)
	}
	return rep, run(ctx, o, rep, net, h)
}

// pairAll pairs an account with each phone, a few at a time.
func pairAll(ctx context.Context, h *host, net *network) error {
	p, _ := h.now()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var running sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	next := make(chan string)
	for range 8 {
		running.Go(func() {
			for number := range next {
				if err := p.pair(ctx, func(qr string) error { return net.phone(number).ScanQR(ctx, qr) }); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("%s: %w", number, err))
					mu.Unlock()
				}
			}
		})
	}
	for _, number := range net.accounts {
		next <- number
	}
	close(next)
	running.Wait()
	return errors.Join(errs...)
}

// run lets traffic and faults go on, waits until all has settled, and judges.
func run(ctx context.Context, o *options, rep *report, net *network, h *host) error {
	length := time.Duration(o.Minutes * float64(time.Minute))
	began := time.Now()
	half := began.Add(length / 2)
	t := newTraffic(net, h, o.Rate)
	f := &faults{net: net, host: h, every: o.FaultEvery, lives: cmp.Or(o.ServerEvery, length/10), calm: began.Add(length * 2 / 5), counts: rep.faults, patient: length >= 2*time.Minute}

	watching, endWatching := context.WithCancel(ctx)
	faulting, endFaults := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		endFaults()
		endWatching()
		running.Wait()
	}()
	var samples []sample
	var faultErr error
	running.Go(func() { net.watch(watching, t.saw) })
	running.Go(func() { samples = watchMemory(watching, h, t, o.SampleEvery) })
	faultsDone := make(chan struct{})
	running.Go(func() {
		defer close(faultsDone)
		faultErr = f.run(faulting, o.Seed)
	})
	o.progress("traffic and faults for %s", length)
	t.begin(ctx, o.Seed)
	for end := began.Add(length); time.Until(end) > 0; {
		if !sleep(ctx, min(time.Until(end), 30*time.Second)) {
			return ctx.Err()
		}
		if o.Profile != "" && time.Since(half).Abs() < 20*time.Second {
			if p, _ := h.now(); p != nil {
				if err := p.profile(ctx, o.Profile+".middle"); err != nil {
					return err
				}
			}
		}
		asked, said := t.progress()
		o.progress("%s: %d messages asked for, %d written by people", time.Since(began).Round(time.Second), asked, said)
	}
	if o.Profile != "" {
		if p, _ := h.now(); p != nil {
			if err := p.profile(ctx, o.Profile+".end"); err != nil {
				return err
			}
		}
	}
	ended := time.Now()
	rep.Minutes = ended.Sub(began).Minutes()
	endFaults()
	<-faultsDone
	patience, cancel := context.WithTimeout(ctx, o.Drain)
	defer cancel()
	if err := errors.Join(faultErr, t.end(patience)); err != nil {
		return err
	}
	o.progress("waiting until all is settled")
	if err := settle(patience, o, rep, net, h, t); err != nil {
		return err
	}
	rep.DrainedIn = time.Since(ended).Seconds()
	// The trend is of the traffic, not of the rest after it.
	endWatching()
	running.Wait()
	for len(samples) > 0 && samples[len(samples)-1].At.After(ended) {
		samples = samples[:len(samples)-1]
	}
	rep.trend = trendOf(samples, half)
	if len(samples) > 0 {
		rep.GoroutinesUp = samples[len(samples)-1].Goroutines
	}
	_, rep.Servers = h.now()
	bye, err := h.stop()
	if err != nil {
		return err
	}
	return judge(ctx, rep, net, h, t, append(f.leaked, bye))
}

func (t *traffic) progress() (asked, said int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.asked), len(t.said)
}

// watchMemory takes a sample now and then until ctx ends. While no server is up
// there is none.
func watchMemory(ctx context.Context, h *host, t *traffic, every time.Duration) []sample {
	var all []sample
	for sleep(ctx, every) {
		p, life := h.now()
		if p == nil {
			continue
		}
		if s, err := p.sample(ctx); err == nil {
			s.Life, s.Kept = life, t.kept(life)
			all = append(all, s)
		}
	}
	return all
}

// settle waits until the server has nothing left to do and the checker nothing to
// complain about, at most until ctx ends; judge has the last word then.
func settle(ctx context.Context, o *options, rep *report, net *network, h *host, t *traffic) (err error) {
	a, err := openArchive(ctx, h.setup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	for told := ""; ; {
		doing, err := a.busy(ctx)
		if err == nil && doing == "" {
			var v verdict
			if v, err = compare(ctx, a, net, t); err == nil && len(v.Problems) == 0 {
				return nil
			}
			doing = fmt.Sprintf("%d things are not accounted for yet", len(v.Problems))
		}
		if doing != told && err == nil {
			o.progress("%s", doing)
			told = doing
		}
		if !sleep(ctx, time.Second) {
			return nil
		}
	}
}

// compare runs the checker on everything that is known now.
func compare(ctx context.Context, a *archive, net *network, t *traffic) (verdict, error) {
	f := t.book()
	var err error
	if f.Shown, err = net.all(); err != nil {
		return verdict{}, err
	}
	f.Wire = net.wires.all()
	if f.Rows, err = a.rows(ctx); err != nil {
		return verdict{}, err
	}
	return check(f), nil
}

// judge puts the report together from what is on disk after the server is gone.
func judge(ctx context.Context, rep *report, net *network, h *host, t *traffic, byes []goodbye) (err error) {
	a, err := openArchive(ctx, h.setup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if rep.verdict, err = compare(ctx, a, net, t); err != nil {
		return err
	}
	audit, err := a.audit(ctx)
	if err != nil {
		return err
	}
	rep.notes = append(rep.notes, rep.Problems...)
	for _, line := range audit {
		rep.notes = append(rep.notes, "ledger: "+line)
	}
	for _, bye := range byes {
		rep.Left += max(0, bye.After-bye.Before)
		if bye.After > bye.Before {
			rep.notes = append(rep.notes, fmt.Sprintf("goroutines left: %d\n%s", bye.After-bye.Before, bye.Left))
		}
		if bye.Err != "" {
			rep.notes = append(rep.notes, "server: "+bye.Err)
		}
	}
	for _, u := range net.sim.Unhandled() {
		rep.notes = append(rep.notes, "stanza that the network does not know: "+u.Reason)
	}
	if rep.Judged && !rep.Flat {
		rep.notes = append(rep.notes, fmt.Sprintf("memory: the heap grows by %.1f %% a minute", rep.Percent))
	}
	st := net.sim.Stats()
	rep.NetRetries, rep.Duplicates, rep.Logins = st.Retries, st.Duplicates, st.Logins
	rep.AnswersLost, rep.NotNow = t.lost, t.refused
	rep.PerSecond = float64(rep.Outbound+rep.Inbound) / 60 / rep.Minutes
	rep.Unaccounted = len(rep.notes)
	return nil
}

// flat gives the report as one JSON object, the faults among its fields.
func (r *report) flat() map[string]any {
	all := map[string]any{"bench": "soak"}
	for name, n := range r.faults {
		all["fault_"+name] = n
	}
	return all
}

// summary gives the faults in words.
func (r *report) summary() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.faults)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, r.faults[name]))
	}
	return strings.Join(parts, ", ")
}
