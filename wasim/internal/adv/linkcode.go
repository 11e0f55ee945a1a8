package adv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// A wrapped ephemeral key is salt, counter-mode IV and the key encrypted under the linking code
// (whatsmeow pair-code.go, generateCompanionEphemeralKey).
const (
	saltSize    = 32
	ivSize      = 16
	keySize     = 32
	WrappedSize = saltSize + ivSize + keySize

	codeRounds = 2 << 16
	nonceSize  = 12
	codeLength = 8
	codeDigits = "123456789ABCDEFGHJKLMNPQRSTVWXYZ" // no 0, I, O, U
)

// ErrWrongCode is returned when the code entered on the phone isn't the one that the companion shows.
var ErrWrongCode = errors.New("the linking code doesn't match")

// NormalizeCode brings a linking code as people type it to its eight characters.
func NormalizeCode(s string) (string, error) {
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(code) != codeLength || strings.Trim(code, codeDigits) != "" {
		return "", fmt.Errorf("%q isn't a linking code of eight characters such as ABCD-EFGH", s)
	}
	return code, nil
}

// Link is the phone's side of linking by code.
type Link struct {
	ephemeral *ecdh.PrivateKey
	identity  *ecdh.PrivateKey
	shared    []byte
	// Wrapped is the phone's ephemeral key, encrypted under the code, for the companion.
	Wrapped []byte
}

// NewLink unwraps the companion's ephemeral key with the code that was entered. A wrong code isn't
// noticed before [Link.Finish].
func NewLink(code string, wrappedCompanion []byte, identity [32]byte) (*Link, error) {
	if len(wrappedCompanion) != WrappedSize {
		return nil, fmt.Errorf("wrapped companion key has %d bytes, want %d", len(wrappedCompanion), WrappedSize)
	}
	raw, err := codeXOR(code, wrappedCompanion[:saltSize], wrappedCompanion[saltSize:saltSize+ivSize], wrappedCompanion[saltSize+ivSize:])
	if err != nil {
		return nil, err
	}
	companion, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("companion's ephemeral key: %w", err)
	}
	l := new(Link)
	if l.identity, err = ecdh.X25519().NewPrivateKey(identity[:]); err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	if l.ephemeral, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		return nil, fmt.Errorf("generate ephemeral key: %w", err)
	}
	if l.shared, err = l.ephemeral.ECDH(companion); err != nil {
		return nil, fmt.Errorf("agree on ephemeral keys: %w", err)
	}
	head := make([]byte, saltSize+ivSize)
	_, _ = rand.Read(head)
	wrapped, err := codeXOR(code, head[:saltSize], head[saltSize:], l.ephemeral.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	l.Wrapped = append(head, wrapped...)
	return l, nil
}

// Finish opens the companion's key bundle and returns the companion's identity key and the secret
// that authenticates the device identity. It returns [ErrWrongCode] when the codes differ.
func (l *Link) Finish(bundle []byte) (companion [32]byte, secret []byte, err error) {
	if len(bundle) < saltSize+nonceSize {
		return companion, nil, errors.New("key bundle is too short")
	}
	key, err := hkdf.Key(sha256.New, l.shared, bundle[:saltSize], "link_code_pairing_key_bundle_encryption_key", 32)
	if err != nil {
		return companion, nil, fmt.Errorf("derive bundle key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return companion, nil, fmt.Errorf("bundle cipher: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return companion, nil, fmt.Errorf("bundle cipher: %w", err)
	}
	plain, err := gcm.Open(nil, bundle[saltSize:saltSize+nonceSize], bundle[saltSize+nonceSize:], nil)
	if err != nil {
		return companion, nil, ErrWrongCode
	}
	// The bundle holds the companion's identity, the phone's identity and random bytes.
	if len(plain) != 3*keySize || string(plain[keySize:2*keySize]) != string(l.identity.PublicKey().Bytes()) {
		return companion, nil, errors.New("key bundle isn't for this phone")
	}
	companion = [32]byte(plain[:keySize])
	public, err := ecdh.X25519().NewPublicKey(companion[:])
	if err != nil {
		return companion, nil, fmt.Errorf("companion's identity key: %w", err)
	}
	identities, err := l.identity.ECDH(public)
	if err != nil {
		return companion, nil, fmt.Errorf("agree on identity keys: %w", err)
	}
	secret, err = hkdf.Key(sha256.New, concat(l.shared, identities, plain[2*keySize:]), nil, "adv_secret", 32)
	if err != nil {
		return companion, nil, fmt.Errorf("derive device secret: %w", err)
	}
	return companion, secret, nil
}

func codeXOR(code string, salt, iv, data []byte) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, code, salt, codeRounds, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key from code: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("code cipher: %w", err)
	}
	out := make([]byte, len(data))
	cipher.NewCTR(block, iv).XORKeyStream(out, data)
	return out, nil
}
