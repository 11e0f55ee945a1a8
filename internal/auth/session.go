package auth

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// CookieName is the name of the cookie that holds a session's secret. Where the
// pages are reached over TLS, browsers accept it from this very host only, over
// TLS, and for all paths.
func CookieName(secure bool) string {
	if secure {
		return "__Host-tideline"
	}
	return "tideline"
}

const (
	// seenEvery is how often the use of a session is written down, at most.
	seenEvery = time.Minute
	// flushEvery is how often Run writes what was noted.
	flushEvery = 20 * time.Second
	// flushTimeout bounds the last write, when Run ends.
	flushTimeout = 5 * time.Second

	maxUserAgent = 200 // characters
	maxEmail     = 254
)

// Rates at which sign-ins are let through when SessionConfig names none. They
// hold back whoever guesses, not a person who mistypes.
var (
	defaultPerAddress = Rate{PerSecond: 0.2, Burst: 30}
	defaultPerEmail   = Rate{PerSecond: 1.0 / 30, Burst: 10}
)

// SessionStorage is what Sessions needs; see store.Store.
type SessionStorage interface {
	store.Sessions
	Version(ctx context.Context) (int64, error)
}

// SessionConfig adjusts Sessions. The zero value is good.
type SessionConfig struct {
	// PerAddress and PerEmail limit attempts to sign in from one address and with
	// one e-mail; zero = 30 at once and one every five seconds, 10 at once and one
	// every half a minute.
	PerAddress, PerEmail Rate
	// Hashes is how many passwords are hashed at a time; 0 = DefaultHashes.
	Hashes int
	// CacheSize bounds how many principals are kept in memory; 0 = DefaultCacheSize.
	CacheSize int
	Log       *slog.Logger     // nil = none
	Now       func() time.Time // nil = time.Now
}

// Sessions lets members into the pages and says who is in. Run must be running
// for the times at which sessions were used to be kept, and so for sessions to
// last while they are used.
type Sessions struct {
	storage    SessionStorage
	finder     *Authenticator
	passwords  *passwords
	perAddress *Limiter[string]
	perEmail   *Limiter[string]
	log        *slog.Logger
	now        func() time.Time

	mu    sync.Mutex
	noted map[int64]sightingOf // by session
}

// sightingOf is a use of a session that was noted.
type sightingOf struct {
	store.Sighting
	written bool
}

// NewSessions makes a Sessions.
func NewSessions(storage SessionStorage, cfg SessionConfig) *Sessions {
	if cfg.PerAddress == (Rate{}) {
		cfg.PerAddress = defaultPerAddress
	}
	if cfg.PerEmail == (Rate{}) {
		cfg.PerEmail = defaultPerEmail
	}
	if cfg.Hashes == 0 {
		cfg.Hashes = DefaultHashes
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Sessions{
		storage:    storage,
		finder:     New(sessionDirectory{storage}, Config{CacheSize: cfg.CacheSize, Now: cfg.Now}),
		passwords:  newPasswords(cfg.Hashes),
		perAddress: NewLimiter[string](cfg.PerAddress, cfg.Now),
		perEmail:   NewLimiter[string](cfg.PerEmail, cfg.Now),
		log:        cfg.Log, now: cfg.Now,
		noted: map[int64]sightingOf{},
	}
}

// sessionDirectory has an Authenticator look sessions up where it would look for
// tokens: a session's secret is a bearer credential like any other.
type sessionDirectory struct{ SessionStorage }

// PrincipalByToken implements Directory.
func (d sessionDirectory) PrincipalByToken(ctx context.Context, hash [32]byte, now time.Time) (tideline.Principal, error) {
	return d.PrincipalBySession(ctx, hash, now)
}

// Authenticate finds the member whose session has the secret, as of now: what any
// process committed before the call is seen. It notes that the session was used.
// Errors: missing_credentials (no secret), invalid_token (the session has ended),
// member_not_found.
func (s *Sessions) Authenticate(ctx context.Context, secret string) (*tideline.Principal, error) {
	if secret == "" {
		return nil, tideline.Errorf(tideline.CodeMissingCredentials, "You are not signed in")
	}
	p, err := s.finder.Authenticate(ctx, secret)
	if err != nil {
		return nil, err
	}
	s.note(&p.Session)
	return p, nil
}

// Refresh looks a principal up again after storage refused its version; see
// Authenticator.Refresh.
func (s *Sessions) Refresh(ctx context.Context, p *tideline.Principal) (*tideline.Principal, error) {
	return s.finder.Refresh(ctx, p)
}

// note remembers that a session is used, unless that was noted within seenEvery.
func (s *Sessions) note(se *tideline.Session) {
	now := s.now()
	if now.Sub(se.SeenAt) < seenEvery {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.noted[se.ID]; ok && now.Sub(last.At) < seenEvery {
		return
	}
	s.noted[se.ID] = sightingOf{Sighting: store.Sighting{WorkspaceID: se.WorkspaceID, SessionID: se.ID, At: now}}
}

// Run writes down when sessions were used until ctx ends, and once more then.
func (s *Sessions) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			s.flush(last)
			return nil
		}
	}
}

// flush writes what was noted. What could not be written is tried again.
func (s *Sessions) flush(ctx context.Context) {
	now := s.now()
	var list []store.Sighting
	s.mu.Lock()
	for id, g := range s.noted {
		switch {
		case !g.written:
			list = append(list, g.Sighting)
			g.written = true
			s.noted[id] = g
		case now.Sub(g.At) >= seenEvery:
			delete(s.noted, id)
		}
	}
	s.mu.Unlock()
	if len(list) == 0 {
		return
	}
	err := s.storage.NoteSeen(ctx, list)
	if err == nil {
		return
	}
	s.log.WarnContext(ctx, "note when sessions were used; trying again", "err", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range list {
		if last, ok := s.noted[g.SessionID]; !ok || last.At.Equal(g.At) {
			s.noted[g.SessionID] = sightingOf{Sighting: g}
		}
	}
}

// List gives a member's sessions, the last used first.
func (s *Sessions) List(ctx context.Context, workspaceID, memberID int64) ([]tideline.Session, error) {
	list, err := s.storage.ListSessions(ctx, workspaceID, memberID, s.now())
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		if g, ok := s.noted[list[i].ID]; ok && g.At.After(list[i].SeenAt) {
			list[i].SeenAt = g.At // not on disk yet
		}
	}
	return list, err
}

// End ends a session of a member: not_found.
func (s *Sessions) End(ctx context.Context, workspaceID, memberID, sessionID int64) error {
	return s.storage.EndSession(ctx, workspaceID, memberID, sessionID)
}

// EndAll ends all sessions of a member and gives their number.
func (s *Sessions) EndAll(ctx context.Context, workspaceID, memberID int64) (int, error) {
	return s.storage.EndSessions(ctx, workspaceID, memberID, 0)
}

// EndOthers ends all sessions of p's member but p's own and gives their number.
func (s *Sessions) EndOthers(ctx context.Context, p *tideline.Principal) (int, error) {
	return s.storage.EndSessions(ctx, p.Workspace.ID, p.Member.ID, p.Session.ID)
}

// SignOut ends p's own session; that it has ended already is no error.
func (s *Sessions) SignOut(ctx context.Context, p *tideline.Principal) error {
	err := s.storage.EndSession(ctx, p.Workspace.ID, p.Member.ID, p.Session.ID)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil
	}
	return err
}

// Browser is what a session is opened with.
type Browser struct {
	Address   string // of the client, as far as it is known; also limits the rate of attempts
	UserAgent string // any text
}

// open draws a session: its secret, the hash of that, and what is kept.
func (s *Sessions) open(b Browser) (secret string, hash [32]byte, se tideline.Session) {
	now := s.now()
	secret = newSecret()
	return secret, sha256.Sum256([]byte(secret)), tideline.Session{
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(tideline.SessionLife),
		UserAgent: clip(b.UserAgent, maxUserAgent), Address: clip(b.Address, maxUserAgent),
	}
}

// clip gives at most n characters of text that any database takes.
func clip(text string, n int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n])
}
