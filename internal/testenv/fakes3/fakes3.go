// Package fakes3 is an S3 service inside a test, in memory, which checks what the
// real ones check (the key, the region, hashes of bodies, If-Match) and fails on
// purpose when it is told to. It does not check signatures.
package fakes3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tidelinehq/tideline/internal/testenv/flaky"
)

// What a client must know of a Server.
const (
	Bucket    = "tideline-test"
	Region    = "test-region-1"
	AccessKey = "TESTACCESSKEY"
	SecretKey = "a secret of the tests"
)

// Server is an S3 service with one empty bucket. Its URL is an endpoint for
// path-style requests.
type Server struct {
	*flaky.Server
	Objects Objects
}

// Start starts a service; it ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	return &Server{Server: flaky.Start(t, &guard{next: fake}), Objects: Objects{backend}}
}

// Objects looks past the protocol at what the bucket holds.
type Objects struct{ backend *s3mem.Backend }

// Keys lists all objects, sorted.
func (o Objects) Keys(t testing.TB) []string {
	t.Helper()
	list, err := o.backend.ListBucket(Bucket, &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]string, 0, len(list.Contents))
	for _, c := range list.Contents {
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	return keys
}

// Get reads an object.
func (o Objects) Get(t testing.TB, key string) []byte {
	t.Helper()
	object, err := o.backend.GetObject(Bucket, key, nil)
	if err != nil {
		t.Fatalf("object %s: %v", key, err)
	}
	defer object.Contents.Close()
	content, err := io.ReadAll(object.Contents)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Spoil gives an object other bytes and leaves what is noted beside them.
func (o Objects) Spoil(t testing.TB, key string, content []byte) {
	t.Helper()
	object, err := o.backend.GetObject(Bucket, key, nil)
	if err != nil {
		t.Fatalf("object %s: %v", key, err)
	}
	_ = object.Contents.Close()
	if _, err := o.backend.PutObject(Bucket, key, object.Metadata, bytes.NewReader(content), int64(len(content)), nil); err != nil {
		t.Fatal(err)
	}
}

// Remove removes an object.
func (o Objects) Remove(t testing.TB, key string) {
	t.Helper()
	if _, err := o.backend.DeleteObject(Bucket, key); err != nil {
		t.Fatal(err)
	}
}

// guard refuses what a real service refuses and the fake one lets pass.
type guard struct{ next http.Handler }

var scope = regexp.MustCompile(`Credential=([^/]+)/\d{8}/([^/]+)/s3/aws4_request`)

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	switch {
	case found == nil:
		refuse(w, http.StatusForbidden, "AccessDenied", "Access Denied", "")
		return
	case found[1] != AccessKey:
		refuse(w, http.StatusForbidden, "InvalidAccessKeyId", "The key does not exist", "")
		return
	case found[2] != Region && !r.URL.Query().Has("location"):
		refuse(w, http.StatusBadRequest, "AuthorizationHeaderMalformed", "the region is wrong", Region)
		return
	}
	if r.Method == http.MethodPut && !checkBody(w, r) {
		return
	}
	if want := r.Header.Get("If-Match"); want != "" && r.Method == http.MethodGet {
		head := r.Clone(r.Context())
		head.Method = http.MethodHead
		head.Header.Del("Range")
		answer := httptest.NewRecorder()
		g.next.ServeHTTP(answer, head)
		if got := answer.Header().Get("ETag"); answer.Code == http.StatusOK && strings.Trim(got, `"`) != strings.Trim(want, `"`) {
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed", "the object is another one", "")
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

// checkBody reads the body, which replaces itself, and refuses one that is not
// what was signed.
func checkBody(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "IncompleteBody", err.Error(), "")
		return false
	}
	sum := sha256.Sum256(body)
	if hex.EncodeToString(sum[:]) != r.Header.Get("X-Amz-Content-Sha256") {
		refuse(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch", "the body is not what was signed", "")
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

func refuse(w http.ResponseWriter, status int, code, message, region string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if region != "" {
		region = "<Region>" + region + "</Region>"
	}
	fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message>%s</Error>", code, message, region)
}
