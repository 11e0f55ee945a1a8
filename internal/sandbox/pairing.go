package sandbox

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// screens are the codes that servers show right now, as a person with a phone in
// hand sees them.
type screens struct {
	mu      sync.Mutex
	last    int
	showing map[int]screen
}

type screen struct {
	qr    string
	since time.Time
}

// Watch gives a connector whose pairings the world sees: Pairings lists them and
// Scan scans their codes.
func (w *World) Watch(c whatsapp.Connector) whatsapp.Connector { return watched{c, w} }

type watched struct {
	whatsapp.Connector
	world *World
}

// Pair implements whatsapp.Connector.
func (c watched) Pair(ctx context.Context, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	events, err := c.Connector.Pair(ctx, r)
	if err != nil {
		return nil, err
	}
	out := make(chan whatsapp.PairEvent, cap(events)+1)
	id := c.world.screens.begin()
	go func() {
		defer close(out)
		defer c.world.showed(id, "")
		for e := range events {
			if e.QR != nil {
				c.world.showed(id, e.QR.Text)
			}
			out <- e // read to its end, as the contract asks
		}
	}()
	return out, nil
}

func (s *screens) begin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return s.last
}

// showed notes what a screen shows; "" is nothing any more.
func (w *World) showed(id int, qr string) {
	s := &w.screens
	s.mu.Lock()
	if qr == "" {
		delete(s.showing, id)
	} else {
		if s.showing == nil {
			s.showing = map[int]screen{}
		}
		one, ok := s.showing[id]
		if one.qr = qr; !ok {
			one.since = w.network.Now()
		}
		s.showing[id] = one
	}
	s.mu.Unlock()
	w.network.Nudge()
}

// Pairings lists the pairings that wait for a phone to scan their code, the
// oldest first.
func (w *World) Pairings() []scene.Pairing {
	s := &w.screens
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []scene.Pairing
	for id, one := range s.showing {
		out = append(out, scene.Pairing{ID: strconv.Itoa(id), Since: one.since})
	}
	slices.SortFunc(out, func(a, b scene.Pairing) int { return a.Since.Compare(b.Since) })
	return out
}

// Scan points a phone's camera at the code that a pairing shows. Once it returns
// the phone has linked the server.
func (w *World) Scan(ctx context.Context, number, pairing string) error {
	p, err := w.phone(number)
	if err != nil {
		return err
	}
	id, err := strconv.Atoi(pairing)
	if err != nil {
		return scene.ErrNoPairing
	}
	w.screens.mu.Lock()
	one, ok := w.screens.showing[id]
	w.screens.mu.Unlock()
	if !ok {
		return scene.ErrNoPairing
	}
	return translate(p.ScanQR(ctx, one.qr))
}
