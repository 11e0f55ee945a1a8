package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/backup"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/presence"
	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/reach"
	"github.com/tidelinehq/tideline/internal/retention"
	"github.com/tidelinehq/tideline/internal/sandbox"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/voice"
	"github.com/tidelinehq/tideline/internal/webhook"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/internal/workspace"
)

const (
	// claimWait is how long a server waits for a predecessor that is stopping.
	claimWait  = 5 * time.Second
	pruneEvery = time.Hour
)

// server is a running Tideline. Its parts are opened by open in the order in
// which they need each other, and stopped in the opposite one: first no more
// requests are taken and those in hand are answered, then the outbox finishes
// what it is sending, then accounts are disconnected, then storage is closed.
type server struct {
	common *config.Common
	serve  *config.Serve
	log    *slog.Logger
	stack  *stack

	folder   datadir.Folder
	listener net.Listener
	url      string // without a path
	store    *sqlstore.Store
	live     *live.Hub
	peers    peers
	stage    stage
	queue    *reach.Queue
	numbers  *reach.Numbers
	reactor  *reach.Reactor
	shown    *reach.Presence
	files    openedFiles
	world    *sandbox.World  // nil in production, and when joined is set
	joined   *sandbox.Joined // the sandbox's network, when another process runs it
	meow     *meow.Connector
	outbox   *outbox.Service
	inbox    *inbox.Service
	presence *presence.Service
	profiles *profile.Service
	webhooks *webhook.Service
	events   *webhook.Dispatcher
	accounts *account.Service
	keeper   *retention.Service
	meter    *httpapi.Meter
	sessions *auth.Sessions
	uses     *auth.Uses
	socket   *operator.Socket
	metrics  *prometheus.Registry
	probes   *probes
	handler  http.Handler
	started  time.Time
}

// open prepares everything and starts nothing but, in a sandbox, its network.
// After an error the stack must be taken down too.
func (s *server) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.openFolder, s.listen, s.openStore, s.openNode, s.openFilesPlace, s.openNetwork, s.openServices, s.openAPI,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) openFolder(ctx context.Context) (err error) {
	if s.folder, err = datadir.Create(s.common.Folder(), datadir.KindOf(s.common.Sandbox)); err != nil {
		return err
	}
	release, err := s.folder.Lock(ctx, claimWait)
	if err != nil {
		return err
	}
	s.stack.push("folder lock", release)
	return nil
}

// listen comes early, so that an address in use is noticed before anything else
// happens. Clients that connect wait until the server is ready.
func (s *server) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.common.Listen)
	if err != nil {
		return fmt.Errorf("%w: choose another address with --listen", err)
	}
	s.stack.push("listener", func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	s.listener, s.url = l, localURL(l.Addr())
	return nil
}

// localURL gives the address by which this machine reaches a listener.
func localURL(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (s *server) openStore(ctx context.Context) (err error) {
	options := sqlstore.Options{Database: s.common.DatabaseURL(), Logger: s.log}
	if options.KeepDeliveries, err = s.serve.Deliveries(); err != nil {
		return err
	}
	if !s.common.OnPostgres() { // there, servers are nodes
		claim, err := sqlstore.TakeClaim(ctx, options, processName(), claimWait)
		if err != nil {
			if errors.Is(err, sqlstore.ErrClaimed) {
				return fmt.Errorf("%w: stop that server first, or name another database with --database", err)
			}
			return err
		}
		s.stack.push("claim on the database", claim.Release)
	}
	if s.store, err = sqlstore.Open(ctx, options); err != nil {
		return err
	}
	s.stack.push("store", s.store.Close)
	s.live = live.New(s.store, live.Config{})
	s.stage = stage{Hub: s.live}
	kind, err := s.store.Kind(ctx, string(s.folder.Kind))
	if err != nil {
		return err
	}
	if kind != string(s.folder.Kind) {
		return fmt.Errorf("the database belongs to a %s server and the folder %s to a %s server: use one --database for each", kind, s.folder.Path, s.folder.Kind)
	}
	return nil
}

// openFilesPlace opens where files are kept.
func (s *server) openFilesPlace(ctx context.Context) error {
	notes := voice.New(voice.Config{FFmpeg: s.serve.FFmpeg, Dir: s.folder.In(voiceFolder)})
	if err := notes.Sweep(); err != nil {
		return err
	}
	s.metrics = telemetry.NewRegistry(buildVersion())
	place := &filesPlace{
		settings: &s.serve.Files, common: s.common, folder: s.folder, store: s.store,
		owner: true, observer: func() s3.Observer { return telemetry.NewS3(s.metrics) }, log: s.log,
	}
	kept, err := place.open(ctx)
	if err != nil {
		return err
	}
	if _, inFolder := kept.(*local.Store); inFolder {
		s.warnOfFolders(ctx)
	}
	s.files, err = openFiles(ctx, s.store, kept, notes, s.fetcher(), s.log)
	if err != nil {
		return err
	}
	s.stack.push("files", s.files.close)
	return nil
}

// openNetwork opens the connector, in a sandbox on a network of its own.
func (s *server) openNetwork(ctx context.Context) (err error) {
	options := meow.Options{
		DataDir: s.folder.Path, Logger: s.log, History: time.Duration(s.serve.HistoryDays) * 24 * time.Hour,
	}
	if options.Version, err = s.versionToAnnounce(ctx); err != nil {
		return err
	}
	if s.common.OnPostgres() {
		options.Database = s.common.DatabaseURL()
		options.Name = func() string { return sqlstore.NodeName(s.peers.Self()) }
		options.Admit = sqlstore.AdmitNode(s.peers.Self)
	}
	switch {
	case s.serve.Network != "":
		if s.joined, err = sandbox.Join(ctx, s.serve.Network); err != nil {
			return err
		}
		options.Endpoint = &meow.Endpoint{Addr: s.joined.Addr(), RootKey: s.joined.RootKey()}
	case s.common.Sandbox:
		if s.world, err = sandbox.Open(ctx, s.folder.In("network"), s.log); err != nil {
			return err
		}
		s.stack.push("sandbox network", s.world.Close)
		options.Endpoint = &meow.Endpoint{Addr: s.world.Addr(), RootKey: s.world.RootKey()}
	}
	if s.meow, err = meow.Open(ctx, options); err != nil {
		return err
	}
	s.stack.push("connector", s.meow.Close)
	return nil
}

func (s *server) openServices(ctx context.Context) error {
	perAccount := telemetry.NewAccounts(s.metrics)
	shared := s.sharing()
	s.stage.Stage = reach.NewStage(s.peers, s.live, s.log)
	s.outbox = outbox.New(outbox.Deps{
		Store: s.store, Sender: s.meow, Blobs: s.files.blobs, Logger: s.log, Observer: telemetry.NewOutbox(s.metrics),
		Accounts: perAccount, Shared: shared.outbox,
	}, outbox.Config{Deadline: s.serve.SendDeadline})
	s.profiles = profile.New(profile.Deps{Store: s.store, Connector: s.meow, Files: s.files.Service, Shared: shared.profiles, Logger: s.log}, profile.Config{})
	s.inbox = inbox.New(inbox.Deps{Store: s.store, Connector: s.meow, Files: s.files.Service, Looker: s.profiles, Queue: s.outbox, Shared: shared.inbox, Logger: s.log}, inbox.Config{})
	s.presence = presence.New(presence.Deps{Store: s.store, Connector: s.meow, Stage: s.stage, Logger: s.log})
	var connector whatsapp.Connector = s.meow
	if s.world != nil {
		connector = s.world.Watch(s.meow) // the phones page scans the codes that are shown
	}
	s.accounts = account.New(account.Deps{
		Store: s.store, Connector: connector, Waker: s.outbox, Inbox: s.inbox, Profiles: s.profiles, Presence: s.presence, Observer: perAccount, Shared: shared.accounts, Logger: s.log,
	}, account.Config{})
	s.openReach()
	s.countNode()
	s.openWebhooks()
	if err := s.openRetention(); err != nil {
		return err
	}
	telemetry.Sources{
		Queue:    s.outbox.Queued,
		Accounts: s.store.AllAccounts,
		Pairings: s.accounts.Pairings,
		Commits: func() (commits, batches, accepted int64) {
			st := s.store.Stats()
			return st.Commits, st.Batches, st.Accepted
		},
		Backup: func(ctx context.Context) (time.Time, error) {
			last, err := backup.LastOf(ctx, s.store)
			return last.At, err
		},
	}.Register(s.metrics)
	s.probes = &probes{version: buildVersion(), sandbox: s.common.Sandbox, storage: s.store}
	if shared.outbox == nil {
		if err := s.outbox.Load(ctx); err != nil {
			return err
		}
	}
	s.probes.loaded.Store(true)
	return nil
}

func (s *server) openAPI(context.Context) (err error) {
	authenticator := auth.New(s.store, auth.Config{})
	s.sessions = auth.NewSessions(s.store, auth.SessionConfig{Log: s.log})
	refresher := auth.Refreshers{Tokens: authenticator, Sessions: s.sessions}
	messages := message.New(message.Deps{Store: s.store, Refresher: refresher, Reactor: s.reactor, NewMessageID: s.meow.NewMessageID})
	s.meter = httpapi.NewMeter(s.store, s.log, nil)
	s.uses = auth.NewUses(s.store, s.log)
	api := httpapi.New(httpapi.Config{
		PublicURL:      s.serve.PublicURL,
		PerIP:          auth.Rate{PerSecond: s.serve.RateLimit, Burst: int(max(1, s.serve.RateLimit))},
		TrustedProxies: s.serve.TrustedProxy,
		TokensPage:     tokensPage,
	}, httpapi.Deps{
		Auth: authenticator, Messages: messages, Files: s.files.Service, Team: team.New(s.store, nil), Webhooks: s.webhooks, Storage: s.store,
		Meter: s.meter, Uses: s.uses, Metrics: s.metrics, Log: s.log,
	})
	var control http.Handler
	if s.world != nil {
		control = s.world.Control()
	} else if s.joined != nil {
		control = s.joined.Control()
	}
	pages, err := s.openPages(messages)
	if err != nil {
		return err
	}
	s.handler = routes(api, pages, s.probes, s.metrics, control)
	if old, err := s.folder.Server(); err == nil {
		operator.RemoveStale(old.Operator)
	}
	if s.socket, err = operator.Listen(s.folder.Path); err != nil {
		return err
	}
	s.stack.push("operator socket", s.socket.Close)
	return nil
}

// run starts the parts in the order in which they need each other, announces
// the server once it can be used, and returns when ctx ends or a part fails.
// Take the stack down afterwards.
func (s *server) run(ctx context.Context, announce func(welcomeJSON) error) error {
	s.started = time.Now()
	s.stack.start(ctx, "live", s.live.Run)
	s.stack.start(ctx, "changes of others", func(ctx context.Context) error { return s.live.Watch(ctx, s.store, s.log) })
	s.startNode(ctx)
	s.stack.start(ctx, "inbox", s.inbox.Run)
	s.stack.start(ctx, "profiles", s.profiles.Run)
	s.stack.start(ctx, "presence", s.presence.Run)
	s.stack.start(ctx, "accounts", s.accounts.Run)
	s.stack.start(ctx, "outbox", s.outbox.Run)
	if s.peers.bus != nil {
		s.stack.start(ctx, "accounts of this node", s.peers.Run)
	}
	s.stack.start(ctx, "call meter", s.meter.Run)
	s.stack.start(ctx, "sessions", s.sessions.Run)
	s.stack.start(ctx, "uses of tokens", s.uses.Run)
	s.stack.start(ctx, "operator", operator.NewServer(s.socket, operator.Deps{
		Accounts: s.numbers, Status: s.status, Logger: s.log,
		Versions: operator.Versions{Get: s.version, Set: s.setVersion}, Queue: s.queue,
	}).Run)
	w, err := s.welcome(ctx)
	if err != nil {
		return err
	}
	s.stack.start(ctx, "http", web(s.listener, s.handler, s.log, s.live.Close))
	host, _ := os.Hostname()
	if err := s.folder.SetServer(datadir.Server{
		PID: os.Getpid(), Host: host, URL: s.url, PublicURL: s.publicURL(), Operator: s.socket.Path(), Started: s.started,
	}); err != nil {
		return err
	}
	s.stack.push("server file", s.folder.ClearServer)
	s.log.InfoContext(ctx, "server is ready", "addr", s.listener.Addr().String(), "kind", string(s.folder.Kind), "version", buildVersion())
	if err := announce(w); err != nil {
		return err
	}
	err = s.stack.wait(ctx)
	s.probes.draining.Store(true)
	s.log.InfoContext(ctx, "server stops", "delay", s.serve.DrainDelay)
	if err == nil {
		err = s.stack.linger(s.serve.DrainDelay)
	}
	return err
}

// prune deletes now and then what has a limited life.
func (s *server) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := s.store.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "delete what is over; trying again later", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *server) status() operator.Status {
	queued, inFlight := s.outbox.Queued()
	return operator.Status{
		PID: os.Getpid(), Version: buildVersion(), Sandbox: s.common.Sandbox, URL: s.url, Started: s.started,
		Queued: queued, InFlight: inFlight, Pairings: s.accounts.Pairings(),
	}
}

func (s *server) workspaces() *workspace.Service { return workspace.New(s.store, nil) }
