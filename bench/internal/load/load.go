// Package load is a closed-loop HTTP/1.1 load generator that costs as little as
// it can, so that what it measures is the server: each connection writes bytes
// that were made beforehand and reads just enough of the answer to find its end.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Result is what one slice of load showed.
type Result struct {
	Requests int
	Took     time.Duration
	Failed   int             // answers other than 200
	Sample   string          // the first such answer, for the reader
	Latency  []time.Duration // of every request, sorted
}

// Rate is requests per second.
func (r *Result) Rate() float64 { return float64(r.Requests) / r.Took.Seconds() }

// Quantile gives a latency, q from 0 to 1.
func (r *Result) Quantile(q float64) time.Duration {
	if len(r.Latency) == 0 {
		return 0
	}
	return r.Latency[int(q*float64(len(r.Latency)-1))]
}

// Run keeps conns connections to addr busy for d, sending requests in turn,
// each connection from its own starting point.
func Run(ctx context.Context, addr string, conns int, d time.Duration, requests [][]byte) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d+30*time.Second)
	defer cancel()
	open := make([]net.Conn, conns)
	for i := range open {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return Result{}, fmt.Errorf("connect: %w", err)
		}
		defer func() { _ = c.Close() }()
		open[i] = c
	}
	var (
		mu    sync.Mutex
		total Result
		errs  []error
		wg    sync.WaitGroup
	)
	start := time.Now()
	end := start.Add(d)
	for i, c := range open {
		wg.Go(func() {
			r, err := drive(c, end, requests, i*len(requests)/conns)
			mu.Lock()
			defer mu.Unlock()
			total.Requests += r.Requests
			total.Failed += r.Failed
			total.Latency = append(total.Latency, r.Latency...)
			if total.Sample == "" {
				total.Sample = r.Sample
			}
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

// drive runs one connection until end.
func drive(c net.Conn, end time.Time, requests [][]byte, at int) (Result, error) {
	var r Result
	in := bufio.NewReaderSize(c, 4096)
	for {
		began := time.Now()
		if !began.Before(end) {
			return r, nil
		}
		if err := c.SetDeadline(end.Add(20 * time.Second)); err != nil {
			return r, err
		}
		if _, err := c.Write(requests[at%len(requests)]); err != nil {
			return r, fmt.Errorf("write: %w", err)
		}
		at++
		status, body, err := answer(in)
		if err != nil {
			return r, fmt.Errorf("read: %w", err)
		}
		r.Requests++
		r.Latency = append(r.Latency, time.Since(began))
		if status != 200 {
			r.Failed++
			if r.Sample == "" {
				r.Sample = fmt.Sprintf("%d %s", status, body)
			}
		}
	}
}

var contentLength = []byte("content-length:")

// answer reads one response and gives its status, and its body unless it is 200.
func answer(in *bufio.Reader) (int, string, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, "", err
	}
	if len(line) < 12 {
		return 0, "", fmt.Errorf("status line %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, "", fmt.Errorf("status line %q", line)
	}
	length := -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):])))
			if err != nil {
				return 0, "", fmt.Errorf("content length %q", line)
			}
		}
	}
	if length < 0 {
		return 0, "", errors.New("an answer without Content-Length")
	}
	if status == 200 {
		_, err := in.Discard(length)
		return status, "", err
	}
	body := make([]byte, length)
	_, err = io.ReadFull(in, body)
	return status, string(body), err
}
