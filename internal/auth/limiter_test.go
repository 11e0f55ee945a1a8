package auth

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheLimiterLetsTheBurstThroughAndThenTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter[string](Rate{PerSecond: 2, Burst: 3}, nil)
		for range 3 {
			if _, ok := l.Allow("a"); !ok {
				t.Fatal("a request of the burst was refused")
			}
		}
		retry, ok := l.Allow("a")
		if ok || retry != time.Second {
			t.Fatalf("got %v, %v; want a refusal for a second, the shortest that the header can say", retry, ok)
		}
		if _, ok := l.Allow("b"); !ok {
			t.Error("another key was refused")
		}
		<-time.After(500 * time.Millisecond) // virtual
		if _, ok := l.Allow("a"); !ok {
			t.Error("refused although a token had come back; a refusal must not count")
		}
	})
}

func TestTheLimiterSaysHowLongASlowRateTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter[string](Rate{PerSecond: 0.1}, nil)
		l.Allow("a")
		retry, ok := l.Allow("a")
		if ok || retry != 10*time.Second {
			t.Fatalf("got %v, %v; want a refusal for 10 seconds", retry, ok)
		}
		<-time.After(retry) // virtual
		if _, ok := l.Allow("a"); !ok {
			t.Error("refused after the time that was asked for")
		}
	})
}

func TestNoRateIsNoLimit(t *testing.T) {
	t.Parallel()
	l := NewLimiter[string](Rate{Burst: 1}, nil)
	for range 1000 {
		if _, ok := l.Allow("a"); !ok {
			t.Fatal("refused")
		}
	}
}

func TestTheLimiterForgetsAddressesInsteadOfGrowing(t *testing.T) {
	t.Parallel()
	l := NewLimiter[int](Rate{PerSecond: 1}, nil)
	for i := range 2 * limiterSize {
		l.Allow(i)
	}
	if n := l.keys.len(); n > limiterSize {
		t.Errorf("%d keys remembered, want at most %d", n, limiterSize)
	}
}
