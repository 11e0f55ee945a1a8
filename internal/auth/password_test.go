package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestAPasswordMatchesItsHashOnly(t *testing.T) {
	t.Parallel()
	p := newPasswords(1)
	phc, err := p.hash(t.Context(), "Grüße, 世界!")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := p.hash(t.Context(), "Grüße, 世界!"); again == phc {
		t.Error("the same hash twice: no salt")
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", phc)
	}
	for password, want := range map[string]bool{"Grüße, 世界!": true, "grüße, 世界!": false, "": false, "Grüße, 世界! ": false} {
		ok, outdated, err := p.matches(t.Context(), password, phc)
		if ok != want || outdated || err != nil {
			t.Errorf("%q: %v, %v, %v", password, ok, outdated, err)
		}
	}
	if ok, _, err := p.matches(t.Context(), "", ""); ok || err != nil {
		t.Errorf("without a hash: %v, %v", ok, err)
	}
}

// TestAHashOfAnotherCostIsReadAndOutdated reads what argon2's own command
// line prints: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1.
func TestAHashOfAnotherCostIsReadAndOutdated(t *testing.T) {
	t.Parallel()
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, outdated, err := newPasswords(1).matches(t.Context(), "password", phc)
	if !ok || !outdated || err != nil {
		t.Errorf("got %v, %v, %v", ok, outdated, err)
	}
}

func TestDamagedHashesAreErrorsAndNeverMatch(t *testing.T) {
	t.Parallel()
	for _, phc := range []string{
		"password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=65536,t=2$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=65536,t=2,p=1,x=3$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if ok, _, err := newPasswords(1).matches(t.Context(), "password", phc); ok || err == nil {
			t.Errorf("%s: %v, %v", phc, ok, err)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, phc string) {
		c, salt, key, err := parsePHC(phc)
		if err != nil {
			return
		}
		if c.memory > maxHashMemory || c.time == 0 || c.threads == 0 || len(salt) == 0 || len(key) < 16 {
			t.Errorf("%q asks for %+v with %d and %d bytes", phc, c, len(salt), len(key))
		}
		if c.memory <= 64 && c.time == 1 {
			argon2.IDKey(nil, salt, c.time, c.memory, c.threads, uint32(len(key))) // must not panic
		}
	})
}

func TestHashingWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	p := newPasswords(1)
	p.slots <- struct{}{} // somebody else's turn
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.hash(ctx, "anything"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want to have waited until the request ended", err)
	}
	<-p.slots
	if _, err := p.hash(t.Context(), "anything"); err != nil {
		t.Errorf("after its turn came: %v", err)
	}
	if len(p.slots) != 0 {
		t.Error("a turn was not given back")
	}
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]bool{
		"velvet-tractor": true, "aaaaaaaaab": true, "correct horse": true, "ñandúñandú": true, "84672901837451": true,
		strings.Repeat("ab", 100): true, "ana.lopez2026": true,
		"": false, "ninechars": false, strings.Repeat("ab", 100) + "c": false, "ana.lopez@example.com": false, "ANA.Lopez@Example.com ": false,
		"password123": false, "Passw0rd2026!": false, "1234567890": false, "9876543210": false, "qwertyuiop": false, "ññññññññññ": false,
		"          ": false, "          x": false, "adminadmin": false, "tideline2026": false, "a\xffbcdefghijkl": false,
	} {
		err := CheckPassword(password, "ana.lopez@example.com")
		if (err == nil) != want {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil {
			wantCode(t, err, tideline.CodeValidation)
		}
	}
	if CheckPassword("anastasia-lopez", "Anastasia-Lopez@example.com") == nil {
		t.Error("what stands before the @ was taken")
	}
}
