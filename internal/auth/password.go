package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Limits of a password, in characters. There are no rules about which characters
// it is made of: they make people choose worse ones.
const (
	MinPassword = 10
	MaxPassword = 200
)

// The cost of a password hash: what OWASP's Password Storage Cheat Sheet names
// for argon2id. Hashes that were made at another cost are replaced when their
// members sign in.
const (
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashKey     = 32 // bytes

	// maxHashMemory bounds what a stored hash may ask for, in KiB.
	maxHashMemory = 256 * 1024
)

// DefaultHashes is how many passwords are hashed at a time. Each takes 19 MiB and
// some 30 ms of a core; the others wait.
const DefaultHashes = 2

// passwords hashes and compares, a few at a time.
type passwords struct{ slots chan struct{} }

func newPasswords(atOnce int) *passwords { return &passwords{make(chan struct{}, atOnce)} }

// cost is what a hash was made with.
type cost struct {
	memory, time uint32
	threads      uint8
}

var ourCost = cost{hashMemory, hashTime, hashThreads}

// key derives a key when it is this call's turn. Errors: those of ctx.
func (p *passwords) key(ctx context.Context, password string, salt []byte, c cost, size uint32) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.slots }()
	return argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, size), nil
}

// hash gives the PHC string of a password.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, hashSalt)
	rand.Read(salt) // never fails
	key, err := p.key(ctx, password, salt, ourCost, hashKey)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// matches compares a password with a PHC string, and reports whether that was
// made at another cost than today's. Without a PHC string it takes as long and
// finds no match.
func (p *passwords) matches(ctx context.Context, password, phc string) (ok, outdated bool, err error) {
	if phc == "" {
		_, err := p.key(ctx, password, make([]byte, hashSalt), ourCost, hashKey)
		return false, false, err
	}
	c, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, false, fmt.Errorf("read stored password hash: %w", err)
	}
	got, err := p.key(ctx, password, salt, c, uint32(len(want))) //nolint:gosec // a few bytes, see parsePHC
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, c != ourCost || len(want) != hashKey, nil
}

var errPHC = errors.New("not an argon2id PHC string")

// parsePHC reads "$argon2id$v=19$m=19456,t=2,p=1$salt$key".
func parsePHC(phc string) (c cost, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", c.memory, c.time, c.threads) {
		return c, nil, nil, errPHC
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 ||
		c.memory < 8 || c.memory > maxHashMemory || c.time < 1 || c.time > 16 || c.threads < 1 || c.threads > 16 {
		return c, nil, nil, errPHC
	}
	return c, salt, key, nil
}

// Fault is what is wrong with a password that somebody wants to choose.
type Fault string

// The faults. "" is none.
const (
	FaultShort  Fault = "short"   // fewer than MinPassword characters
	FaultLong   Fault = "long"    // more than MaxPassword characters
	FaultEmail  Fault = "e-mail"  // it is the e-mail address, or what stands before the @
	FaultCommon Fault = "common"  // it is one of the first that would be tried
	FaultCode   Fault = "invalid" // it is no UTF-8
)

// PasswordFault gives what is wrong with a password for a member with the e-mail.
func PasswordFault(password, email string) Fault {
	lower := strings.ToLower(strings.TrimSpace(password))
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return FaultCode
	case n < MinPassword:
		return FaultShort
	case n > MaxPassword:
		return FaultLong
	case lower == strings.ToLower(email) || lower == local:
		return FaultEmail
	case common(lower):
		return FaultCommon
	}
	return ""
}

// CheckPassword reports whether a member with the e-mail may choose password. The
// error is a validation_error about the field "password".
func CheckPassword(password, email string) error {
	msg := ""
	switch PasswordFault(password, email) {
	case "":
		return nil
	case FaultShort:
		msg = fmt.Sprintf("has fewer than %d characters", MinPassword)
	case FaultLong:
		msg = fmt.Sprintf("has more than %d characters", MaxPassword)
	case FaultEmail:
		msg = "is your e-mail address: choose something that nobody knows"
	case FaultCommon:
		msg = "is one of the first that somebody would try: choose another"
	default:
		msg = "must be UTF-8"
	}
	return tideline.Invalid([]tideline.FieldError{{Path: []string{"password"}, Msg: msg}})
}

// common reports whether a password, in lower case and without space around it,
// is among those that are tried first: the ones of at least MinPassword
// characters that leak most often, one character again and again, digits in a
// row, and a short common one twice.
func common(lower string) bool {
	if first, _ := utf8.DecodeRuneInString(lower); strings.Trim(lower, string(first)) == "" {
		return true
	}
	if strings.Contains("01234567890123456789", lower) || strings.Contains("98765432109876543210", lower) {
		return true
	}
	if half := lower[:len(lower)/2]; half+half == lower {
		lower = half
	}
	switch strings.TrimRight(lower, "0123456789!.?") {
	case "password", "passwort", "contraseña", "contrasena", "passw0rd", "p@ssword", "p@ssw0rd", "qwerty", "qwertyuiop", "qwertzuiop",
		"azertyuiop", "asdfghjkl", "zxcvbnm", "iloveyou", "welcome", "letmein", "changeme", "administrator", "admin", "administrador",
		"tideline", "whatsapp", "test", "abc", "abcdefghij", "secret", "computer", "football", "baseball", "superman", "princess",
		"sunshine", "monkey", "dragon", "master", "login", "starwars", "trustno", "q1w2e3r4t5y", "1q2w3e4r5t", "1q2w3e4r5t6y", "1qaz2wsx3edc",
		"correcthorsebatterystaple", "hola", "teamo", "tequiero", "bienvenido":
		return true
	}
	return false
}
