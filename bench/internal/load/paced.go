package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// RunPaced sends perSecond requests a second to addr for d, whether or not the
// server keeps up. Each request has a time at which it is due, and its latency
// counts from then: while the server is slow, the requests that have to wait for a
// connection are late too, and show it. conns is how many can be under way.
func RunPaced(ctx context.Context, addr string, conns int, perSecond float64, d time.Duration, requests [][]byte) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d+30*time.Second)
	defer cancel()
	var (
		next  atomic.Int64
		mu    sync.Mutex
		total Result
		errs  []error
		wg    sync.WaitGroup
	)
	count := int64(perSecond * d.Seconds())
	open := make([]net.Conn, conns)
	for i := range open {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return Result{}, fmt.Errorf("connect: %w", err)
		}
		defer func() { _ = c.Close() }()
		open[i] = c
	}
	start := time.Now()
	for _, c := range open {
		wg.Go(func() {
			r, err := drivePaced(ctx, c, func() (time.Time, []byte, bool) {
				i := next.Add(1) - 1
				return start.Add(time.Duration(float64(i) / perSecond * float64(time.Second))), requests[int(i)%len(requests)], i < count
			})
			mu.Lock()
			defer mu.Unlock()
			total.merge(r)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	total.Took = time.Since(start)
	slices.Sort(total.Latency)
	return total, errors.Join(errs...)
}

// merge adds what another connection showed.
func (r *Result) merge(o Result) {
	r.Requests += o.Requests
	r.Failed += o.Failed
	r.Latency = append(r.Latency, o.Latency...)
	if r.Sample == "" {
		r.Sample = o.Sample
	}
}

// drivePaced sends on one connection what next gives, when it is due.
func drivePaced(ctx context.Context, c net.Conn, next func() (due time.Time, request []byte, more bool)) (Result, error) {
	var r Result
	in := bufio.NewReaderSize(c, 4096)
	for {
		due, request, more := next()
		if !more {
			return r, nil
		}
		if wait := time.Until(due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return r, ctx.Err()
			}
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return r, err
		}
		if _, err := c.Write(request); err != nil {
			return r, fmt.Errorf("write: %w", err)
		}
		status, body, err := answer(in)
		if err != nil {
			return r, fmt.Errorf("read: %w", err)
		}
		r.Requests++
		r.Latency = append(r.Latency, time.Since(due))
		if status != 200 {
			r.Failed++
			if r.Sample == "" {
				r.Sample = fmt.Sprintf("%d %s", status, body)
			}
		}
	}
}
