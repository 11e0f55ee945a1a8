package webhook

import (
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// openAfter is how many attempts must fail one after the other until an
	// endpoint is believed to be down.
	openAfter = 5
	// Between two probes of an endpoint that is down passes a tenth of the time for
	// which it has been down, within these.
	minProbe = 5 * time.Second
	maxProbe = 5 * time.Minute
	// maxRetryAfter bounds what a receiver can ask for.
	maxRetryAfter = time.Hour
	// doubt is for how long an endpoint that answers, but takes nothing, gets its
	// deliveries in order. After that the first ones are blamed, not the endpoint.
	doubt = 6 * time.Hour
	// quickAnswer is how fast an endpoint must answer to get more attempts at a time.
	quickAnswer = 2 * time.Second
)

// health is what is believed of an endpoint.
type health struct {
	circuit tideline.Circuit
	limit   int       // attempts at a time while the circuit is closed
	success time.Time // the last one; zero = none in this process
	failing int64     // the only chat that failed since the last success; see several
	several bool      // more than one chat failed
}

func healthOf(c tideline.Circuit) health { return health{circuit: c, limit: 1, several: c.Open()} }

// slots is how many attempts the endpoint may have at a time.
func (h *health) slots() int {
	if h.circuit.Open() {
		return 1
	}
	return h.limit
}

// probeAt says when an endpoint that is down may be tried with a delivery. While
// only one chat failed, another chat's new delivery is a good question to ask at
// once: it tells whether the endpoint is down or that one delivery is at fault.
func (h *health) probeAt(head *item) time.Time {
	if !h.several && head.Attempts == 0 && head.ChatID != h.failing {
		return time.Time{}
	}
	return h.circuit.ProbeAt
}

// succeeded notes an attempt that the endpoint took, and says whether that
// closed the circuit.
func (h *health) succeeded(now time.Time, took time.Duration, most int) (closed bool) {
	closed = h.circuit.Open()
	h.success, h.circuit, h.failing, h.several = now, tideline.Circuit{}, 0, false
	if took < quickAnswer {
		h.limit = min(most, h.limit+1)
	}
	return closed
}

// failed notes an attempt that failed. retryAfter is what the receiver asked for.
func (h *health) failed(now time.Time, chat int64, retryAfter time.Duration, random func(int64) int64) {
	if h.circuit.Failures == 0 {
		h.failing = chat
	}
	h.several = h.several || h.failing != chat
	h.circuit.Failures++
	h.limit = 1
	if h.circuit.Failures < openAfter && retryAfter == 0 && !h.circuit.Open() {
		return
	}
	if !h.circuit.Open() {
		h.circuit.OpenSince = now
	}
	// The second half of the pause is drawn, so that endpoints that went down
	// together are not asked together for ever.
	pause := min(max(now.Sub(h.circuit.OpenSince)/10, minProbe), maxProbe)
	pause = pause/2 + time.Duration(random(int64(pause/2)+1))
	h.circuit.ProbeAt = now.Add(max(pause, min(retryAfter, maxRetryAfter)))
	if retryAfter > 0 {
		h.several = true // it is about the endpoint, not about a delivery
	}
}

// refusesContent reports whether an answer can only be about the delivery: the
// endpoint works, has read it, and doesn't want it.
func refusesContent(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}

// answers reports whether a status is the receiver's own and not that of
// something in front of it that can't reach it, or of one who asks for patience.
func answers(status int) bool {
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}
