package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/bench/internal/load"
	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/bench/internal/null"
	"github.com/tidelinehq/tideline/bench/internal/procstat"
	"github.com/tidelinehq/tideline/client"
)

const (
	nullRole = "null handler"
	variants = 4096 // of requests
	// streams is how many pages a member has open here; the server allows 24.
	streams = 20
	gapMin  = time.Second
	gapMax  = 3 * time.Second
	calm    = 3 * time.Second // after the load that shows what is possible at most
)

func account(i int) string  { return fmt.Sprintf("+1484%07d", 1000000+i) }
func customer(i int) string { return fmt.Sprintf("+1610%07d", 2000000+i) }

// caller is the customer whose chat a page has open. Programs don't write to them.
func caller(page int) string { return fmt.Sprintf("+1720%07d", 3000000+page) }

func numbers(n int, number func(int) string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = number(i)
	}
	return all
}

// serveNull is the process of the null handler.
func serveNull(ctx context.Context) error {
	return serveHTTP(ctx, null.Handler(node.Token), func(addr string) error { return child.Ready(addr) })
}

// serveHTTP serves h on a free port of loopback until ctx ends, and says where.
func serveHTTP(ctx context.Context, h http.Handler, say func(addr string) error) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := say(l.Addr().String()); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// world is everything that takes part.
type world struct {
	o    *options
	net  *network.Network
	node *node.Node
	null string // address
	page *pages

	requests [][]byte
}

// measure builds the world and measures it.
func measure(ctx context.Context, o *options) (r result, err error) {
	dir, err := os.MkdirTemp("", "tideline-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{o: o, requests: requests(o)}
	if w.net, err = network.Start(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.net.Stop()) }()
	nothing, err := child.Start(ctx, nullRole, nil, &w.null)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, nothing.Stop()) }()

	hooks, stopHooks := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stopHooks()
	where := make(chan string, 1)
	running.Go(func() {
		_ = serveHTTP(hooks, http.HandlerFunc(receive), func(addr string) error { where <- addr; return nil }) // without it deliveries fail, which shows
	})
	if w.node, err = node.Start(ctx, node.Setup{
		Dir: dir, Database: o.Database, Network: w.net.Where, GapMin: gapMin, GapMax: gapMax,
		Webhook: "http://" + <-where + "/hook", Members: (o.Pages + streams - 1) / streams,
	}); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.node.Stop()) }()
	for _, number := range append(numbers(o.Customers, customer), numbers(o.Pages, caller)...) {
		if err := w.net.AddPhone(ctx, number); err != nil {
			return r, err
		}
	}
	if err := w.node.Pair(ctx, w.net.Where, numbers(o.Accounts, account)); err != nil {
		return r, err
	}
	return w.run(ctx)
}

// receive is the webhook's receiver: it reads the body and answers 200.
func receive(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a sender that went away is no matter here
}

// run starts the background and measures beside it.
func (w *world) run(ctx context.Context) (r result, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Every chat is there, and each account has something to send.
	if _, err := load.RunPaced(ctx, w.node.Addr, w.o.Conns, 1000, 2*time.Second, w.requests); err != nil {
		return r, err
	}
	w.page = newPages(w.node.Addr)
	chats, err := w.callOnce(ctx)
	if err != nil {
		return r, err
	}
	background, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.page.open(background, chats, w.node.Sessions); err != nil {
			cancel(err)
		}
	})
	people := []network.People{{Customers: numbers(w.o.Customers, customer), Accounts: numbers(w.o.Accounts, account), PerSecond: w.o.People}}
	for i := range w.o.Pages {
		people = append(people, w.caller(i))
	}
	for _, p := range people {
		p.For = time.Duration(w.o.Seconds) * time.Second
		running.Go(func() {
			if _, err := w.net.Write(background, p); err != nil && background.Err() == nil {
				cancel(fmt.Errorf("people write: %w", err))
			}
		})
	}
	r, err = w.rounds(ctx)
	end()
	running.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil && !ended(cause) {
		err = cause
	}
	return r, err
}

// caller writes to the chat that a page has open, once a second.
func (w *world) caller(page int) network.People {
	return network.People{Customers: []string{caller(page)}, Accounts: []string{account(page % w.o.Accounts)}, PerSecond: 1}
}

// callOnce makes the chats that pages will have open, and gives them.
func (w *world) callOnce(ctx context.Context) ([]int64, error) {
	api, err := client.New("http://"+w.node.Addr, node.Token, client.WithHTTPClient(w.page.http))
	if err != nil {
		return nil, err
	}
	var ids []int64
	for i := range w.o.Pages {
		p := w.caller(i)
		p.For = time.Second // one message
		if _, err := w.net.Write(ctx, p); err != nil {
			return nil, err
		}
		if err := w.node.AwaitReceived(ctx, int64(i+1)); err != nil {
			return nil, err
		}
		chats, _, err := api.Chats(ctx, client.ChatFilter{Phone: caller(i)})
		if err != nil || len(chats) != 1 {
			return nil, fmt.Errorf("%d chats with %s: %w", len(chats), caller(i), err)
		}
		ids = append(ids, chats[0].ID)
	}
	return ids, nil
}

// rounds finds the rate and measures slices in turns.
func (w *world) rounds(ctx context.Context) (r result, err error) {
	r = result{Accounts: w.o.Accounts, Pages: w.o.Pages, PerSecond: w.o.Rate}
	most, err := load.Run(ctx, w.node.Addr, w.o.Conns, 3*time.Second, w.requests)
	if err = errors.Join(err, refused(most)); err != nil {
		return r, err
	}
	// What piled up meanwhile is not what half the load does.
	select {
	case <-time.After(calm):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	r.MostPerSecond = most.Rate()
	if r.PerSecond == 0 {
		r.PerSecond = r.MostPerSecond / 2
	}
	var accepted, nothing, ratios []time.Duration
	var serverCPU, netCPU, took time.Duration
	for range w.o.Rounds {
		before, err := w.cpu()
		if err != nil {
			return r, err
		}
		if err := w.record(ctx, true); err != nil {
			return r, err
		}
		mine, err := load.RunPaced(ctx, w.node.Addr, w.o.Conns, r.PerSecond, w.o.Slice, w.requests)
		if err = errors.Join(err, refused(mine), w.record(ctx, false)); err != nil {
			return r, err
		}
		after, err := w.cpu()
		if err != nil {
			return r, err
		}
		serverCPU, netCPU, took = serverCPU+after[0]-before[0], netCPU+after[1]-before[1], took+mine.Took
		other, err := load.RunPaced(ctx, w.null, w.o.Conns, r.PerSecond, w.o.Slice, w.requests)
		if err = errors.Join(err, refused(other)); err != nil {
			return r, err
		}
		accepted, nothing = append(accepted, mine.Latency...), append(nothing, other.Latency...)
		ratios = append(ratios, time.Duration(float64(time.Second)*float64(mine.Quantile(0.99))/float64(other.Quantile(0.99))))
		r.Rounds++
	}
	r.AcceptP50, r.AcceptP95, r.AcceptP99 = quantile(accepted, 0.5), quantile(accepted, 0.95), quantile(accepted, 0.99)
	r.NullP99, r.P99OverNull = quantile(nothing, 0.99), quantile(ratios, 0.5)/1000
	r.ServerCPU, r.EmulatorCPU = serverCPU.Seconds()/took.Seconds(), netCPU.Seconds()/took.Seconds()
	return r, w.look(ctx, &r)
}

// look takes over what the server and the pages counted.
func (w *world) look(ctx context.Context, r *result) error {
	s, err := w.node.State(ctx, false, false)
	if err != nil {
		return err
	}
	r.Sends, r.LatenessP50, r.LatenessP99, r.LatenessMax = s.Lateness.N, s.Lateness.P50, s.Lateness.P99, s.Lateness.Max
	r.Deliveries, r.DeliveryP50, r.DeliveryP95, r.DeliveryP99 = s.Delivery.N, s.Delivery.P50, s.Delivery.P95, s.Delivery.P99
	list, written := w.page.list.Spread(), w.page.written.Spread()
	r.Lists, r.ListP50, r.ListP95 = list.N, list.P50, list.P95
	r.OnPages, r.OnPageP50, r.OnPageP95 = written.N, written.P50, written.P95
	r.Receipts, r.Received, r.Failed, r.LogLines = s.Receipts, s.Received, s.Failed, s.Errors
	switch {
	case s.Failed > 0:
		return fmt.Errorf("%d messages failed", s.Failed)
	case r.Sends == 0 || r.Deliveries == 0 || r.OnPages == 0 && r.Pages > 0:
		return fmt.Errorf("nothing happened beside the requests: %d sends, %d deliveries, %d messages on pages; take more time (--slice)", r.Sends, r.Deliveries, r.OnPages)
	}
	return nil
}

// record says whether what happens counts.
func (w *world) record(ctx context.Context, on bool) error {
	w.page.recording.Store(on)
	return w.node.Record(ctx, on)
}

// cpu is the processor time of the server and of the network so far.
func (w *world) cpu() (used [2]time.Duration, err error) {
	for i, pid := range []int{w.node.PID(), w.net.PID()} {
		st, err := procstat.Read(pid)
		if err != nil {
			return used, err
		}
		used[i] = st.CPU
	}
	return used, nil
}

// refused is an error when an answer was not 200.
func refused(r load.Result) error {
	if r.Failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d requests failed: %s", r.Failed, r.Requests, r.Sample)
}

// quantile sorts and gives one, in milliseconds.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000
}

// requests are POST /messages from every account to every customer.
func requests(o *options) [][]byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	all := make([][]byte, variants)
	for i := range all {
		text := (fmt.Sprintf("Your order %08d has left our warehouse. ", i) + strings.Repeat("Thank you for your trust in us. ", 4))[:160]
		body := fmt.Sprintf(`{"phone":%q,"whatsapp_account_phone":%q,"text":%q}`, customer(rnd.IntN(o.Customers)), account(i%o.Accounts), text)
		all[i] = fmt.Appendf(nil, "POST /integrations/api/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			node.Token, len(body), body)
	}
	return all
}
