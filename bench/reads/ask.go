package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// latencies are how long requests took, the shortest first.
type latencies []time.Duration

// quantile gives one of them, q from 0 to 1; zero when there are none.
func (l latencies) quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[int(q*float64(len(l)-1))]
}

// ask keeps conns connections busy with requests of one kind for d, or until ctx
// ends. Every answer must be 200.
func ask(ctx context.Context, addr string, conns int, d time.Duration, k kind) (latencies, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: conns}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	end := time.Now().Add(d)
	var (
		mu    sync.Mutex
		all   latencies
		first error
		wg    sync.WaitGroup
	)
	for conn := range conns {
		wg.Go(func() {
			var own latencies
			var err error
			for i := conn * len(k.paths) / conns; err == nil && time.Now().Before(end); i++ {
				start := time.Now()
				if err = askOne(ctx, c, "http://"+addr+"/integrations/api"+k.paths[i%len(k.paths)], k.token); err == nil {
					own = append(own, time.Since(start))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all, first
}

func askOne(ctx context.Context, c *http.Client, url, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		sample, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // for the reader, who has the status too
		return fmt.Errorf("%s answered %s: %s", url, resp.Status, sample)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
