package testenv

import (
	"bytes"
	"context"
	"regexp"
	"sync"
)

// output collects what a process prints and lets any number of readers wait for
// something in it.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced at every write
}

func newOutput() *output {
	return &output{changed: make(chan struct{})}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// find returns the first match of pattern and its groups, nil if there is none,
// and a channel that is closed when there is more to search.
func (o *output) find(pattern *regexp.Regexp) ([]string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return pattern.FindStringSubmatch(o.buf.String()), o.changed
}

// await returns the first match of pattern and its groups, waiting for it until
// ctx ends. The match may still grow if the pattern's end is open: end it with
// what must follow, such as a line break.
func (o *output) await(ctx context.Context, pattern *regexp.Regexp) ([]string, error) {
	for {
		match, changed := o.find(pattern)
		if match != nil {
			return match, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
