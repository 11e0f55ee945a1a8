package tools

import (
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// health is how a webhook fares, in words.
type health struct {
	store.Health
	Class string // of the badge
	Word  string // key of a text
	Hint  string // key of a text that says what to do; "" = nothing
	More  bool   // there are more pending than were counted
}

// healthOf judges a webhook: first what somebody has to do something about.
func healthOf(w *tideline.Webhook, h store.Health) health {
	v := health{Health: h, More: h.Pending >= store.MaxBacklog}
	switch {
	case !w.Enabled && w.Trouble != "":
		v.Class, v.Word, v.Hint = "danger", "tools.health.stopped", "tools.hint.gone"
	case !w.Enabled:
		v.Class, v.Word = "", "tools.health.off"
	case w.Circuit.Open():
		v.Class, v.Word, v.Hint = "danger", "tools.health.down", hintFor(h.Note)
	case w.Circuit.Failures > 0 || w.ErrorsCounter > 0:
		v.Class, v.Word, v.Hint = "warn", "tools.health.failing", hintFor(h.Note)
	case h.Delivered.IsZero() && h.Pending == 0:
		v.Class, v.Word = "", "tools.health.idle"
	default:
		v.Class, v.Word = "ok", "tools.health.ok"
	}
	return v
}

// hints say what to do about what an attempt failed with: the first whose part is
// in it. The texts are those of package safehttp, net/http and of answers.
var hints = []struct{ part, key string }{
	{"--allow-network", "tools.hint.network"},
	{"connects to internet addresses only", "tools.hint.network"},
	{"is not known", "tools.hint.name"},
	{"can't be looked up", "tools.hint.name"},
	{"connection refused", "tools.hint.refused"},
	{"no answer in time", "tools.hint.slow"},
	{"certificate", "tools.hint.tls"},
	{"x509", "tools.hint.tls"},
	{"redirects are not followed", "tools.hint.redirect"},
	{"401 ", "tools.hint.denied"},
	{"403 ", "tools.hint.denied"},
	{"404 ", "tools.hint.path"},
	{"405 ", "tools.hint.path"},
	{"410 ", "tools.hint.gone"},
	{"413 ", "tools.hint.content"},
	{"400 ", "tools.hint.content"},
	{"422 ", "tools.hint.content"},
	{"429 ", "tools.hint.busy"},
	{"500 ", "tools.hint.fault"},
	{"502 ", "tools.hint.gateway"},
	{"503 ", "tools.hint.gateway"},
	{"504 ", "tools.hint.gateway"},
}

// hintFor gives the key of a text that says what to do; "" when there is none.
func hintFor(failure string) string {
	failure = strings.TrimPrefix(failure, "given up: ")
	for _, h := range hints {
		if isStatus := h.part[0] >= '0' && h.part[0] <= '9'; isStatus && strings.HasPrefix(failure+" ", h.part) ||
			!isStatus && strings.Contains(failure, h.part) {
			return h.key
		}
	}
	return ""
}

// inWords writes how long something took.
func inWords(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1 ms"
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
