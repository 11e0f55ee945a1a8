package auth

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ledger keeps what was written.
type ledger struct {
	writes [][]store.TokenUse
	fail   error
}

func (l *ledger) PutTokenUses(_ context.Context, uses []store.TokenUse) error {
	if l.fail != nil {
		return l.fail
	}
	if len(uses) > 0 {
		l.writes = append(l.writes, uses)
	}
	return nil
}

func TestTheLastUseIsWrittenOnceAMinuteHoweverOftenATokenIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		u := NewUses(l, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- u.Run(ctx) }()
		p := &tideline.Principal{Workspace: tideline.Workspace{ID: 7}, Token: tideline.Token{ID: 5}}
		asked := 0
		use := func() {
			u.Note(p, time.Now(), func() netip.Addr { asked++; return netip.MustParseAddr("203.0.113.77") })
		}
		synctest.Wait()
		for range 1000 {
			use()
		}
		if asked != 1 {
			t.Errorf("the address was asked for %d times within a second", asked)
		}
		if len(l.writes) != 0 {
			t.Fatalf("written on the path of the request: %v", l.writes)
		}
		<-time.After(30 * time.Second)
		last := time.Now()
		use()
		<-time.After(31 * time.Second)
		synctest.Wait()
		want := [][]store.TokenUse{{{WorkspaceID: 7, TokenID: 5, At: last, From: "203.0.113.0/24"}}}
		if diff := cmp.Diff(want, l.writes); diff != "" {
			t.Fatalf("after a minute (-want +got):\n%s", diff)
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if len(l.writes) != 1 {
			t.Errorf("written although nothing was used: %v", l.writes)
		}
		l.fail = errors.New("no")
		last = time.Now()
		use()
		<-time.After(2 * time.Minute)
		synctest.Wait()
		l.fail = nil
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(l.writes) != 2 || !l.writes[1][0].At.Equal(last) {
			t.Errorf("what could not be written at first: %v", l.writes)
		}
	})
}

func TestOnlyTokensAreNoted(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	u := NewUses(l, nil)
	u.Note(&tideline.Principal{Member: tideline.Member{ID: 1}}, time.Now(), func() netip.Addr { return netip.Addr{} })
	(*Uses)(nil).Note(&tideline.Principal{Token: tideline.Token{ID: 1}}, time.Now(), nil)
	if err := u.Flush(t.Context()); err != nil || len(l.writes) != 0 {
		t.Errorf("wrote %v, %v", l.writes, err)
	}
}
