package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tidelinehq/tideline/internal/safehttp"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

// receive is the receiver: it reads each body and answers 200. The address is
// the first line that it prints.
func receive(ctx context.Context, _ *options) error {
	telemetry.TuneGC()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a sender that went away is no matter here
	})}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func startReceiver(ctx context.Context) (hookURL string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "--role", "receiver")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, fmt.Errorf("start the receiver: %w", err)
	}
	return "http://" + strings.TrimSpace(addr) + "/hook", func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, nil
}

// world is a workspace with webhooks.
type world struct {
	o      *options
	store  *sqlstore.Store
	client *safehttp.Client
	ws     tideline.Workspace
	acc    tideline.Account
	hook   tideline.Webhook
	n      int // messages received so far

	profile io.Writer // nil = none

	sample  []byte // a body as deliveries have it
	arrived atomic.Int64
	mu      sync.Mutex
	late    []time.Duration
	done    chan struct{}
	want    int64
}

func openWorld(ctx context.Context, database, hookURL string, o *options) (*world, error) {
	telemetry.TuneGC()
	st, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		return nil, err
	}
	w := &world{o: o, store: st, client: safehttp.New(safehttp.Config{
		Guard: safehttp.SandboxGuard(), Timeout: tideline.DeliveryTimeout, MaxBytes: 64 << 10, IdlePerHost: o.Parallel,
	})}
	now := time.Now()
	w.ws, _, err = st.CreateWorkspace(ctx, tideline.Workspace{
		Slug: "bench", DisplayName: "Bench", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: now,
	}, tideline.Member{Email: "owner@example.com", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: now})
	if err != nil {
		return nil, err
	}
	phone := tideline.Phone("+14841111111")
	if w.acc, err = st.PutAccount(ctx, tideline.Account{
		WorkspaceID: w.ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@" + tideline.ServerUser, Phone: phone, Name: "Front desk",
		State: tideline.AccountActive, ConnectedOn: now, CreatedAt: now,
	}); err != nil {
		return nil, err
	}
	for n := range o.Webhooks {
		w.hook, _, err = st.PutWebhook(ctx, tideline.Webhook{
			WorkspaceID: w.ws.ID, EventType: tideline.EventMessageReceived, URL: fmt.Sprintf("%s/%d", hookURL, n), Enabled: true,
			Secret: webhook.NewSecret(), CreatedAt: now, UpdatedAt: now,
		}, -1)
		if err != nil {
			return nil, err
		}
	}
	w.sample, err = w.renderer().Render(&store.EventView{
		Event:     tideline.Event{Kind: tideline.EventMessageReceived, At: now},
		Workspace: w.ws, Account: &store.AccountView{Account: w.acc},
		Chat:    &store.ChatView{Chat: tideline.Chat{ID: 1, Name: "Customer 1", JID: phone.JID(), Phone: phone}},
		Message: &store.MessageView{Message: tideline.Message{UID: uuid.NewString(), Text: text(1), SentAt: now, AcceptedAt: now, Origin: tideline.OriginWhatsApp}},
	}, tideline.EventMessageReceived)
	return w, err
}

func (w *world) renderer() *webhook.Renderer {
	return &webhook.Renderer{PublicURL: "https://wa.example.org", APIPath: "/integrations/api", Link: func(string) url.Values { return nil }}
}

func text(n int) string {
	return fmt.Sprintf("Good morning, I would like to know where my order %08d is. Thank you for your help.", n)
}

// customers receives n messages, of the chats in turn; at is asked for the time
// of each, and may wait for it.
func (w *world) customers(ctx context.Context, n, parallel int, at func(i int) time.Time) error {
	base := w.n
	w.n += n
	var wg sync.WaitGroup
	errs := make(chan error, parallel)
	for p := range parallel {
		wg.Go(func() {
			for i := p; i < n && ctx.Err() == nil; i += parallel {
				peer := tideline.Peer{JID: tideline.JID(fmt.Sprintf("1610555%04d@s.whatsapp.net", (base+i)%w.o.Chats)), Name: "Customer"}
				now := at(i)
				if _, err := w.store.Receive(ctx, store.Reception{
					WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chat: peer, Sender: peer, At: now, ReceivedAt: now,
					Message: &store.NewInbound{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: fmt.Sprintf("IN%012d", base+i), Kind: tideline.KindText, Text: text(base + i)},
				}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// raw posts o.Events signed bodies and gives the rate, and the processor time of
// one in microseconds.
func (w *world) raw(ctx context.Context) (rate, cpu float64, err error) {
	signer, err := standardwebhooks.NewWebhook(string(w.hook.Secret))
	if err != nil {
		return 0, 0, err
	}
	before, err := cpuTime()
	if err != nil {
		return 0, 0, err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, w.o.Parallel)
	began := time.Now()
	for range w.o.Parallel {
		wg.Go(func() {
			for next.Add(1) <= int64(w.o.Events) {
				if err := w.post(ctx, signer); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, 0, err
	default:
		took := time.Since(began)
		after, err := cpuTime()
		return w.perEvent(took, after-before, err)
	}
}

// perEvent gives the rate of o.Events in that time, and the processor time of one
// in microseconds.
func (w *world) perEvent(took, cpu time.Duration, err error) (float64, float64, error) {
	n := float64(w.o.Events)
	return n / took.Seconds(), cpu.Seconds() * 1e6 / n, err
}

func (w *world) post(ctx context.Context, signer *standardwebhooks.Webhook) error {
	id, now := uuid.Must(uuid.NewV7()).String(), time.Now()
	signed, err := signer.Sign(id, now, w.sample)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.hook.URL, bytes.NewReader(w.sample))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", signed)
	res, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// durable writes events first and then delivers them all; the rate, and the
// processor time of one in microseconds, are of the latter, until the last outcome
// is stored.
func (w *world) durable(ctx context.Context) (rate, cpu float64, err error) {
	began := time.Now()
	events := w.o.Events / w.o.Webhooks
	if err := w.customers(ctx, events, 64, func(int) time.Time { return began }); err != nil {
		return 0, 0, err
	}
	if w.profile != nil && w.n == events { // of the first round
		if err := pprof.StartCPUProfile(w.profile); err != nil {
			return 0, 0, err
		}
		defer pprof.StopCPUProfile()
	}
	before, err := cpuTime()
	if err != nil {
		return 0, 0, err
	}
	took, err := w.deliver(ctx, events*w.o.Webhooks, func() error { return nil })
	if err != nil {
		return 0, 0, err
	}
	after, err := cpuTime()
	return w.perEvent(took, after-before, err)
}

// steady has events come at a rate and gives how late they arrived, in ascending
// order.
func (w *world) steady(ctx context.Context) ([]time.Duration, error) {
	n := int(float64(w.o.Rate) * w.o.Steady.Seconds())
	w.mu.Lock()
	w.late = nil
	w.mu.Unlock()
	_, err := w.deliver(ctx, n*w.o.Webhooks, func() error {
		began := time.Now()
		return w.customers(ctx, n, 8, func(i int) time.Time {
			due := began.Add(time.Duration(i) * time.Second / time.Duration(w.o.Rate))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
			}
			return time.Now()
		})
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.late)
	return w.late, err
}

// deliver runs a dispatcher until n deliveries arrived and are stored. during is
// called once it runs.
func (w *world) deliver(ctx context.Context, n int, during func() error) (time.Duration, error) {
	w.arrived.Store(0)
	w.want, w.done = int64(n), make(chan struct{})
	d := webhook.NewDispatcher(webhook.Deps{
		Store: storage{w.store}, Poster: w.client, Renderer: w.renderer(), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Observer: w,
	}, webhook.Config{PerEndpoint: max(1, w.o.Parallel/w.o.Webhooks)})
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- d.Run(running) }()
	err := during()
	if err == nil {
		select {
		case <-w.done:
		case <-ctx.Done():
			err = fmt.Errorf("%d of %d arrived: %w", w.arrived.Load(), n, ctx.Err())
		}
	}
	cancel()
	err = errors.Join(err, <-ended) // which waits for the outcomes
	took := time.Since(began)
	if left, _, backlogErr := w.store.DeliveryBacklog(ctx); err == nil && (backlogErr != nil || left > 0) {
		err = errors.Join(fmt.Errorf("%d deliveries are left", left), backlogErr)
	}
	return took, err
}

// Delivered implements webhook.Observer.
func (w *world) Delivered(late, _ time.Duration) {
	w.mu.Lock()
	w.late = append(w.late, late)
	w.mu.Unlock()
	if w.arrived.Add(1) == w.want {
		close(w.done)
	}
}

// Failed implements webhook.Observer.
func (w *world) Failed(tideline.DeliveryState, time.Duration) {}

// storage hides OnEvents' rule to be called once: the benchmark makes several
// dispatchers, one after the other.
type storage struct{ *sqlstore.Store }
