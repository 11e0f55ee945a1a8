package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// usesEvery is how often uses are written down, each token once. A crash
	// forgets at most that much.
	usesEvery = time.Minute
	// useStep is the finest difference between two uses that is noted.
	useStep = time.Second
	// lastUses bounds the last time that uses are written.
	lastUses = 10 * time.Second
)

// Uses notes when tokens are used, in memory, and writes it down once a minute:
// nobody waits for it, and a token that is used a thousand times a second costs
// one row a minute. It is safe for concurrent use.
type Uses struct {
	storage store.TokenUses
	log     *slog.Logger

	mu    sync.RWMutex
	since map[int64]store.TokenUse // since they were last written, by token
}

// NewUses makes a Uses; log nil = none.
func NewUses(storage store.TokenUses, log *slog.Logger) *Uses {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Uses{storage: storage, log: log, since: map[int64]store.TokenUse{}}
}

// Note notes that p's token was used. from gives the address; it is asked only
// when it will be kept. A nil Uses notes nothing.
func (u *Uses) Note(p *tideline.Principal, at time.Time, from func() netip.Addr) {
	if u == nil || p.Token.ID == 0 {
		return
	}
	u.mu.RLock()
	last, ok := u.since[p.Token.ID]
	u.mu.RUnlock()
	if ok && at.Sub(last.At) < useStep {
		return
	}
	use := store.TokenUse{WorkspaceID: p.Workspace.ID, TokenID: p.Token.ID, At: at, From: tideline.RoughAddress(from())}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keep(use)
}

// keep puts a use in its place unless a later one is there.
func (u *Uses) keep(use store.TokenUse) {
	if last, ok := u.since[use.TokenID]; !ok || use.At.After(last.At) {
		u.since[use.TokenID] = use
	}
}

// Run writes uses down once a minute and once more when ctx ends, and returns nil
// then. End ctx after the last request was answered.
func (u *Uses) Run(ctx context.Context) error {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := u.Flush(ctx); err != nil && ctx.Err() == nil {
				u.log.WarnContext(ctx, "last uses of tokens not written down, will try again", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastUses)
			defer cancel()
			if err := u.Flush(last); err != nil {
				u.log.ErrorContext(ctx, "the last uses of tokens are lost", "error", err)
			}
			return nil
		}
	}
}

// Flush writes down what was noted so far. What can't be written is kept.
func (u *Uses) Flush(ctx context.Context) error {
	u.mu.Lock()
	since := u.since
	u.since = map[int64]store.TokenUse{}
	u.mu.Unlock()
	uses := make([]store.TokenUse, 0, len(since))
	for _, use := range since {
		uses = append(uses, use)
	}
	err := u.storage.PutTokenUses(ctx, uses)
	if err == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range since {
		u.keep(use)
	}
	return fmt.Errorf("write uses of tokens: %w", err)
}
