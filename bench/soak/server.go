package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/bench/internal/procstat"
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

// serverEnv holds a setup, as JSON, and makes this program the server.
const serverEnv = "TIDELINE_SOAK_SERVER"

// setup is what a server is told.
type setup struct {
	Dir      string `json:"dir"`
	Database string `json:"database"` // PostgreSQL; "" = SQLite in Dir
	Network  string `json:"network"`  // address of the emulator
	RootKey  string `json:"root_key"` // hexadecimal
}

func (s *setup) storage() string {
	if s.Database != "" {
		return s.Database
	}
	return filepath.Join(s.Dir, "tideline.db")
}

func (s *setup) blobs() string { return filepath.Join(s.Dir, "files") }

// ready is the first line that a server prints, goodbye its last one.
type (
	ready struct {
		Addr string `json:"addr"`
	}
	goodbye struct {
		Before int    `json:"before"` // goroutines before anything was opened
		After  int    `json:"after"`  // and after everything was closed
		Left   string `json:"left"`   // their stacks when there are more
		Err    string `json:"err"`
	}
)

const (
	workspaceSlug = "soak"
	token         = "soak-token"
	credits       = 100_000_000
)

// Pauses are shorter than in production, so that a short run sees many
// recoveries; what happens is the same.
var (
	keepAlive = meow.KeepAlive{Min: 2 * time.Second, Max: 4 * time.Second, Deadline: 2 * time.Second}
	gap       = tideline.Gap{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond}
)

// serve is the server's process: everything that cmd/tideline wires together for
// production, plus what the soak asks of it. SIGTERM stops it in good order.
func serve(config string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	telemetry.TuneGC()
	var s setup
	if err := json.Unmarshal([]byte(config), &s); err != nil {
		return fmt.Errorf("%s: %w", serverEnv, err)
	}
	bye := goodbye{Before: runtime.NumGoroutine()}
	if err := runServer(ctx, &s); err != nil {
		bye.Err = err.Error()
	}
	// Goroutines that were told to end may still be on their way.
	for deadline := time.Now().Add(5 * time.Second); ; {
		bye.After = runtime.NumGoroutine()
		if bye.After <= bye.Before || time.Now().After(deadline) {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	if bye.After > bye.Before {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		bye.Left = stacks.String()
	}
	line, err := json.Marshal(bye)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return nil
}

// server is a running server.
type server struct {
	store    *sqlstore.Store
	conn     *meow.Connector
	accounts *account.Service
	queue    *outbox.Service
	who      *auth.Authenticator
	api      http.Handler
}

func runServer(ctx context.Context, c *setup) (err error) {
	logFile, err := os.OpenFile(filepath.Join(c.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	log := slog.New(slog.NewTextHandler(logFile, nil))
	options := sqlstore.Options{Database: c.storage(), Logger: log}
	claim, err := sqlstore.TakeClaim(ctx, options, "soak", 10*time.Second)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claim.Release()) }()
	s := &server{}
	if s.store, err = sqlstore.Open(ctx, options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	blobs, err := local.Open(c.blobs())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	var rootKey [32]byte
	if _, err := hex.Decode(rootKey[:], []byte(c.RootKey)); err != nil {
		return err
	}
	if s.conn, err = meow.Open(ctx, meow.Options{
		Database: c.Database, DataDir: c.Dir, Logger: log,
		Endpoint:  &meow.Endpoint{Addr: c.Network, RootKey: rootKey},
		KeepAlive: keepAlive, SendTimeout: 4 * time.Second, UploadTimeout: 20 * time.Second,
		RetryFirst: 100 * time.Millisecond, RetryMax: 2 * time.Second,
		ReplacedRetry: 500 * time.Millisecond, RedeliverAfter: time.Second,
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.conn.Close()) }()
	key, err := s.store.Secret(ctx, file.LinkSecret, file.LinkSecretSize)
	if err != nil {
		return err
	}
	files := file.New(file.Config{LinkKey: key}, file.Deps{Storage: s.store, Blobs: blobs, Log: log})
	s.queue = outbox.New(outbox.Deps{Store: s.store, Sender: s.conn, Blobs: blobs, Logger: log},
		outbox.Config{MinBackoff: 100 * time.Millisecond, MaxBackoff: 2 * time.Second})
	in := inbox.New(inbox.Deps{Store: s.store, Connector: s.conn, Files: files, Logger: log},
		inbox.Config{RetryFirst: 200 * time.Millisecond, RetryMax: 2 * time.Second})
	s.accounts = account.New(account.Deps{Store: s.store, Connector: s.conn, Waker: s.queue, Inbox: in, Logger: log},
		account.Config{MaxPairings: 64, MaxPairingsPerWorkspace: 64, ConnectPerSecond: 200})
	if err := s.queue.Load(ctx); err != nil {
		return err
	}
	if err := s.workspace(ctx); err != nil {
		return err
	}
	s.who = auth.New(s.store, auth.Config{})
	messages := message.New(message.Deps{Store: s.store, Refresher: s.who, NewMessageID: s.conn.NewMessageID})
	meter := httpapi.NewMeter(s.store, log, nil)
	s.api = httpapi.New(httpapi.Config{}, httpapi.Deps{
		Auth: s.who, Messages: messages, Files: files, Storage: s.store, Meter: meter, Log: log,
	})

	// Each part is stopped after all that may still use it.
	parts := newParts()
	defer func() { err = errors.Join(err, parts.stop()) }()
	parts.start(ctx, "claim", claim.Run)
	parts.start(ctx, "inbox", in.Run)
	parts.start(ctx, "accounts", s.accounts.Run)
	parts.start(ctx, "outbox", s.queue.Run)
	parts.start(ctx, "meter", meter.Run)
	parts.start(ctx, "http", s.http)
	select {
	case <-ctx.Done():
		return nil
	case err := <-parts.ended:
		return err
	}
}

// workspace makes the workspace and its token when this is the first server.
func (s *server) workspace(ctx context.Context) error {
	_, err := s.store.WorkspaceBySlug(ctx, workspaceSlug)
	if !tideline.IsCode(err, tideline.CodeNotFound) {
		return err
	}
	now, grant := time.Now(), tideline.Credits(credits)
	w, owner, err := s.store.CreateWorkspace(ctx, tideline.Workspace{
		Slug: workspaceSlug, DisplayName: "Soak", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan},
		Credits: &grant, Gap: gap, CreatedAt: now,
	}, tideline.Member{Email: "owner@example.com", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: now})
	if err != nil {
		return err
	}
	_, err = s.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.ID, MemberID: owner.ID, Name: "soak", CreatedAt: now},
		sha256.Sum256([]byte(token)))
	return err
}

// http serves the API and what the soak asks for, and says where.
func (s *server) http(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(httpapi.Base+"/", s.api)
	mux.HandleFunc("POST /soak/pair", s.pair)
	mux.HandleFunc("GET /soak/sample", s.sample)
	mux.HandleFunc("GET /soak/heap", func(w http.ResponseWriter, _ *http.Request) { _ = pprof.Lookup("heap").WriteTo(w, 0) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	line, err := json.Marshal(ready{l.Addr().String()})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if srv.Shutdown(soon) != nil {
			_ = srv.Close()
		}
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// pair links one phone: the first line of the answer is the QR code's content,
// the second says how it ended.
func (s *server) pair(w http.ResponseWriter, r *http.Request) {
	p, err := s.who.Authenticate(r.Context(), token)
	var steps <-chan whatsapp.PairEvent
	if err == nil {
		steps, err = s.accounts.Pair(r.Context(), p.Workspace.ID, p.Member, whatsapp.PairRequest{})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	shown := false
	for step := range steps {
		switch {
		case step.QR != nil && !shown:
			shown = true
			fmt.Fprintln(w, step.QR.Text)
			_ = http.NewResponseController(w).Flush()
		case step.Paired != nil:
			fmt.Fprintln(w, "paired")
		case step.Failed != nil:
			fmt.Fprintln(w, step.Failed)
		}
	}
}

// sample looks at this process after a collection.
func (s *server) sample(w http.ResponseWriter, _ *http.Request) {
	// The first one finishes what is under way; pools are empty after the second.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	got := sample{Heap: int64(m.HeapAlloc), Goroutines: runtime.NumGoroutine()}
	if st, err := procstat.Read(os.Getpid()); err == nil {
		got.RSS = st.RSS
	}
	_ = json.MarshalWrite(w, got)
}

var errEnded = errors.New("nobody asked it to")

// parts are the long-lived parts of a server, in the order of their start.
type parts struct {
	ended chan error // one that ended by itself
	stops []func() error
}

func newParts() *parts { return &parts{ended: make(chan error, 1)} }

// start runs a part. Its context carries ctx's values and not its end: the order
// decides when a part stops.
func (p *parts) start(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	var result error
	running.Go(func() {
		result = run(ctx)
		if ctx.Err() == nil {
			select {
			case p.ended <- fmt.Errorf("%s ended by itself: %w", name, cmp.Or(result, errEnded)):
			default: // another one was first
			}
		}
	})
	p.stops = append(p.stops, func() error {
		cancel()
		running.Wait()
		if errors.Is(result, context.Canceled) {
			return nil
		}
		return result
	})
}

// stop ends the parts, the last one first.
func (p *parts) stop() error {
	var errs []error
	for i := len(p.stops) - 1; i >= 0; i-- {
		errs = append(errs, p.stops[i]())
	}
	return errors.Join(errs...)
}
