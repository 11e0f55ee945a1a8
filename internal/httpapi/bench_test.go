package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const benchBody = `{"phone":"+1 (484) 000-0000","whatsapp_account_phone":"+14841111111","label":"customer",` +
	`"text":"Hello! Your order 4711 has left our house today and will be with you by tomorrow, noon.\nThank you, Acme","chat_id":12345}`

// answers is an http.ResponseWriter that is used again and again.
type answers struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answers) Header() http.Header         { return a.header }
func (a *answers) WriteHeader(status int)      { a.status = status }
func (a *answers) Write(p []byte) (int, error) { return a.body.Write(p) }

type repeated struct{ bytes.Reader }

func (*repeated) Close() error { return nil }

// drive serves the same request b.N times.
func drive(b *testing.B, h http.Handler) {
	b.Helper()
	w := &answers{header: http.Header{}}
	r := post(b, benchBody)
	body := &repeated{}
	r.Body = body
	b.ReportAllocs()
	for b.Loop() {
		body.Reset([]byte(benchBody))
		clear(w.header)
		w.body.Reset()
		h.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK {
		b.Fatalf("status %d: %s", w.status, w.body.String())
	}
}

type benchDirectory struct{ p tideline.Principal }

func (d benchDirectory) Version(context.Context) (int64, error) { return 1, nil }
func (d benchDirectory) PrincipalByToken(context.Context, [32]byte, time.Time) (tideline.Principal, error) {
	return d.p, nil
}

// BenchmarkSend is POST /messages up to where storage would begin: admission,
// decoding and validation.
func BenchmarkSend(b *testing.B) {
	f := newFakes(func(p *tideline.Principal) { p.Version = 1 })
	a := auth.New(benchDirectory{*f.principal}, auth.Config{})
	drive(b, New(Config{PerIP: auth.Rate{PerSecond: 1e9, Burst: 1e9}}, Deps{Auth: a, Messages: f, Files: fakeFiles{}, Storage: f, Meter: f.meter}))
}

// BenchmarkNull is the least that a handler with the same duty to read and to
// know its client could do.
func BenchmarkNull(b *testing.B) {
	known := map[[32]byte]bool{sha256.Sum256([]byte("Bearer " + fakeToken)): true}
	drive(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !known[sha256.Sum256([]byte(r.Header.Get("Authorization")))] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"status":"ok","data":{"message_uid":"0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"}}`)
	}))
}

// BenchmarkDecodeSend is reading a body and its fields alone.
func BenchmarkDecodeSend(b *testing.B) {
	s := newFakes(nil).handler(Config{}).(*server)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	body := &repeated{}
	r.Body, r.ContentLength = body, int64(len(benchBody))
	b.ReportAllocs()
	for b.Loop() {
		body.Reset([]byte(benchBody))
		if _, err := s.decodeSend(r, toPhone, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkValidate is the domain's part of BenchmarkSend.
func BenchmarkValidate(b *testing.B) {
	text := "Hello!"
	r := message.SendRequest{Phone: "+1 (484) 000-0000", Text: &text}
	b.ReportAllocs()
	for b.Loop() {
		if wrong := message.Validate(&r); wrong != nil {
			b.Fatal(wrong)
		}
	}
}
