package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// readyTimeout bounds the question to storage behind /readyz.
const readyTimeout = 2 * time.Second

// probes answers those who look after the process from outside: /healthz says
// that it lives, /readyz whether to send it requests.
type probes struct {
	version string
	sandbox bool
	storage interface {
		Version(ctx context.Context) (int64, error)
		TroubleState() store.TroubleState
	}
	loaded   atomic.Bool // the outbox knows what is queued
	draining atomic.Bool // the server is stopping
}

// health answers 200 as long as the process can answer at all.
func (p *probes) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, healthJSON{Status: "ok", Version: p.version, Sandbox: p.sandbox})
}

// ready answers 200, or 503 with the reasons.
func (p *probes) ready(w http.ResponseWriter, r *http.Request) {
	v := readyJSON{Status: "ready", Reasons: []string{}}
	if p.draining.Load() {
		v.Reasons = append(v.Reasons, "the server is stopping")
	}
	if !p.loaded.Load() {
		v.Reasons = append(v.Reasons, "the outbox is not loaded yet")
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if _, err := p.storage.Version(ctx); err != nil {
		v.Reasons = append(v.Reasons, "the database does not answer") // why is in the log of whoever needs it
	}
	if trouble := p.storage.TroubleState(); trouble.Trouble != "" {
		v.Reasons = append(v.Reasons, fmt.Sprintf("nothing can be stored since %s: %s",
			trouble.Since.UTC().Format(time.RFC3339), trouble.Trouble))
	}
	status := http.StatusOK
	if len(v.Reasons) > 0 {
		v.Status, status = "not ready", http.StatusServiceUnavailable
	}
	answer(w, status, v)
}

type healthJSON struct {
	Status  string `json:"status"`
	Version string `json:"version"`
	Sandbox bool   `json:"sandbox"`
}

type readyJSON struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the asker is gone
}
