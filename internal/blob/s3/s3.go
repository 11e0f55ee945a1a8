// Package s3 keeps blobs as objects of a bucket, in any service that speaks S3.
//
// # What is stored
//
// A blob is one object, made by one PUT: it is there whole or not at all, there
// are no parts to be joined and none to be left over. The object's key is the
// blob's behind the store's prefix. Beside it stands the SHA-256 of its bytes
// (x-amz-meta-sha256), which every reading from the beginning to the end checks.
//
// # What fails and what is tried again
//
// A Put takes in all that it is given, in memory or in a file of SpoolDir, before
// it asks S3 for anything: so it can begin again. An attempt that fails by a lost
// connection, a timeout or an answer that says so is repeated with growing
// pauses, Retry.Attempts times; a reader asks for what is still lacking, under the
// condition (If-Match) that the object is the same. Every attempt is bounded: a
// connection on which nothing moves for IdleTimeout is broken. What then still
// fails is an *Error, which is a blob.ErrUnavailable.
//
// # What leaves the machine
//
// Requests to the endpoint, and with CredentialsIAM to the machine's metadata
// service. A proxy named by HTTPS_PROXY or HTTP_PROXY is used.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/tidelinehq/tideline/internal/blob"
)

// AWS is the endpoint that is used when none is named.
const AWS = "https://s3.amazonaws.com"

// maxObject is the largest object that one PUT makes, in bytes (S3's limit).
const maxObject = 5 << 30

// Options says where blobs are and who asks for them.
type Options struct {
	Bucket   string
	Prefix   string // of objects' keys, such as "tideline/"; "" = none
	Endpoint string // URL of the service; "" = AWS
	Region   string // "" = asked for at AWS, else us-east-1
	// Addressing is "path" (https://host/bucket/key), "host"
	// (https://bucket.host/key) or "auto": "host" at AWS and the services that the
	// library knows to want it, else "path". "" = "auto".
	Addressing string
	// AccessKey and SecretKey are used when they are set; else Credentials says
	// where to look.
	AccessKey, SecretKey string
	Credentials          Credentials
	CA                   []byte // certificates in PEM that are trusted besides the system's
	// SpoolDir is where a large blob waits until S3 has it; "" = the folder for
	// temporary files. It must exist.
	SpoolDir string
	// Control looks at every address before it is dialled; see net.Dialer. nil = all
	// are fine. With it no proxy is used.
	Control func(network, address string, c syscall.RawConn) error
	// IdleTimeout is how long nothing may move on a connection; 30 s when zero.
	IdleTimeout time.Duration
	Retry       Retry
	Observer    Observer     // nil = nobody counts
	Logger      *slog.Logger // nil = silent
}

// Observer counts what is asked of S3; see telemetry.S3.
type Observer interface {
	// Attempted notes an attempt: its operation, whether S3 did what was asked (that
	// there is no such blob is an answer), and how long that took.
	Attempted(op string, ok bool, took time.Duration)
	// GaveUp notes an operation that failed after all its attempts.
	GaveUp(op string)
}

// Store is a part of a bucket. Close it when done.
type Store struct {
	core      *minio.Core
	opts      Options
	transport *http.Transport
	creds     *credentials.Credentials
	log       *slog.Logger
	down      atomic.Bool // the last operation was given up
}

var _ blob.Store = (*Store)(nil)

// Open makes a Store. It asks S3 for nothing: see Check. An error says what is
// wrong with the options.
func Open(o Options) (*Store, error) {
	o.Endpoint = cmp.Or(o.Endpoint, AWS)
	u, err := url.Parse(o.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("the S3 endpoint is not an address such as https://s3.example.com: correct --s3-endpoint")
	}
	if o.Bucket == "" {
		return nil, errors.New("there is no bucket: name one, as in s3://bucket/prefix")
	}
	lookup, known := map[string]minio.BucketLookupType{
		"": minio.BucketLookupAuto, "auto": minio.BucketLookupAuto, "path": minio.BucketLookupPath, "host": minio.BucketLookupDNS,
	}[o.Addressing]
	if !known {
		return nil, fmt.Errorf("there is no way %q of addressing buckets: use auto, path or host", o.Addressing)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 30*time.Second)
	o.Retry = o.Retry.withDefaults()
	if o.Region == "" && !isAWS(u.Hostname()) {
		o.Region = "us-east-1" // what most services take; asking them costs a request that some don't know
	}
	transport, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, err
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: creds, Secure: u.Scheme == "https", Transport: transport, Region: o.Region, BucketLookup: lookup,
		MaxRetries: 1, // attempts are counted, bounded and observed here
	})
	if err != nil {
		return nil, fmt.Errorf("%w: correct --s3-endpoint", err)
	}
	core.SetAppInfo("tideline", "1")
	return &Store{core: core, opts: o, transport: transport, creds: creds, log: o.Logger}, nil
}

func isAWS(host string) bool {
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// Close lets connections go. Blobs that are open stay readable.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// object is the key of a blob's object.
func (s *Store) object(key string) string { return s.opts.Prefix + key }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return blob.Info{}, err
	}
	var found minio.ObjectInfo
	err := s.do(ctx, opStat, s.opts.IdleTimeout, func(ctx context.Context) (err error) {
		found, err = s.core.StatObject(ctx, s.opts.Bucket, s.object(key), minio.StatObjectOptions{})
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return blob.ErrNotFound // answers to HEAD have no body that could say so
		}
		return err
	})
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat blob: %w", err)
	}
	return blob.Info{Size: found.Size, ModifiedAt: found.LastModified}, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return err
	}
	err := s.do(ctx, opDelete, s.opts.IdleTimeout, func(ctx context.Context) error {
		return s.core.RemoveObject(ctx, s.opts.Bucket, s.object(key), minio.RemoveObjectOptions{})
	})
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// List implements blob.Store. Objects whose keys are not those of blobs, whoever
// put them there, are not listed.
func (s *Store) List(ctx context.Context, prefix, after string, fn func(blob.Entry) error) error {
	for {
		page, more, err := s.page(ctx, prefix, after)
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, e := range page {
			after = e.Key
			if blob.CheckKey(e.Key) != nil {
				continue
			}
			if err := fn(e); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// pageSize is how many objects S3 lists at once.
const pageSize = 1000

// page lists the objects after a key, at most pageSize, and says whether there
// may be more.
func (s *Store) page(ctx context.Context, prefix, after string) (page []blob.Entry, more bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	opts := minio.ListObjectsOptions{Prefix: s.opts.Prefix + prefix, Recursive: true, MaxKeys: pageSize}
	if after != "" {
		opts.StartAfter = s.opts.Prefix + after
	}
	err = s.do(ctx, opList, 2*s.opts.IdleTimeout, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx) // the list must end with this page
		defer cancel()
		page = page[:0]
		for o := range s.core.ListObjectsIter(ctx, s.opts.Bucket, opts) {
			if o.Err != nil {
				return o.Err
			}
			key, ours := strings.CutPrefix(o.Key, s.opts.Prefix)
			if !ours || key <= after { // a service that ignores what it does not know
				continue
			}
			page = append(page, blob.Entry{Key: key, Info: blob.Info{Size: o.Size, ModifiedAt: o.LastModified}})
			if len(page) == pageSize {
				break
			}
		}
		return ctx.Err()
	})
	return page, len(page) == pageSize, err
}

type nobody struct{}

func (nobody) Attempted(string, bool, time.Duration) {}
func (nobody) GaveUp(string)                         {}

var _ io.Closer = (*Store)(nil)
