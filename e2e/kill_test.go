package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

// The shape of the kill test. Kills and tries are per database.
const (
	kills            = 26        // of a server that was ready and at work
	killTries        = 3 * kills // at most; the others hit a server while it starts
	accountsPerSite  = 3
	clientsPerNumber = 2
	minGap           = 20 * time.Millisecond
	maxGap           = 60 * time.Millisecond
	// clockGrain is what the phones' clock, which shows whole milliseconds, may take
	// off a gap.
	clockGrain = time.Millisecond
)

// TestPromise1KilledServerLosesNothing kills the server at random moments, also
// while it starts, under concurrent load, again and again. Whoever got an answer
// must find the message on the phone; whoever got none asks again with the same
// key. What reached the phones must be each message once (promise 3), in order
// and no closer than the gap (promise 4), and paid for once (promise 5).
func TestPromise1KilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		crowd := prepare(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		crowd.begin(ctx, t)
		tries := 0
		for killed := 0; killed < kills; tries++ {
			if tries == killTries {
				t.Fatalf("only %d of %d kills hit a server at work, want %d", killed, tries, kills)
			}
			if crowd.round(ctx, t, s) {
				killed++
			}
		}
		t.Logf("%d kills of a server at work, %d while it started", kills, tries-kills)
		srv := s.start(t)
		crowd.switchTo(srv)
		crowd.finish(t)
		srv.drained(t)
		crowd.verify(t, srv)
		srv.stop(t)
		s.healthy(t)
	})
}

// crowd is a number of clients that send all the time, each through one account
// to one customer, one message after the other.
type crowd struct {
	senders []*sender
	ending  chan struct{} // closed when no more messages are to be begun
	done    sync.WaitGroup

	rush     atomic.Bool   // don't think between two messages
	ailing   atomic.Bool   // the server may answer that it can store nothing (503)
	accepted atomic.Int64  // messages so far
	refused  atomic.Int64  // answers of 503 so far
	beat     chan struct{} // capacity 1: accepted or refused grew

	mu      sync.Mutex
	api     *client.Client // of the server that is up; nil = none is
	changed chan struct{}  // closed and replaced when api changes
}

// sender is one client, and what it was told was accepted, in order.
type sender struct {
	name         string
	account, to  string
	texts        []string // accepted
	uids         []string
	lost, replay int // answers that didn't come; answers given again
}

// prepare sets up a site with accounts, customers and a short gap, and kills its
// first server.
func prepare(t *testing.T, s site) *crowd {
	t.Helper()
	srv := s.start(t)
	s.must(t, "workspace", "set", "--gap", fmt.Sprintf("%s-%s", minGap, maxGap))
	c := &crowd{ending: make(chan struct{}), beat: make(chan struct{}, 1), changed: make(chan struct{})}
	for i := range accountsPerSite {
		account, customer := fmt.Sprintf("+1484000%04d", i), fmt.Sprintf("+1484000%04d", 1000+i)
		if account != accountNumber {
			srv.pair(t, account)
		}
		srv.addPhone(t, customer)
		for j := range clientsPerNumber {
			c.senders = append(c.senders, &sender{name: fmt.Sprintf("client %d.%d", i, j), account: account, to: customer})
		}
	}
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	srv.http.CloseIdleConnections()
	return c
}

// round is one life of the server. It reports whether the server was ready and
// at work, answering clients that had more to send, when it was killed.
func (c *crowd) round(ctx context.Context, t *testing.T, s site) bool {
	t.Helper()
	p := s.launch(t)
	defer func() {
		if strings.Contains(p.Stderr(), "DATA RACE") {
			t.Errorf("data race:\n%s", p.Stderr())
		}
	}()
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	starting := wait
	if rand.IntN(4) == 0 { // don't wait: kill it while it starts, or soon after
		early, stop := context.WithTimeout(wait, rand.N(1200*time.Millisecond))
		defer stop()
		starting = early
	}
	srv, err := s.ready(starting, p)
	if err != nil && (starting == wait || !errors.Is(err, context.DeadlineExceeded)) {
		t.Errorf("the server did not start again: %v", err)
	}
	if err == nil {
		c.switchTo(srv)
		c.progress(wait, t)
		<-time.After(rand.N(300 * time.Millisecond)) // a random moment, not a wait for something
		c.rush.Store(true)                           // let it die with its hands full
		<-time.After(rand.N(15 * time.Millisecond))
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	c.rush.Store(false)
	c.switchTo(nil)
	if srv != nil {
		srv.http.CloseIdleConnections()
	}
	return err == nil
}

// progress waits until the clients got a few more answers, at least one.
func (c *crowd) progress(ctx context.Context, t *testing.T) {
	t.Helper()
	for goal := c.accepted.Load() + 1 + rand.Int64N(12); c.accepted.Load() < goal; {
		select {
		case <-c.beat:
		case <-ctx.Done():
			t.Fatal("the server is up, and the clients get no answers")
		}
	}
}

// switchTo tells the clients which server is up; nil = none.
func (c *crowd) switchTo(srv *server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api = nil
	if srv != nil {
		c.api = srv.api
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// server waits until one is up.
func (c *crowd) server(ctx context.Context) (*client.Client, error) {
	for {
		c.mu.Lock()
		api, changed := c.api, c.changed
		c.mu.Unlock()
		if api != nil {
			return api, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin lets the clients send until finish.
func (c *crowd) begin(ctx context.Context, t *testing.T) {
	for _, s := range c.senders {
		c.done.Go(func() {
			for n := 0; ; n++ {
				think := rand.N(150 * time.Millisecond)
				if c.rush.Load() {
					think = 0
				}
				select {
				case <-c.ending:
					return
				case <-time.After(think): // not a wait for something
				}
				if err := c.sendOne(ctx, s, n); err != nil {
					t.Errorf("%s: %v", s.name, err)
					return
				}
			}
		})
	}
}

// sendOne sends a message until it is answered, by whichever server is up.
func (c *crowd) sendOne(ctx context.Context, s *sender, n int) error {
	m := client.Message{
		Phone: s.to, AccountPhone: s.account, Text: fmt.Sprintf("%s message %d", s.name, n),
		IdempotencyKey: fmt.Sprintf("%s-%d", strings.ReplaceAll(s.name, " ", "-"), n),
	}
	for {
		api, err := c.server(ctx)
		if err != nil {
			return err
		}
		sent, err := api.Send(ctx, m)
		if err == nil {
			s.texts, s.uids = append(s.texts, m.Text), append(s.uids, sent.MessageUID)
			if sent.Replayed {
				s.replay++
			}
			c.accepted.Add(1)
			select {
			case c.beat <- struct{}{}:
			default:
			}
			return nil
		}
		refusal, refused := errors.AsType[*client.Error](err)
		if refused && refusal.Status == http.StatusServiceUnavailable && c.ailing.Load() {
			c.refused.Add(1)
			select {
			case c.beat <- struct{}{}:
			default:
			}
		} else if refused {
			return fmt.Errorf("a running server refused %q: %w", m.Text, refusal)
		}
		s.lost++
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finish lets every client finish its message.
func (c *crowd) finish(t *testing.T) {
	t.Helper()
	close(c.ending)
	finished := make(chan struct{})
	go func() { c.done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(patience):
		t.Fatal("the clients don't get their answers")
	}
}

var queuedMetric = regexp.MustCompile(`(?m)^tideline_outbox_messages (\S+)$`)

// drained waits until the outbox is empty.
func (s *server) drained(t *testing.T) {
	t.Helper()
	eventually(t, "the outbox is empty", func(ctx context.Context) (bool, string) {
		text, err := s.fetch(ctx, "/metrics")
		if err != nil {
			return false, err.Error()
		}
		match := queuedMetric.FindStringSubmatch(text)
		if match == nil {
			return false, "no metric"
		}
		n, err := strconv.ParseFloat(match[1], 64)
		return err == nil && n == 0, match[1] + " messages"
	})
}

// verify compares what the clients were told with what the phones show.
func (c *crowd) verify(t *testing.T, srv *server) {
	t.Helper()
	accepted, lost, replays, resent := 0, 0, 0, 0
	for i := range accountsPerSite {
		mine := c.senders[i*clientsPerNumber : (i+1)*clientsPerNumber]
		log, err := srv.received(t.Context(), mine[0].to)
		if err != nil {
			t.Fatal(err)
		}
		checkOnceEach(t, mine, log)
		checkOrder(t, mine, log)
		checkGaps(t, log)
		for _, m := range log {
			resent += m.Attempts - 1
		}
		for _, s := range mine {
			accepted, lost, replays = accepted+len(s.texts), lost+s.lost, replays+s.replay
			srv.awaitHistory(t, s.uids[len(s.uids)-1], "Sent", "Delivered", "Read")
		}
	}
	quotas, err := srv.api.Quotas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if quotas.Messages.Used != int64(accepted) {
		t.Errorf("%d credits were used for %d messages", quotas.Messages.Used, accepted)
	}
	t.Logf("%d messages accepted, %d answers lost, %d given again, %d messages sent again", accepted, lost, replays, resent)
	if accepted < kills*len(c.senders)/4 || lost == 0 {
		t.Errorf("%d messages and %d lost answers are too few to prove anything", accepted, lost)
	}
}

// checkOnceEach reports messages that are missing on the phone, there twice, or
// there although no one was told that they were accepted.
func checkOnceEach(t *testing.T, senders []*sender, log []wasim.Received) {
	t.Helper()
	shown, ids := map[string]int{}, map[string]int{}
	for _, m := range log {
		shown[m.Text]++
		ids[m.ID]++
	}
	total := 0
	for _, s := range senders {
		total += len(s.texts)
		for i, text := range s.texts {
			if shown[text] != 1 {
				t.Errorf("accepted message %q (%s) is on the phone %d times", text, s.uids[i], shown[text])
			}
		}
	}
	if len(log) != total || len(ids) != total {
		t.Errorf("the phone shows %d messages with %d ids, %d were accepted", len(log), len(ids), total)
	}
}

// checkOrder reports messages that overtook one that its sender had sent before.
func checkOrder(t *testing.T, senders []*sender, log []wasim.Received) {
	t.Helper()
	for _, s := range senders {
		n := 0
		for _, m := range log {
			if !strings.HasPrefix(m.Text, s.name+" ") {
				continue
			}
			if n < len(s.texts) && m.Text != s.texts[n] {
				t.Errorf("%q came where %q was due", m.Text, s.texts[n])
				break
			}
			n++
		}
	}
}

// checkGaps reports messages of one account that came too soon one after the other.
func checkGaps(t *testing.T, log []wasim.Received) {
	t.Helper()
	for i := 1; i < len(log); i++ {
		checkGap(t, log[i-1], log[i], minGap)
	}
}
