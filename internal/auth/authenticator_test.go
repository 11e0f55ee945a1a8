package auth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"pgregory.net/rapid"
)

// directory is a Directory in memory that counts what it is asked.
type directory struct {
	mu         sync.Mutex
	version    int64
	principals map[[32]byte]tideline.Principal
	down       error

	versions, lookups atomic.Int64
}

func newDirectory(tokens ...string) *directory {
	d := &directory{version: 1, principals: map[[32]byte]tideline.Principal{}}
	for i, text := range tokens {
		d.principals[HashToken(text)] = tideline.Principal{Token: tideline.Token{ID: int64(i + 1)}}
	}
	return d
}

func (d *directory) Version(context.Context) (int64, error) {
	d.versions.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.version, d.down
}

func (d *directory) PrincipalByToken(_ context.Context, hash [32]byte, now time.Time) (tideline.Principal, error) {
	d.lookups.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.principals[hash]
	if !ok || !p.Token.ExpiresAt.IsZero() && !now.Before(p.Token.ExpiresAt) {
		return tideline.Principal{}, tideline.Errorf(tideline.CodeInvalidToken, "no")
	}
	p.Version = d.version
	return p, d.down
}

// change edits the principal of a token, or revokes the token when edit is nil.
func (d *directory) change(text string, edit func(p *tideline.Principal)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.version++
	hash := HashToken(text)
	if edit == nil {
		delete(d.principals, hash)
		return
	}
	p := d.principals[hash]
	edit(&p)
	d.principals[hash] = p
}

func wantCode(t *testing.T, err error, code tideline.Code) {
	t.Helper()
	if got := tideline.ErrorCode(err); got != code {
		t.Fatalf("error %v has the code %q, want %q", err, got, code)
	}
}

func TestAuthenticateAsksForThePrincipalOnce(t *testing.T) {
	t.Parallel()
	d := newDirectory("a")
	a := New(d, Config{})
	for range 3 {
		p, err := a.Authenticate(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if p.TokenHash != HashToken("a") || p.Token.ID != 1 || p.Version != 1 {
			t.Fatalf("principal is %+v", p)
		}
	}
	if n := d.lookups.Load(); n != 1 {
		t.Errorf("%d lookups, want 1", n)
	}
}

func TestAuthenticateSeesARevocationAtOnce(t *testing.T) {
	t.Parallel()
	d := newDirectory("a")
	a := New(d, Config{})
	if _, err := a.Authenticate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	d.change("a", nil)
	_, err := a.Authenticate(t.Context(), "a")
	wantCode(t, err, tideline.CodeInvalidToken)
}

func TestAuthenticateCachedSeesARevocationWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory("a")
		a := New(d, Config{})
		for range 100 {
			if _, err := a.AuthenticateCached(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		if v, l := d.versions.Load(), d.lookups.Load(); v != 1 || l != 1 {
			t.Fatalf("%d questions for the version and %d lookups, want one of each", v, l)
		}
		d.change("a", nil)
		if _, err := a.AuthenticateCached(t.Context(), "a"); err != nil {
			t.Fatalf("within the second the answer may be old: %v", err)
		}
		<-time.After(time.Second + time.Millisecond) // virtual
		_, err := a.AuthenticateCached(t.Context(), "a")
		wantCode(t, err, tideline.CodeInvalidToken)
	})
}

func TestATokenExpiresInMemoryToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory("a")
		d.change("a", func(p *tideline.Principal) { p.Token.ExpiresAt = time.Now().Add(500 * time.Millisecond) })
		a := New(d, Config{})
		if _, err := a.AuthenticateCached(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		<-time.After(500 * time.Millisecond) // virtual; the version is still trusted
		_, err := a.AuthenticateCached(t.Context(), "a")
		wantCode(t, err, tideline.CodeInvalidToken)
	})
}

func TestRefreshGivesWhatIsTrueNow(t *testing.T) {
	t.Parallel()
	d := newDirectory("a")
	a := New(d, Config{})
	p, err := a.AuthenticateCached(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	d.change("a", func(p *tideline.Principal) { p.Member.Role = tideline.RoleCollaborator })
	fresh, err := a.Refresh(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Version != 2 || fresh.Member.Role != tideline.RoleCollaborator {
		t.Errorf("refreshed to %+v", fresh)
	}
	// Others that were refused with the same version take the same answer.
	before := d.lookups.Load()
	if again, err := a.Refresh(t.Context(), p); err != nil || again != fresh || d.lookups.Load() != before {
		t.Errorf("second refresh: %v, %d more lookups", err, d.lookups.Load()-before)
	}
	d.change("a", nil)
	_, err = a.Refresh(t.Context(), fresh)
	wantCode(t, err, tideline.CodeInvalidToken)
}

func TestNoCredentialsAreMissingOnes(t *testing.T) {
	t.Parallel()
	a := New(newDirectory(), Config{})
	_, err := a.Authenticate(t.Context(), "")
	wantCode(t, err, tideline.CodeMissingCredentials)
	_, err = a.AuthenticateCached(t.Context(), "")
	wantCode(t, err, tideline.CodeMissingCredentials)
}

func TestStorageFailureIsNotABadToken(t *testing.T) {
	t.Parallel()
	d := newDirectory("a")
	a := New(d, Config{})
	d.down = errors.New("disk on fire")
	for _, authenticate := range []func(context.Context, string) (*tideline.Principal, error){a.Authenticate, a.AuthenticateCached} {
		if _, err := authenticate(t.Context(), "a"); !errors.Is(err, d.down) {
			t.Errorf("got %v, want storage's error", err)
		}
	}
}

func TestACancelledRequestDoesNotFailTheOthersThatShareItsLookup(t *testing.T) {
	t.Parallel()
	a := New(newDirectory("a"), Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.lookUp(ctx, HashToken("a"), 1); err != nil {
		t.Errorf("lookup ended with its first asker: %v", err)
	}
}

// TestAuthenticateIsNeverLate breaks in with changes at any moment: an answer
// must be what was true at some moment after the question.
func TestAuthenticateIsNeverLate(t *testing.T) {
	t.Parallel()
	d := newDirectory("a")
	d.change("a", func(p *tideline.Principal) { p.Workspace.ID = 0 })
	a := New(d, Config{})
	stop := make(chan struct{})
	var committed atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			d.change("a", func(p *tideline.Principal) { p.Workspace.ID = n })
			committed.Store(n)
		}
	})
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for range 2000 {
				before := committed.Load()
				p, err := a.Authenticate(t.Context(), "a")
				if err != nil || p.Workspace.ID < before {
					t.Errorf("got state %d, %v after %d was committed", p.Workspace.ID, err, before)
					return
				}
			}
		})
	}
	askers.Wait()
	close(stop)
	wg.Wait()
}

// TestTheCacheStaysBoundedAndTrue compares the bounded map with an unbounded one.
func TestTheCacheStaysBoundedAndTrue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(2, 20).Draw(t, "size")
		g := newGenerations[int, int](size)
		truth := map[int]int{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			k := rapid.IntRange(0, 30).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0:
				g.remove(k)
				delete(truth, k)
			case 1:
				if v, ok, _ := g.peek(k); ok && v != truth[k] {
					t.Fatalf("key %d holds %d, want %d", k, v, truth[k])
				}
			default:
				v := rapid.Int().Draw(t, "value")
				g.put(k, v)
				truth[k] = v
				if got, ok, aging := g.peek(k); !ok || got != v || aging {
					t.Fatalf("key %d just put: %d, %v, %v", k, got, ok, aging)
				}
			}
			if n := g.len(); n > size {
				t.Fatalf("%d entries, want at most %d", n, size)
			}
		}
	})
}
