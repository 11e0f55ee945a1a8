package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// tried is how an attempt went.
type tried struct {
	store.Attempt
	retryAfter time.Duration // what a 429 or 503 asked for; 0 = nothing
}

func (t *tried) ok() bool { return t.StatusCode/100 == 2 && t.Error == "" }

// fly starts the attempt of a line's first delivery. extra says that it took one
// of the slots. e.mu must be held.
func (e *endpoint) fly(ctx context.Context, l *line, extra bool) {
	e.board(l)
	e.d.attempts.Go(func() { e.work(ctx, l, extra) })
}

// board takes a line out of the choice of next. e.mu must be held.
func (e *endpoint) board(l *line) {
	e.turns.remove(l)
	l.busy = true
	e.flying++
}

// work makes the attempt of a line's first delivery, and then those of others for
// as long as there are: while all goes well the loop has nothing to do with it.
func (e *endpoint) work(ctx context.Context, l *line, extra bool) {
	for l != nil {
		e.mu.Lock()
		it, hook := l.items[0], e.hook // as it is now
		e.mu.Unlock()
		got := e.d.post(e.d.attemptCx, &hook, &it.Delivery) //nolint:contextcheck // an attempt outlives the loop, see Config.Drain
		if extra {
			<-e.d.slots
		}
		if e.d.attemptCx.Err() != nil && !got.ok() {
			return // cut off because the server stops: the receiver is not to blame
		}
		out := e.judge(ctx, l, it, &got)
		e.d.outcomes.put(ended{e: e, line: l, item: it, out: out})
		l, extra = e.another(ctx, &out)
	}
}

// another gives the line whose turn it is after an attempt, and whether it took
// a slot; nil when there is none, or when the loop has to look first.
func (e *endpoint) another(ctx context.Context, out *store.Outcome) (l *line, extra bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	look := out.State != tideline.DeliveryDelivered || out.Circuit != nil || e.update != nil || e.reread || !e.hook.Enabled
	if !look && ctx.Err() == nil {
		if l, _ = e.next(time.Now()); l != nil {
			if extra = e.flying > 0; extra && !e.d.slot() {
				l = nil
			}
		}
	}
	if l != nil {
		e.board(l)
	}
	if l == nil || e.flying < e.health.slots() {
		signal(e.news)
	}
	return l, extra
}

// judge decides what follows from an attempt, for the delivery and for the
// endpoint.
func (e *endpoint) judge(ctx context.Context, l *line, it *item, got *tried) store.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := got.At.Add(got.Duration)
	e.flying--
	e.ending++
	it.Attempts++
	last := it.tried
	it.tried = now
	out := store.Outcome{
		WorkspaceID: e.hook.WorkspaceID, WebhookID: e.id, DeliveryID: it.ID, Attempt: &got.Attempt, At: now,
	}
	if got.ok() {
		out.State = tideline.DeliveryDelivered
		if e.health.circuit.Failures > 0 {
			out.Circuit = &tideline.Circuit{}
		}
		if e.health.succeeded(now, got.Duration, e.d.cfg.PerEndpoint) {
			e.d.deps.Log.InfoContext(ctx, "endpoint works again", "webhook", e.id)
			e.release(now)
		}
		e.leave(l)
		e.d.deps.Observer.Delivered(now.Sub(it.EventAt), got.Duration)
		return out
	}
	if !last.IsZero() && !e.health.success.Before(last) {
		it.blame++
	}
	it.Note = got.Error
	out.Note = got.Error
	out.Failed = it.Attempts == tideline.QuickAttempts
	wasOpen := e.health.circuit.Open()
	if !l.aside || wasOpen { // while the endpoint works, what was set aside proves nothing about it
		e.health.failed(now, it.ChatID, got.retryAfter, e.d.deps.Random)
	}
	circuit := e.health.circuit
	out.Circuit = &circuit
	if circuit.Open() && !wasOpen {
		e.d.deps.Log.WarnContext(ctx, "endpoint is down; its deliveries are held", "webhook", e.id, "failures", circuit.Failures)
	}
	next, more := tideline.NextAttempt(it.MadeAt, now, it.Attempts, got.retryAfter, e.d.deps.Random)
	out.State, out.DueAt = it.State, next
	switch {
	case !more:
		out.State, out.Note = tideline.DeliveryDead, "given up: "+got.Error
	case got.StatusCode == http.StatusGone:
		out.Disable = "the receiver answered 410 Gone"
	case it.Attempts >= tideline.QuickAttempts && e.toBlame(it, got, now):
		out.State = tideline.DeliveryAside
	}
	if out.State != tideline.DeliveryWaiting || l.aside {
		e.leave(l)
	}
	it.DueAt = out.DueAt
	e.d.deps.Observer.Failed(out.State, got.Duration)
	return out
}

// toBlame reports whether a delivery that failed is itself to blame: its endpoint
// took others between its attempts, or said that it is this one that it doesn't
// want, or has answered for long and never taken it.
func (e *endpoint) toBlame(it *item, got *tried, now time.Time) bool {
	return it.blame >= tideline.QuickAttempts-1 || refusesContent(got.StatusCode) ||
		answers(got.StatusCode) && now.Sub(it.MadeAt) >= doubt
}

// leave takes the first delivery out of its line, so that the next one may go.
// e.mu must be held.
func (e *endpoint) leave(l *line) {
	e.turns.remove(l)
	l.busy = false
	l.items[0] = nil
	l.items = l.items[1:]
	if len(l.items) == 0 {
		e.unlist(l)
		return
	}
	e.turns.put(l)
}

// release lets go what was held while the endpoint was down. e.mu must be held.
func (e *endpoint) release(now time.Time) {
	for _, l := range e.lines {
		if !l.aside {
			l.items[0].DueAt = now
		}
	}
	e.unread = true
}

// expire gives up what is over while the endpoint is down, without asking it
// once more for each. e.mu must be held.
func (e *endpoint) expire(now time.Time) {
	if !e.health.circuit.Open() {
		return
	}
	for _, l := range slices.Clone(e.lines) {
		it := l.items[0]
		if l.busy || now.Before(it.MadeAt.Add(tideline.DeliveryWindow)) {
			continue
		}
		e.leave(l)
		e.ending++
		e.d.outcomes.put(ended{e: e, line: l, item: it, out: store.Outcome{
			WorkspaceID: e.hook.WorkspaceID, WebhookID: e.id, DeliveryID: it.ID, At: now,
			State: tideline.DeliveryDead, Note: "given up: the receiver was down all the time",
		}})
	}
}

// settled notes that an outcome is stored.
func (e *endpoint) settled(l *line, it *item, out *store.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ending--
	e.reread = e.reread || out.Disable != ""
	if out.State == tideline.DeliveryWaiting && !l.aside {
		l.busy = false // it stays the first of its line
		e.turns.put(l)
	} else {
		e.stored = append(e.stored, it.ID)
		if out.State == tideline.DeliveryAside {
			e.lookAside(out.DueAt)
		}
	}
	signal(e.news)
}

// post makes one request.
func (d *Dispatcher) post(ctx context.Context, hook *tideline.Webhook, v *store.Delivery) tried {
	got := tried{Attempt: store.Attempt{At: time.Now()}}
	err := d.exchange(ctx, hook, v, &got)
	got.Duration = time.Since(got.At)
	switch {
	case err != nil:
		got.Error = clip(err.Error())
	case got.StatusCode/100 == 3:
		got.Error = fmt.Sprintf("%d %s: redirects are not followed", got.StatusCode, http.StatusText(got.StatusCode))
	case got.StatusCode/100 != 2:
		got.Error = strings.TrimSpace(fmt.Sprintf("%d %s", got.StatusCode, http.StatusText(got.StatusCode)))
	}
	return got
}

func (d *Dispatcher) exchange(ctx context.Context, hook *tideline.Webhook, v *store.Delivery, got *tried) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(v.Body))
	if err != nil {
		return fmt.Errorf("the URL can't be used: change it")
	}
	signed, err := signature(hook.Secrets(got.At), v.EventUID, got.At, v.Body)
	if err != nil {
		return err
	}
	r.Header = http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {d.cfg.UserAgent},
		"Webhook-Id":        {v.EventUID},
		"Webhook-Timestamp": {strconv.FormatInt(got.At.Unix(), 10)},
		"Webhook-Signature": {signed},
	}
	got.Request = requestText(r)
	res, err := d.deps.Poster.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got.StatusCode = res.StatusCode
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		got.retryAfter = retryAfter(res.Header.Get("Retry-After"), got.At)
	}
	// The answer's status counts, whatever happens to its body. What little more
	// there is is read, so that the connection can be used again.
	body, _ := io.ReadAll(io.LimitReader(res.Body, store.MaxAttemptText))
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 16<<10))
	got.Response = responseText(res, body)
	return nil
}

// retryAfter reads a Retry-After header, in seconds or as a date; 0 = none.
func retryAfter(value string, now time.Time) time.Duration {
	if s, err := strconv.ParseInt(value, 10, 32); err == nil {
		return min(max(0, time.Duration(s)*time.Second), maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// usualText is what the text of most requests and answers fits in, in bytes.
const usualText = 512

// requestText writes what was sent for the log: without user, password and query
// of the URL, where people put secrets.
func requestText(r *http.Request) string {
	at := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}
	var b strings.Builder
	b.Grow(usualText)
	b.WriteString("POST ")
	b.WriteString(at.String())
	if r.URL.RawQuery != "" {
		b.WriteString("?…")
	}
	b.WriteByte('\n')
	headerText(&b, r.Header)
	return clip(b.String())
}

func responseText(res *http.Response, body []byte) string {
	var b strings.Builder
	b.Grow(usualText)
	b.WriteString(res.Proto)
	b.WriteByte(' ')
	b.WriteString(res.Status)
	b.WriteByte('\n')
	headerText(&b, res.Header)
	b.WriteByte('\n')
	b.Write(body)
	return clip(b.String())
}

func headerText(b *strings.Builder, h http.Header) {
	names := make([]string, 0, 16)
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			b.WriteString(name)
			b.WriteString(": ")
			b.WriteString(v)
			b.WriteByte('\n')
		}
	}
}

// clip makes text fit for storage: UTF-8 without U+0000 of at most
// store.MaxAttemptText bytes.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) <= store.MaxAttemptText {
		return s
	}
	return strings.ToValidUTF8(s[:store.MaxAttemptText], "") // half a character at the end goes
}
