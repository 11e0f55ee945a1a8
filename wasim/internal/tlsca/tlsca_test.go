package tlsca

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"
)

func TestAnAuthorityTrustedOnceVouchesForLaterStarts(t *testing.T) {
	t.Parallel()
	seed := bytes.Repeat([]byte{7}, 32)
	now := time.Now()
	_, first, err := Server(seed, now)
	if err != nil {
		t.Fatal(err)
	}
	later, _, err := Server(seed, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(first) {
		t.Fatal("the authority isn't PEM")
	}
	leaf, err := x509.ParseCertificate(later.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "web.whatsapp.com"}); err == nil {
		t.Error("the certificate is good for a name that isn't loopback")
	}
	other, _, err := Server(bytes.Repeat([]byte{8}, 32), now)
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err = x509.ParseCertificate(other.Certificates[0].Certificate[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost"}); err == nil {
		t.Error("another seed's certificate is trusted")
	}
}
