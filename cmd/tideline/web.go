package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidelinehq/tideline/internal/httpapi"
)

// Bounds of a connection. The API sets longer ones for uploads and downloads.
const (
	headerTimeout   = 10 * time.Second
	requestTimeout  = time.Minute
	responseTimeout = time.Minute
	idleTimeout     = 2 * time.Minute
	maxHeader       = 64 << 10
	drainTimeout    = 10 * time.Second // for requests that are being answered when the server stops
)

// routes is everything that is served on the listening address. pages answers
// whatever nothing else does. control is the sandbox's, nil in production.
func routes(api, pages http.Handler, p *probes, metrics *prometheus.Registry, control http.Handler) http.Handler {
	mux := http.NewServeMux()
	docs := httpapi.Docs()
	mux.Handle(httpapi.DocsPath, docs)
	mux.Handle(httpapi.DocsPath+"/", docs)
	mux.HandleFunc("GET /healthz", p.health)
	mux.HandleFunc("GET /readyz", p.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		Registry: metrics, MaxRequestsInFlight: 4, Timeout: readyTimeout + requestTimeout/2,
	}))
	mux.Handle("/", pages)
	if control != nil {
		mux.Handle("/sandbox/", control)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			// Whoever keeps the connection would send the next request on it, and this
			// server may be gone by then.
			w.Header().Set("Connection", "close")
		}
		// Not through the mux, which redirects a path with "//" or "..": the API
		// answers every path below its own in its own form.
		if r.URL.Path == httpapi.Base || strings.HasPrefix(r.URL.Path, httpapi.Base+"/") {
			api.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// web serves h on l until ctx ends, then lets requests that are being answered
// finish. endStreams ends those that would go on for ever.
func web(l net.Listener, h http.Handler, log *slog.Logger, endStreams func()) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		server := &http.Server{
			Handler:           h,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       requestTimeout,
			WriteTimeout:      responseTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		server.RegisterOnShutdown(endStreams)
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		err := server.Shutdown(draining)
		if errors.Is(err, context.DeadlineExceeded) {
			log.WarnContext(ctx, "requests cut off; they took too long to stop")
			err = server.Close()
		}
		<-served
		return err
	}
}
