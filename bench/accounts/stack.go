package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

const (
	slug  = "bench"
	token = "bench-token"
)

func business(i int) string { return fmt.Sprintf("+1484%07d", 1000000+i) }
func customer(i int) string { return fmt.Sprintf("+1610%07d", 2000000+i) }

// stack is a server without its HTTP side.
type stack struct {
	store    *sqlstore.Store
	blobs    *local.Store
	conn     *meow.Connector
	accounts *account.Service
	messages *message.Service
	who      *auth.Authenticator
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// open starts a server as the product does, on the databases in dir.
func open(ctx context.Context, dir, database string, net network.Where) (*stack, error) {
	telemetry.TuneGC()
	s := &stack{}
	var err error
	sessions := database
	if database == "" {
		database = filepath.Join(dir, "tideline.db")
	}
	if s.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: database}); err != nil {
		return nil, err
	}
	if s.blobs, err = local.Open(filepath.Join(dir, "files")); err != nil {
		return nil, err
	}
	key, err := net.Key()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if s.conn, err = meow.Open(ctx, meow.Options{
		Database: sessions, DataDir: dir, Logger: log,
		Endpoint: &meow.Endpoint{Addr: net.Addr, RootKey: key},
	}); err != nil {
		return nil, err
	}
	queue := outbox.New(outbox.Deps{Store: s.store, Sender: s.conn, Blobs: s.blobs, Logger: log}, outbox.Config{})
	if err := queue.Load(ctx); err != nil {
		return nil, err
	}
	s.accounts = account.New(account.Deps{Store: s.store, Connector: s.conn, Waker: queue, Logger: log},
		account.Config{MaxPairings: 64, MaxPairingsPerWorkspace: 64}) // connecting is staged as in the product
	s.who = auth.New(s.store, auth.Config{})
	s.messages = message.New(message.Deps{Store: s.store, Refresher: s.who, NewMessageID: s.conn.NewMessageID})

	var running context.Context
	running, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() { _ = queue.Run(running) })
	s.running.Go(func() { _ = s.accounts.Run(running) })
	return s, nil
}

func (s *stack) close() {
	s.stop()
	s.running.Wait()
	_ = s.conn.Close()
	_ = s.blobs.Close()
	_ = s.store.Close()
}

// principal gives the one who sends; the first call makes the workspace.
func (s *stack) principal(ctx context.Context) (*tideline.Principal, error) {
	p, err := s.who.Authenticate(ctx, token)
	if !tideline.IsCode(err, tideline.CodeInvalidToken) {
		return p, err
	}
	now := time.Now()
	unlimited := tideline.Unlimited
	// No gap: the pause between sends is not what is measured here.
	w, owner, err := s.store.CreateWorkspace(ctx, tideline.Workspace{
		Slug: slug, DisplayName: "Bench", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan},
		Credits: &unlimited, CreatedAt: now,
	}, tideline.Member{Email: "owner@example.com", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: now})
	if err != nil {
		return nil, err
	}
	if _, err := s.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.ID, MemberID: owner.ID, Name: "bench", CreatedAt: now}, sha256.Sum256([]byte(token))); err != nil {
		return nil, err
	}
	return s.who.Authenticate(ctx, token)
}

// pairAll adds the phones to the network and pairs an account with each, a few
// at a time.
func (s *stack) pairAll(ctx context.Context, o *options, net network.Where) error {
	p, err := s.principal(ctx)
	if err != nil {
		return err
	}
	for i := range o.Contacts {
		if err := net.AddPhone(ctx, customer(i)); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if err := s.pair(ctx, p, net, business(i)); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range o.Accounts {
		next <- i
	}
	close(next)
	wg.Wait()
	if len(errs) > 0 {
		return fmt.Errorf("%d of %d: %w", len(errs), o.Accounts, errs[0])
	}
	return s.awaitActive(ctx, o.Accounts)
}

func (s *stack) pair(ctx context.Context, p *tideline.Principal, net network.Where, number string) error {
	if err := net.AddPhone(ctx, number); err != nil {
		return err
	}
	events, err := s.accounts.Pair(ctx, p.Workspace.ID, p.Member, whatsapp.PairRequest{})
	if err != nil {
		return err
	}
	scanned := false
	var last whatsapp.PairEvent
	for ev := range events {
		last = ev
		if ev.QR != nil && !scanned {
			scanned = true
			if err := net.Scan(ctx, number, ev.QR.Text); err != nil {
				return err
			}
		}
	}
	if last.Paired == nil {
		return errors.Join(fmt.Errorf("%s was not paired", number), last.Failed)
	}
	return nil
}
