package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/bench/internal/fill"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/retention"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// period is a tenth of a year: how long messages are kept, and the length of a turn.
const period = 365 * 24 * time.Hour / 10

// world is a workspace whose clock the measurement turns.
type world struct {
	o       *options
	store   *sqlstore.Store
	blobs   *local.Store
	keeper  *retention.Service
	ws      tideline.Workspace
	acc     tideline.Account
	version int64
	start   time.Time
	deleted atomic.Int64
	serial  atomic.Int64
	pieces  []time.Duration // how long the transactions of a sweep took
}

// turn is what was measured in one period.
type turn struct {
	megabytes   float64
	stored      int
	rate        float64       // messages accepted in a second
	p99         time.Duration // of acceptances by all callers
	p99Quiet    time.Duration // of acceptances by a few callers
	p99Deleting time.Duration // of the same while old messages are deleted
	maxDeleting time.Duration
	deleted     int64
	piece       time.Duration // of the transactions that delete, the median
}

func open(ctx context.Context, database, dir string, o *options) (w *world, err error) {
	w = &world{o: o, start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if w.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: database}); err != nil {
		return nil, err
	}
	if w.blobs, err = local.Open(filepath.Join(dir, "files")); err != nil {
		return nil, errors.Join(err, w.store.Close())
	}
	unlimited := tideline.Unlimited
	w.ws, _, err = w.store.CreateWorkspace(ctx, tideline.Workspace{Slug: "growth", DisplayName: "Growth", TimeZone: "UTC", Credits: &unlimited,
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: w.start}, tideline.Member{Email: "a@b.c", DisplayName: "Owner", CreatedAt: w.start})
	if err == nil {
		w.acc, err = w.store.PutAccount(ctx, tideline.Account{WorkspaceID: w.ws.ID, JID: "14840000001@s.whatsapp.net", DeviceJID: "1@x",
			Phone: "+14840000001", Name: "Growth", CreatedAt: w.start})
	}
	if err == nil {
		err = w.store.SetRetention(ctx, w.ws.ID, tideline.Retention{Messages: tideline.Keep(period / (24 * time.Hour))}, w.start)
	}
	if err == nil {
		w.version, err = w.store.Version(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.keeper = retention.New(retention.Deps{Store: w.store, Blobs: w.blobs, Observer: counting{&w.deleted}}, retention.Config{
		Rest: func(ctx context.Context, took time.Duration) {
			w.pieces = append(w.pieces, took)
			_ = wait(ctx, min(took, 100*time.Millisecond)) // as the server does
		}})
	return w, nil
}

func (w *world) close() error { return errors.Join(w.blobs.Close(), w.store.Close()) }

// callerPause is how long each of the few callers beside a sweep waits between two
// messages: they are to measure, not to fill the database.
const callerPause = 20 * time.Millisecond

// counting counts deleted messages.
type counting struct{ n *atomic.Int64 }

func (c counting) Dropped(messages, _ int64)    { c.n.Add(messages) }
func (counting) DroppedFiles(int64, int64)      {}
func (counting) Archived(int, int64)            {}
func (counting) Oldest(string, time.Time)       {}
func (counting) Swept(time.Time, time.Duration) {}

// turn sends the messages of period i, deletes what is too old at its end while a few
// callers go on sending, and measures the database.
func (w *world) turn(ctx context.Context, i int) (t turn, err error) {
	begin := w.start.Add(time.Duration(i) * period)
	waits := make([]time.Duration, w.o.Messages)
	ids := make([]int64, w.o.Messages)
	began := time.Now()
	err = fill.InParallel(w.o.Workers, w.o.Messages, func(n int) error {
		asked := time.Now()
		id, err := w.accept(ctx, w.at(begin, n))
		waits[n], ids[n] = time.Since(asked), id
		return err
	})
	if err != nil {
		return t, err
	}
	t.rate = float64(w.o.Messages) / time.Since(began).Seconds()
	t.p99, _ = percentile(waits)
	err = fill.InParallel(w.o.Workers, w.o.Messages, func(n int) error { return w.settle(ctx, ids[n], w.at(begin, n)) })
	if err != nil {
		return t, err
	}
	before := w.deleted.Load()
	end := begin.Add(period)
	if t.p99Quiet, _, err = w.beside(ctx, end, func() error { return wait(ctx, time.Second) }); err != nil {
		return t, err
	}
	if t.p99Deleting, t.maxDeleting, err = w.beside(ctx, end, func() error { return w.keeper.Sweep(ctx, end) }); err != nil {
		return t, err
	}
	t.deleted = w.deleted.Load() - before
	slices.Sort(w.pieces)
	if len(w.pieces) > 0 {
		t.piece = w.pieces[len(w.pieces)/2]
	}
	w.pieces = w.pieces[:0]
	if err := errors.Join(w.fanOut(ctx, end), w.store.Prune(ctx, end)); err != nil {
		return t, err
	}
	t.stored = int(w.serial.Load()) - int(w.deleted.Load())
	t.megabytes, err = w.size(ctx)
	return t, err
}

// at spreads the messages of a period over it.
func (w *world) at(begin time.Time, n int) time.Time {
	return begin.Add(period / time.Duration(w.o.Messages) * time.Duration(n))
}

func (w *world) accept(ctx context.Context, at time.Time) (int64, error) {
	n := w.serial.Add(1)
	phone := tideline.Phone(fmt.Sprintf("+1555%07d", rand.IntN(w.o.Chats))) //nolint:gosec // which chat does not matter
	out := w.store.Accept(ctx, store.Acceptance{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Version: w.version, Grant: w.ws.Grant(), Location: time.UTC,
		Message: store.NewMessage{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: fmt.Sprintf("3EB0%012d", n),
			Text:   "Your table for two is ready. We hold it for fifteen minutes; answer here if you need longer, and ask for Ana at the door when you come.",
			Origin: tideline.OriginPublicAPI, Credits: 1, At: at},
		Chat: store.ChatRef{JID: phone.JID(), Phone: phone}})
	return out.MessageID, out.Err
}

func (w *world) settle(ctx context.Context, id int64, at time.Time) error {
	return w.store.Settle(ctx, store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: id, Status: tideline.StatusSent, At: at})
}

// fanOut passes all events, which no webhook wants, so that they can be deleted.
func (w *world) fanOut(ctx context.Context, now time.Time) error {
	for {
		page, err := w.store.UnsentEvents(ctx, 1000)
		if err != nil || page.From == page.To {
			return err
		}
		if _, err := w.store.PutDeliveries(ctx, page, store.Deliveries{}, now); err != nil {
			return err
		}
	}
}

// wait waits for d, or less when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// beside calls do beside a few callers that send all along, and gives how long these
// waited.
func (w *world) beside(ctx context.Context, now time.Time, do func() error) (p99, longest time.Duration, err error) {
	done := make(chan struct{})
	var mu sync.Mutex
	var waits []time.Duration
	var errs []error
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(callerPause):
				}
				asked := time.Now()
				id, err := w.accept(ctx, now)
				took := time.Since(asked)
				if err == nil {
					err = w.settle(ctx, id, now)
				}
				mu.Lock()
				waits, errs = append(waits, took), append(errs, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	err = do()
	close(done)
	wg.Wait()
	p99, longest = percentile(waits)
	return p99, longest, errors.Join(append(errs, err)...)
}

// size is what the database takes on the disk, in MB.
func (w *world) size(ctx context.Context) (float64, error) {
	n, err := w.store.Size(ctx)
	return float64(n) / 1e6, err
}

func percentile(waits []time.Duration) (p99, longest time.Duration) {
	if len(waits) == 0 {
		return 0, 0
	}
	slices.Sort(waits)
	return waits[len(waits)*99/100], waits[len(waits)-1]
}

// median is that of the turns' rates.
func median(turns []turn) float64 {
	rates := make([]float64, len(turns))
	for i, t := range turns {
		rates[i] = t.rate
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}
