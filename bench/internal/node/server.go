package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/presence"
	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/safehttp"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web"
	inboxpages "github.com/tidelinehq/tideline/internal/web/inbox"
	livepages "github.com/tidelinehq/tideline/internal/web/live"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/webhook"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

// server is the process.
type server struct {
	setup Setup
	log   *slog.Logger

	metrics    *prometheus.Registry
	sends      *sends
	deliveries *deliveries
	complaints atomic.Int64

	store    *sqlstore.Store
	live     *live.Hub
	conn     *meow.Connector
	files    *file.Service
	queue    *outbox.Service
	inbox    *inbox.Service
	presence *presence.Service
	profiles *profile.Service
	events   *webhook.Dispatcher
	accounts *account.Service
	who      *auth.Authenticator
	sessions *auth.Sessions
	meter    *httpapi.Meter
	uses     *auth.Uses
	handler  http.Handler
	tokens   []string     // of sessions
	profiled bytes.Buffer // the CPU profile that was made last
	closers  []func() error
}

// Serve is the process: everything that cmd/tideline wires together for
// production, but commands and the pages other than the inbox.
func Serve(ctx context.Context) (err error) {
	telemetry.TuneGC()
	s := &server{metrics: telemetry.NewRegistry("bench")}
	if err := child.Config(&s.setup); err != nil {
		return err
	}
	s.log = slog.New(complaints{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}), &s.complaints})
	defer func() {
		for i := len(s.closers) - 1; i >= 0; i-- {
			err = errors.Join(err, s.closers[i]())
		}
	}()
	for _, step := range []func(context.Context) error{s.openStorage, s.openServices, s.openWorkspace, s.openHandler} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return s.run(ctx)
}

func (s *server) openStorage(ctx context.Context) (err error) {
	database := s.setup.Database
	if database == "" {
		database = filepath.Join(s.setup.Dir, "tideline.db")
	}
	if s.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: database, Logger: s.log}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.store.Close)
	s.live = live.New(s.store, live.Config{})
	s.store.OnChanges(s.live.Publish)
	key, err := s.setup.Network.Key()
	if err != nil {
		return err
	}
	if s.conn, err = meow.Open(ctx, meow.Options{
		Database: s.setup.Database, DataDir: s.setup.Dir, Logger: s.log,
		Endpoint: &meow.Endpoint{Addr: s.setup.Network.Addr, RootKey: key},
	}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.conn.Close)
	return nil
}

func (s *server) openServices(ctx context.Context) error {
	blobs, err := local.Open(filepath.Join(s.setup.Dir, "files"))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, blobs.Close)
	key, err := s.store.Secret(ctx, file.LinkSecret, file.LinkSecretSize)
	if err != nil {
		return err
	}
	s.files = file.New(file.Config{LinkKey: key}, file.Deps{Storage: s.store, Blobs: blobs, Log: s.log})
	s.sends = newSends(s.metrics)
	s.queue = outbox.New(outbox.Deps{
		Store: s.store, Sender: s.conn, Blobs: blobs, Logger: s.log, Observer: outboxObserver{s.sends}, Accounts: s.sends,
	}, outbox.Config{})
	s.profiles = profile.New(profile.Deps{Store: s.store, Connector: s.conn, Files: s.files, Logger: s.log}, profile.Config{})
	s.inbox = inbox.New(inbox.Deps{Store: s.store, Connector: s.conn, Files: s.files, Looker: s.profiles, Queue: s.queue, Logger: s.log}, inbox.Config{})
	s.presence = presence.New(presence.Deps{Store: s.store, Connector: s.conn, Stage: s.live, Logger: s.log})
	s.accounts = account.New(account.Deps{
		Store: s.store, Connector: s.conn, Waker: s.queue, Inbox: s.inbox, Profiles: s.profiles, Presence: s.presence, Observer: s.sends, Logger: s.log,
	}, account.Config{MaxPairings: 64, MaxPairingsPerWorkspace: 64}) // connecting is staged as in the product
	s.deliveries = &deliveries{Webhooks: telemetry.NewWebhooks(s.metrics), sends: s.sends}
	s.events = webhook.NewDispatcher(webhook.Deps{
		Store:    s.store,
		Poster:   safehttp.New(safehttp.Config{Guard: safehttp.SandboxGuard(), Timeout: tideline.DeliveryTimeout, MaxBytes: 64 << 10, IdlePerHost: 16}),
		Renderer: &webhook.Renderer{PublicURL: "https://wa.example.org", APIPath: httpapi.Base, Link: s.files.Link}, Log: s.log, Observer: s.deliveries,
	}, webhook.Config{})
	return s.queue.Load(ctx)
}

// handler is the API, the inbox, and what a benchmark asks for.
func (s *server) openHandler(ctx context.Context) error {
	members := team.New(s.store, nil)
	messages := message.New(message.Deps{
		Store: s.store, Refresher: auth.Refreshers{Tokens: s.who, Sessions: s.sessions}, NewMessageID: s.conn.NewMessageID,
	})
	s.meter, s.uses = httpapi.NewMeter(s.store, s.log, nil), auth.NewUses(s.store, s.log)
	api := httpapi.New(httpapi.Config{}, httpapi.Deps{
		Auth: s.who, Messages: messages, Files: s.files, Team: members, Storage: s.store, Meter: s.meter, Uses: s.uses, Metrics: s.metrics, Log: s.log,
	})
	kit, err := ui.New(ui.Config{
		Sessions: s.sessions, Cookie: Cookie, Position: s.live.Position, Log: s.log,
		Attribute: func(ctx context.Context, p *tideline.Principal) context.Context {
			return tideline.WithActor(ctx, p.Actor(tideline.ViaInbox))
		},
	})
	if err != nil {
		return err
	}
	pages, err := web.New(kit,
		livepages.New(livepages.Deps{Hub: s.live, Team: members, Chats: s.store, Presence: s.presence, Log: s.log}),
		inboxpages.New(inboxpages.Deps{Storage: s.store, Messages: messages, Files: s.files, Team: members, Log: s.log}))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(httpapi.Base+"/", api)
	mux.Handle("/", pages)
	mux.HandleFunc("POST /bench/pair", s.pair)
	mux.HandleFunc("GET /bench/state", s.showState)
	mux.HandleFunc("POST /bench/record", s.record)
	mux.HandleFunc("POST /bench/profile", s.profile)
	s.handler = mux
	return nil
}

// run runs all parts until ctx ends, and stops each after those that may still use
// it.
func (s *server) run(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	srv.RegisterOnShutdown(s.live.Close)
	ended := make(chan error, 1)
	var stops []func()
	for _, part := range []func(context.Context) error{
		s.live.Run, s.events.Run, s.inbox.Run, s.profiles.Run, s.presence.Run, s.accounts.Run, s.queue.Run, s.meter.Run, s.sessions.Run, s.uses.Run,
		func(ctx context.Context) error { return serve(ctx, srv, l) },
	} {
		partCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		running.Go(func() {
			if err := part(partCtx); partCtx.Err() == nil {
				select {
				case ended <- errors.Join(errors.New("a part of the server ended by itself"), err):
				default: // another one was first
				}
			}
		})
		stops = append(stops, func() { cancel(); running.Wait() })
	}
	defer func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}()
	if err := child.Ready(ready{Addr: l.Addr().String(), Sessions: s.tokens}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

func serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if srv.Shutdown(draining) != nil {
		_ = srv.Close()
	}
	<-served
	return nil
}
