package main

import (
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/safehttp"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

const (
	// maxHookAnswer is how much of a receiver's answer is read, in bytes: what the
	// log keeps, and a little more so that the connection can be used again.
	maxHookAnswer = 64 << 10
	// idlePerHost keeps connections to a receiver open for the next deliveries.
	idlePerHost = 16

	// Of files that are fetched by their URLs. How large one may be is a matter of
	// the workspace's plan; this only bounds what a plan can allow.
	fetchTimeout   = time.Minute
	maxFetched     = 1 << 40
	fetchRedirects = 3
)

// openWebhooks makes what delivers events and what keeps subscriptions.
func (s *server) openWebhooks() {
	renderer := &webhook.Renderer{PublicURL: s.publicURL(), APIPath: httpapi.Base, Link: s.files.Link}
	s.events = webhook.NewDispatcher(webhook.Deps{
		Store:    eventLog{s.store, s.peers},
		Poster:   safehttp.New(safehttp.Config{Guard: s.guard(), Timeout: tideline.DeliveryTimeout, MaxBytes: maxHookAnswer, IdlePerHost: idlePerHost}),
		Renderer: renderer, Log: s.log, Observer: telemetry.NewWebhooks(s.metrics),
	}, webhook.Config{UserAgent: "Tideline/" + buildVersion()})
	telemetry.RegisterBacklog(s.metrics, s.store.DeliveryBacklog)
	s.webhooks = webhook.NewService(s.store, renderer, s.events.Changed, nil)
}

// fetcher gets files by URLs that users chose.
func (s *server) fetcher() *safehttp.Client {
	return safehttp.New(safehttp.Config{Guard: s.guard(), Timeout: fetchTimeout, MaxBytes: maxFetched, Redirects: fetchRedirects})
}

// guard says where requests to addresses that users chose may go.
func (s *server) guard() *safehttp.Guard {
	if s.common.Sandbox {
		return safehttp.SandboxGuard(s.serve.AllowNetwork...)
	}
	return safehttp.NewGuard(s.serve.AllowNetwork...)
}

// publicURL is how clients reach the server, without a slash at the end.
func (s *server) publicURL() string {
	if s.serve.PublicURL != "" {
		return strings.TrimRight(s.serve.PublicURL, "/")
	}
	return s.url
}
