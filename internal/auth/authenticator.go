package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"golang.org/x/sync/singleflight"
)

// Defaults of Config.
const (
	DefaultCacheSize = 16384
	DefaultTrust     = time.Second
)

// lookupTimeout bounds a lookup that several requests share; it does not end
// with the request that happened to start it.
const lookupTimeout = 10 * time.Second

// Directory is what an Authenticator asks storage; see store.Directory.
type Directory interface {
	Version(ctx context.Context) (int64, error)
	PrincipalByToken(ctx context.Context, hash [32]byte, now time.Time) (tideline.Principal, error)
}

// Config adjusts an Authenticator. The zero value is good.
type Config struct {
	// CacheSize bounds how many principals are kept in memory; 0 = DefaultCacheSize.
	CacheSize int
	// Trust is how long AuthenticateCached goes without asking storage for the
	// configuration version; 0 = DefaultTrust.
	Trust time.Duration
	// Now gives the time; nil = time.Now.
	Now func() time.Time
}

// Authenticator finds the principal behind a bearer token. It is safe for
// concurrent use and has nothing to close.
type Authenticator struct {
	storage Directory
	trust   time.Duration
	now     func() time.Time

	mu    sync.RWMutex
	cache generations[[32]byte, *tideline.Principal]

	seen     atomic.Pointer[sighting]
	sightMu  sync.Mutex // held by the one request that renews seen
	inflight singleflight.Group
}

// sighting is a configuration version and when storage was asked for it.
type sighting struct {
	version int64
	at      time.Time // before the question, so that age is never understated
}

// New makes an Authenticator.
func New(storage Directory, cfg Config) *Authenticator {
	if cfg.CacheSize == 0 {
		cfg.CacheSize = DefaultCacheSize
	}
	if cfg.Trust == 0 {
		cfg.Trust = DefaultTrust
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Authenticator{
		storage: storage,
		trust:   cfg.Trust,
		now:     cfg.Now,
		cache:   newGenerations[[32]byte, *tideline.Principal](cfg.CacheSize),
	}
}

// Authenticate finds the holder of the token as of now: what any process
// committed before the call is seen. Errors: missing_credentials (empty text),
// invalid_token (unknown, revoked or expired), member_not_found.
func (a *Authenticator) Authenticate(ctx context.Context, bearer string) (*tideline.Principal, error) {
	if bearer == "" {
		return nil, errMissing
	}
	s, err := a.sight(ctx)
	if err != nil {
		return nil, err
	}
	return a.at(ctx, sha256.Sum256([]byte(bearer)), s.version)
}

// AuthenticateCached is Authenticate that may be late by Config.Trust. It is for
// callers whose own transaction refuses a Principal.Version that is no longer
// the current one, so that nothing is done with what is out of date.
func (a *Authenticator) AuthenticateCached(ctx context.Context, bearer string) (*tideline.Principal, error) {
	if bearer == "" {
		return nil, errMissing
	}
	s := a.seen.Load()
	if s == nil || a.now().Sub(s.at) > a.trust {
		var err error
		if s, err = a.resight(ctx); err != nil {
			return nil, err
		}
	}
	return a.at(ctx, sha256.Sum256([]byte(bearer)), s.version)
}

// Refresh looks a principal up again after storage refused its version. The
// result's version is larger than p's unless nothing changed. Calls that come
// together share one lookup. Errors as of Authenticate.
func (a *Authenticator) Refresh(ctx context.Context, p *tideline.Principal) (*tideline.Principal, error) {
	a.mu.RLock()
	cached, ok, _ := a.cache.peek(p.TokenHash)
	a.mu.RUnlock()
	// A neighbour that was refused as well has been here first. If what it found
	// is out of date again, storage refuses once more, and then versions agree.
	if ok && cached.Version > p.Version && !a.expired(cached) {
		return cached, nil
	}
	return a.lookUp(ctx, p.TokenHash, p.Version+1)
}

// at gives the principal of hash at the given version or a later one.
func (a *Authenticator) at(ctx context.Context, hash [32]byte, version int64) (*tideline.Principal, error) {
	a.mu.RLock()
	p, ok, aging := a.cache.peek(hash)
	a.mu.RUnlock()
	if !ok || p.Version < version || a.expired(p) {
		return a.lookUp(ctx, hash, version)
	}
	if aging {
		a.keep(hash, p)
	}
	return p, nil
}

func (a *Authenticator) expired(p *tideline.Principal) bool {
	end := p.Token.ExpiresAt
	if p.Session.ID != 0 {
		end = p.Session.ExpiresAt // as of then; it may have been used since, which a lookup shows
	}
	return !end.IsZero() && !a.now().Before(end)
}

// lookUp reads the principal from storage, which is known to have reached the
// given version. After a change of the configuration every request in flight
// needs the same principal, so those that know of the same version share the
// answer: whoever asked first did so after that version was there.
func (a *Authenticator) lookUp(ctx context.Context, hash [32]byte, version int64) (*tideline.Principal, error) {
	key := binary.BigEndian.AppendUint64(hash[:], uint64(version))
	v, err, _ := a.inflight.Do(string(key), func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		p, err := a.storage.PrincipalByToken(shared, hash, a.now())
		if err != nil {
			a.forget(hash)
			return nil, err
		}
		p.TokenHash = hash
		a.keep(hash, &p)
		return &p, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*tideline.Principal), nil
}

// keep remembers p unless something newer is there already.
func (a *Authenticator) keep(hash [32]byte, p *tideline.Principal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if cached, ok, _ := a.cache.peek(hash); ok && cached.Version > p.Version {
		p = cached
	}
	a.cache.put(hash, p)
}

func (a *Authenticator) forget(hash [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cache.remove(hash)
}

// sight asks storage for the version.
func (a *Authenticator) sight(ctx context.Context) (*sighting, error) {
	at := a.now()
	version, err := a.storage.Version(ctx)
	if err != nil {
		return nil, err
	}
	s := &sighting{version: version, at: at}
	for {
		old := a.seen.Load()
		if old != nil && (old.version > version || old.version == version && !old.at.Before(at)) {
			return s, nil
		}
		if a.seen.CompareAndSwap(old, s) {
			return s, nil
		}
	}
}

// resight renews what AuthenticateCached trusts: one request asks, those that
// wait meanwhile take its answer.
func (a *Authenticator) resight(ctx context.Context) (*sighting, error) {
	a.sightMu.Lock()
	defer a.sightMu.Unlock()
	if s := a.seen.Load(); s != nil && a.now().Sub(s.at) <= a.trust {
		return s, nil
	}
	return a.sight(ctx)
}

var errMissing = tideline.Errorf(tideline.CodeMissingCredentials,
	"No credentials: send your API token in the header \"Authorization: Bearer <token>\"")
