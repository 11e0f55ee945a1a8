package safehttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Defaults of Config.
const (
	DefaultTimeout  = 30 * time.Second
	DefaultMaxBytes = 1 << 20
	dialTimeout     = 10 * time.Second
	idleTimeout     = 90 * time.Second
	maxHeaderBytes  = 64 << 10
)

// Config adjusts a Client.
type Config struct {
	Guard *Guard // nil = NewGuard()
	// Timeout bounds a request from the lookup of the name to the end of the
	// answer's body; 0 = DefaultTimeout.
	Timeout time.Duration
	// MaxBytes bounds an answer's body; 0 = DefaultMaxBytes.
	MaxBytes int64
	// Redirects is how many may be followed. With 0 an answer that redirects is
	// an answer like others.
	Redirects int
	// IdlePerHost is how many connections to a host are kept for the next
	// request; 0 = net/http's default.
	IdlePerHost int
	// Resolver looks names up; nil = net.DefaultResolver.
	Resolver *net.Resolver
	// TLS is for tests with certificates of their own; nil = the system's.
	TLS *tls.Config
}

// Errors of a Client besides ErrRefused. All others mean that the peer could not
// be reached or didn't keep to HTTP.
var (
	// ErrScheme: the URL, or one that it redirects to, is neither http nor https,
	// or leads from https to http.
	ErrScheme = errors.New("only http and https are allowed, and no way back from https to http")
	// ErrRedirects: more redirects than Config.Redirects.
	ErrRedirects = errors.New("too many redirects")
	// ErrTooLarge: the answer's body is larger than Config.MaxBytes. Reading the
	// body gives it, after the bytes that are allowed.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrTimeout: there was no whole answer within Config.Timeout.
	ErrTimeout = errors.New("no answer in time")
)

// Client makes requests to addresses that somebody else chose. It is safe for
// concurrent use.
type Client struct {
	http     *http.Client
	max      int64
	timeout  time.Duration
	redirect int
}

// New makes a Client.
func New(cfg Config) *Client {
	guard := cfg.Guard
	if guard == nil {
		guard = NewGuard()
	}
	c := &Client{max: cfg.MaxBytes, timeout: cfg.Timeout, redirect: cfg.Redirects}
	if c.max == 0 {
		c.max = DefaultMaxBytes
	}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: guard.Control, Resolver: cfg.Resolver}
	c.http = &http.Client{
		CheckRedirect: c.checkRedirect,
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would connect where the guard can't see
			DialContext:            dialer.DialContext,
			TLSClientConfig:        cfg.TLS,
			TLSHandshakeTimeout:    dialTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // so that the size limit counts what travels
			MaxIdleConnsPerHost:    cfg.IdlePerHost,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
	}
	return c
}

// Do makes a request. The answer's body must be closed, and is bounded in size
// and time. An answer with any status is no error.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	if !webScheme(r.URL) {
		return nil, ErrScheme
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), c.timeout, ErrTimeout)
	res, err := c.http.Do(r.WithContext(ctx))
	if err != nil {
		err = plain(ctx, err)
		cancel()
		return nil, err
	}
	res.Body = &body{ReadCloser: res.Body, left: c.max, ctx: ctx, cancel: cancel}
	return res, nil
}

// CloseIdle closes the connections that are kept for later requests.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	if c.redirect == 0 {
		return http.ErrUseLastResponse
	}
	if len(via) > c.redirect {
		return ErrRedirects
	}
	if !webScheme(r.URL) || via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return ErrScheme
	}
	r.Header.Del("Referer") // the URL before may hold a secret
	return nil
}

func webScheme(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// plain takes the URL out of an error and tells a timeout by its cause.
func plain(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrTimeout) && ctx.Err() != nil {
		return ErrTimeout
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return fmt.Errorf("the name %s is not known", e.Name)
		}
		return fmt.Errorf("the name %s can't be looked up at the moment", e.Name)
	}
	return err
}

// body bounds an answer's body.
type body struct {
	io.ReadCloser
	left   int64
	ctx    context.Context // the request's; it ends with the body
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		return n, ErrTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = plain(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
