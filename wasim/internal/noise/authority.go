// Package noise is the server's half of WhatsApp's transport: the certificate authority that clients
// check, the Noise_XX_25519_AESGCM_SHA256 handshake seen from the responder, length-prefixed frames and
// the ciphers that protect them afterwards.
package noise

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"go.mau.fi/libsignal/ecc"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waCert"
)

// SeedSize is the number of bytes that determine an [Authority].
const SeedSize = 32

// Clients require that the intermediate certificate is issued by serial 0 and the leaf by the
// intermediate (whatsmeow handshake.go, verifyServerCert).
const (
	rootSerial         = 0
	intermediateSerial = 1
	leafSerial         = 2
)

// Authority is a root key and the server key that it vouches for.
type Authority struct {
	seed   [SeedSize]byte
	root   [32]byte // public
	static *ecdh.PrivateKey
	chain  []byte // marshalled certificate chain of static
}

// NewSeed draws a random seed.
func NewSeed() []byte {
	seed := make([]byte, SeedSize)
	_, _ = rand.Read(seed) // never fails: crypto/rand ends the program instead
	return seed
}

// NewAuthority derives an authority from a seed. Equal seeds give equal root keys.
func NewAuthority(seed []byte) (*Authority, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("seed has %d bytes, want %d", len(seed), SeedSize)
	}
	a := &Authority{seed: [SeedSize]byte(seed)}
	root, err := derive(seed, "root")
	if err != nil {
		return nil, err
	}
	intermediate, err := derive(seed, "intermediate")
	if err != nil {
		return nil, err
	}
	if a.static, err = derive(seed, "static"); err != nil {
		return nil, err
	}
	copy(a.root[:], root.PublicKey().Bytes())

	// Validity is checked by recent clients in Unix seconds. It reaches a day back for clocks
	// that differ, and far ahead because a sandbox may run for long.
	from, until := time.Now().Add(-24*time.Hour), time.Now().AddDate(10, 0, 0)
	middle, err := certify(root, intermediate.PublicKey(), intermediateSerial, rootSerial, from, until)
	if err != nil {
		return nil, err
	}
	leaf, err := certify(intermediate, a.static.PublicKey(), leafSerial, intermediateSerial, from, until)
	if err != nil {
		return nil, err
	}
	a.chain, err = proto.Marshal(&waCert.CertChain{Intermediate: middle, Leaf: leaf})
	if err != nil {
		return nil, fmt.Errorf("marshal certificate chain: %w", err)
	}
	return a, nil
}

// Seed returns what the authority was derived from.
func (a *Authority) Seed() []byte { return append([]byte(nil), a.seed[:]...) }

// RootKey is the public key that clients must trust.
func (a *Authority) RootKey() [32]byte { return a.root }

func derive(seed []byte, name string) (*ecdh.PrivateKey, error) {
	raw, err := hkdf.Key(sha256.New, seed, nil, "wasim authority "+name, 32)
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", name, err)
	}
	// Signing with a Curve25519 key needs the clamped scalar itself, ECDH clamps on its own.
	raw[0] &= 248
	raw[31] &= 127
	raw[31] |= 64
	return ecdh.X25519().NewPrivateKey(raw)
}

func certify(issuer *ecdh.PrivateKey, subject *ecdh.PublicKey, serial, issuerSerial uint32, from, until time.Time) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial:       proto.Uint32(serial),
		IssuerSerial: proto.Uint32(issuerSerial),
		Key:          subject.Bytes(),
		NotBefore:    proto.Uint64(uint64(from.Unix())),
		NotAfter:     proto.Uint64(uint64(until.Unix())),
	})
	if err != nil {
		return nil, fmt.Errorf("marshal certificate: %w", err)
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey([32]byte(issuer.Bytes())), details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: signature[:]}, nil
}
