// Package tlsca makes the certificates with which the emulator serves TLS on loopback.
package tlsca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Server returns a TLS configuration for 127.0.0.1, ::1 and localhost, and the PEM form of the authority
// that vouches for it. The authority's key follows from the seed, so a client that trusts it once trusts
// every later start with the same seed. It can vouch for loopback names only: whoever adds it to the
// certificates of a whole machine opens no door to other names.
func Server(seed []byte, now time.Time) (*tls.Config, []byte, error) {
	key, err := derive(seed)
	if err != nil {
		return nil, nil, err
	}
	loopback4 := &net.IPNet{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}
	loopback6 := &net.IPNet{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}
	// Validity reaches a day back for clocks that differ.
	from, until := now.Add(-24*time.Hour), now.AddDate(10, 0, 0)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wasim loopback authority"},
		NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{loopback4, loopback6},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make authority: %w", err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	// Some clients refuse leaves that live longer than a little over two years.
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: from, NotAfter: now.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER, authorityDER}, PrivateKey: leafKey}},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // a WebSocket begins as HTTP/1.1
	}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER}), nil
}

// derive makes the authority's key. About one seed in 2³² gives no key of the curve; the next
// counter does.
func derive(seed []byte) (*ecdsa.PrivateKey, error) {
	var last error
	for i := range 3 {
		raw, err := hkdf.Key(sha256.New, seed, nil, fmt.Sprintf("wasim tls authority %d", i), 32)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
		if err == nil {
			return key, nil
		}
		last = err
	}
	return nil, fmt.Errorf("derive key: %w", last)
}
