package wasim

import (
	"slices"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// taskGroup owns every goroutine and timer of a server, so that none outlives it.
type taskGroup struct {
	wg sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	timers  map[*time.Timer]struct{}
}

// spawn runs fn in a goroutine. It reports false, without running fn, once the group is stopped.
func (g *taskGroup) spawn(fn func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return false
	}
	g.wg.Go(fn)
	return true
}

func (g *taskGroup) after(d time.Duration, fn func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return
	}
	if g.timers == nil {
		g.timers = map[*time.Timer]struct{}{}
	}
	g.wg.Add(1)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer g.wg.Done()
		g.mu.Lock()
		delete(g.timers, t)
		stopped := g.stopped
		g.mu.Unlock()
		if !stopped {
			fn()
		}
	})
	g.timers[t] = struct{}{}
}

// stop cancels timers that haven't fired and waits for everything else.
func (g *taskGroup) stop() {
	g.mu.Lock()
	g.stopped = true
	for t := range g.timers {
		if t.Stop() {
			g.wg.Done()
		}
	}
	g.timers = nil
	g.mu.Unlock()
	g.wg.Wait()
}

// maxUnhandled bounds the log: a client that misbehaves does so often, and the first cases tell
// most.
const maxUnhandled = 1000

type unhandledLog struct {
	mu    sync.Mutex
	rows  []Unhandled
	total int64
}

func (l *unhandledLog) list() []Unhandled {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rows)
}

func (l *unhandledLog) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

func (s *Server) recordUnhandled(dev types.JID, reason string, n *stanza.Node) {
	s.log.Warn("unhandled stanza", "reason", reason, "tag", n.Tag)
	l := &s.unhandled
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	if len(l.rows) < maxUnhandled {
		l.rows = append(l.rows, Unhandled{Time: s.now(), Device: dev, Reason: reason, Stanza: n.String()})
	}
}
