package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

// faultKinds are what goes wrong in the network, with how often one is drawn.
// Not among them: messages that the server acknowledges and loses, and unlinked
// devices, whose queue is gone; both lose messages by WhatsApp's own doing.
var faultKinds = []struct {
	name   string
	weight int
	make   func(rnd *rand.Rand, account, customer string) []wasim.Fault
}{
	{"cut", 10, one(wasim.FaultCut)},
	{"cut_all", 1, func(*rand.Rand, string, string) []wasim.Fault { return []wasim.Fault{{Kind: wasim.FaultCut}} }},
	{"restart_all", 1, func(*rand.Rand, string, string) []wasim.Fault { return []wasim.Fault{{Kind: wasim.FaultRestart}} }},
	{"kick", 2, one(wasim.FaultKick)},
	{"drop_ack", 6, one(wasim.FaultDropAck)},
	{"delay_ack", 6, func(rnd *rand.Rand, account, _ string) []wasim.Fault {
		delay := 100*time.Millisecond + time.Duration(rnd.Int64N(int64(6*time.Second)))
		return []wasim.Fault{{Kind: wasim.FaultDelayAck, Number: account, Count: 1, Delay: delay}}
	}},
	{"refuse", 4, one(wasim.FaultRefuse)},
	{"drop_message", 6, one(wasim.FaultDropMessage)},
	{"cut_on_message", 6, one(wasim.FaultCutOnMessage)},
	{"cut_before_ack", 6, one(wasim.FaultCutBeforeAck)},
	{"fail_decrypt", 8, func(rnd *rand.Rand, _, customer string) []wasim.Fault {
		return []wasim.Fault{{Kind: wasim.FaultFailDecrypt, Number: customer, Count: 1 + rnd.IntN(2)}}
	}},
	{"drop_ping", 4, func(rnd *rand.Rand, account, _ string) []wasim.Fault {
		return []wasim.Fault{{Kind: wasim.FaultDropPing, Number: account, Count: 1 + rnd.IntN(2)}}
	}},
	{"refuse_connection", 2, func(rnd *rand.Rand, account, _ string) []wasim.Fault {
		return []wasim.Fault{{Kind: wasim.FaultRefuseConnection, Count: 1 + rnd.IntN(5)}, {Kind: wasim.FaultCut, Number: account}}
	}},
	{"refuse_login", 3, func(rnd *rand.Rand, account, _ string) []wasim.Fault {
		code := []int{500, 503}[rnd.IntN(2)]
		return []wasim.Fault{{Kind: wasim.FaultRefuseLogin, Number: account, Code: code, Count: 1}, {Kind: wasim.FaultCut, Number: account}}
	}},
	{"refuse_upload", 2, func(rnd *rand.Rand, _, _ string) []wasim.Fault {
		return []wasim.Fault{{Kind: wasim.FaultRefuseUpload, Code: 503, Count: 1 + rnd.IntN(2)}}
	}},
	{"refuse_download", 3, func(rnd *rand.Rand, _, _ string) []wasim.Fault {
		return []wasim.Fault{{Kind: wasim.FaultRefuseDownload, Code: 503, Count: 1 + rnd.IntN(3)}}
	}},
}

func one(kind wasim.FaultKind) func(*rand.Rand, string, string) []wasim.Fault {
	return func(_ *rand.Rand, account, _ string) []wasim.Fault {
		return []wasim.Fault{{Kind: kind, Number: account, Count: 1}}
	}
}

// The other faults, which hit the server's own process and its storage.
const (
	faultKill    = "server_kill"    // kill -9 and a new start
	faultReopen  = "server_reopen"  // an orderly stop and a new start
	faultStorage = "storage_locked" // nothing can be written for a while
)

// faults makes things go wrong at random.
type faults struct {
	net   *network
	host  *host
	every time.Duration // mean pause between two faults of the network
	lives time.Duration // mean pause between two ends of the server
	calm  time.Time     // from then on the server is left alive, so that its memory can be looked at
	// patient: there is time for storage to be away for longer than writers wait.
	patient bool

	mu     sync.Mutex
	counts map[string]int
	leaked []goodbye // servers that left goroutines
}

// run goes on until ctx ends, and then takes the faults back that have not
// struck. Its error is a server that did not start or stop.
func (f *faults) run(ctx context.Context, seed uint64) error {
	var running sync.WaitGroup
	errs := make([]error, 3)
	for i, fault := range []func(context.Context, *rand.Rand) error{f.network, f.servers, f.storage} {
		rnd := rand.New(rand.NewPCG(seed, 1000+uint64(i)))
		running.Go(func() { errs[i] = fault(ctx, rnd) })
	}
	running.Wait()
	f.net.sim.ClearFaults()
	return errors.Join(errs...)
}

func (f *faults) count(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[name]++
}

// after waits for a random time, on average mean; false when ctx ends.
func after(ctx context.Context, rnd *rand.Rand, mean time.Duration) bool {
	return sleep(ctx, time.Duration(rnd.Float64()*2*float64(mean)))
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *faults) network(ctx context.Context, rnd *rand.Rand) error {
	total := 0
	for _, k := range faultKinds {
		total += k.weight
	}
	for n := 0; after(ctx, rnd, f.every); n++ {
		dice, i := rnd.IntN(total), 0
		for ; dice >= faultKinds[i].weight; i++ {
			dice -= faultKinds[i].weight
		}
		account := f.net.accounts[rnd.IntN(len(f.net.accounts))]
		customer := f.net.customers[rnd.IntN(len(f.net.customers))]
		for _, fault := range faultKinds[i].make(rnd, account, customer) {
			if _, err := f.net.sim.SetFault(fault); err != nil { //nolint:contextcheck // what a fault does is the emulator's business
				return fmt.Errorf("fault %s: %w", faultKinds[i].name, err)
			}
		}
		f.count(faultKinds[i].name)
		if n%200 == 199 {
			f.net.sim.ClearFaults() // those that found nothing to strike
		}
	}
	return nil
}

// servers ends the server now and then, and starts another one.
func (f *faults) servers(ctx context.Context, rnd *rand.Rand) error {
	for n := 0; after(ctx, rnd, f.lives) && time.Now().Before(f.calm); n++ {
		if n%2 == 0 {
			f.count(faultKill)
			f.host.kill()
		} else {
			f.count(faultReopen)
			bye, err := f.host.stop()
			if err != nil {
				return err
			}
			if bye.Err != "" || bye.After > bye.Before {
				f.mu.Lock()
				f.leaked = append(f.leaked, bye)
				f.mu.Unlock()
			}
		}
		if err := f.host.start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// storage locks the databases as another program can: for a moment, during which
// writers wait, and once in a patient run for longer than they do.
func (f *faults) storage(ctx context.Context, rnd *rand.Rand) error {
	for n := 0; after(ctx, rnd, 10*f.every); n++ {
		d := 500*time.Millisecond + time.Duration(rnd.Int64N(int64(2*time.Second)))
		long := n == 2 && f.patient
		if long {
			d = 12 * time.Second // SQLite gives up after 10
		}
		f.count(faultStorage)
		if err := lockStorage(ctx, f.host.setup, d, !long && rnd.IntN(3) == 0); err != nil && ctx.Err() == nil {
			return fmt.Errorf("lock the database: %w", err)
		}
	}
	return nil
}

// lockStorage keeps writers out for d: of the file of sessions, or of everything
// else.
func lockStorage(ctx context.Context, s *setup, d time.Duration, sessions bool) (err error) {
	driver, dsn, lock := "sqlite", filepath.Join(s.Dir, "tideline.db"), []string{"BEGIN IMMEDIATE"}
	if sessions {
		dsn = filepath.Join(s.Dir, "whatsapp.db")
	}
	dsn = "file:" + (&url.URL{Path: dsn}).EscapedPath() + "?_pragma=busy_timeout(10000)"
	if s.Database != "" {
		driver, dsn, lock = "pgx", s.Database, []string{"BEGIN", "LOCK TABLE messages IN EXCLUSIVE MODE"}
		if sessions {
			lock[1] = "LOCK TABLE whatsmeow_sessions IN EXCLUSIVE MODE"
		}
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, statement := range lock {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			if strings.Contains(err.Error(), "database is locked") {
				return nil // the server was faster, all the time
			}
			return err
		}
	}
	sleep(ctx, d)
	_, err = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return err
}
