package httpapi

import (
	"context"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// exchange is one request on its way through the server: the response, and what
// is known about the request so far. It wraps the http.ResponseWriter to know
// what was answered.
type exchange struct {
	http.ResponseWriter
	id        string // of the request
	start     time.Time
	op        *operation
	principal *tideline.Principal // nil until admitted
	status    int                 // 0 until answered
	written   int64               // bytes of body
	code      apigen.ErrorCode    // of an error's envelope
}

type exchangeKey struct{}

// of gives the exchange that a request belongs to. Handlers that the generated
// routes call have no other way to it.
func of(r *http.Request) *exchange {
	return r.Context().Value(exchangeKey{}).(*exchange)
}

func (x *exchange) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.written += int64(n)
	return n, err
}

// ReadFrom lets the kernel copy a file to the socket, which the wrapper would
// hide otherwise.
func (x *exchange) ReadFrom(r io.Reader) (int64, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := io.Copy(x.ResponseWriter, r)
	x.written += n
	return n, err
}

// Unwrap serves http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// reply answers with JSON.
func (s *server) reply(x *exchange, status int, v any) {
	body, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true)) // a message may repeat what a client wrote
	if err != nil {
		// Every answer is made of our own types; one that can't be written is a bug
		// that the recovery in ServeHTTP reports.
		panic(err)
	}
	s.write(x, status, body)
}

// write answers with a body that is JSON already. The headers' values are shared
// slices: nothing may change them after this.
func (s *server) write(x *exchange, status int, body []byte) {
	h := x.Header()
	h["Content-Type"] = s.values.json
	h["X-Content-Type-Options"] = s.values.nosniff
	h["Cache-Control"] = s.values.noStore
	x.WriteHeader(status)
	_, _ = x.Write(body) // the client is gone; there is no one to tell
}

// headerValues are header values that every answer shares, so that setting one
// allocates nothing.
type headerValues struct {
	json, nosniff, noStore []string
}

func newHeaderValues() headerValues {
	return headerValues{json: []string{"application/json"}, nosniff: []string{"nosniff"}, noStore: []string{"no-store"}}
}

// maxRequestID bounds what is taken over from a client.
const maxRequestID = 64

// requestID takes the client's X-Request-Id if it is harmless to log, or draws
// one. It need not be hard to guess.
func requestID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && given[0] != "" && len(given[0]) <= maxRequestID && plain(given[0]) {
		return given[0]
	}
	var raw [8]byte
	n := rand.Uint64()
	for i := range raw {
		raw[i] = byte(n >> (8 * i))
	}
	var text [16]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// plain reports whether s is made of A-Z a-z 0-9 . _ - only.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
