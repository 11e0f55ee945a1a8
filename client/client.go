package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultPath = "/integrations/api"
	maxAnswer   = 16 << 20 // bytes; far above what any answer has
	firstWait   = 250 * time.Millisecond
	longestWait = time.Minute
)

// Option adjusts a Client.
type Option func(*Client)

// WithHTTPClient makes the client use h instead of http.DefaultClient.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithAttempts sets how often a request that may be repeated is tried; 1 = once.
// The default is 4.
func WithAttempts(n int) Option { return func(c *Client) { c.attempts = max(1, n) } }

// WithUserAgent sets the User-Agent header.
func WithUserAgent(s string) Option { return func(c *Client) { c.userAgent = s } }

// Client calls the API with one token. It is safe for concurrent use.
type Client struct {
	base      string
	token     string
	http      *http.Client
	attempts  int
	userAgent string
}

// New makes a client. server is where the server is, such as
// "http://127.0.0.1:8080"; when it has a path, that is where the API is, else
// the API is expected at /integrations/api. Nothing is asked of the server yet.
func New(server, token string, options ...Option) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q is not an http or https URL", server)
	}
	if token == "" {
		return nil, errors.New("the token is empty")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Path == "" {
		u.Path = defaultPath
	}
	u.RawQuery, u.Fragment = "", ""
	c := &Client{base: u.String(), token: token, http: http.DefaultClient, attempts: 4, userAgent: "tideline-go-client"}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

// Send sends a message. When it returns without an error the message is durable
// on the server and paid for; see Client.StatusHistory for what became of it.
func (c *Client) Send(ctx context.Context, m Message) (Sent, error) {
	return c.send(ctx, "/messages", m.IdempotencyKey, m)
}

// Message shows a message.
func (c *Client) Message(ctx context.Context, uid string) (MessageInfo, error) {
	var m MessageInfo
	err := c.get(ctx, "/messages/"+url.PathEscape(uid), &m)
	return m, err
}

// StatusHistory shows what became of a message, the earliest first; empty while
// it waits in the queue.
func (c *Client) StatusHistory(ctx context.Context, uid string) ([]StatusChange, error) {
	var history []StatusChange
	err := c.get(ctx, "/messages/"+url.PathEscape(uid)+"/status_history", &history)
	return history, err
}

// Accounts lists the workspace's WhatsApp accounts, the most recently connected
// first.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	var answer struct {
		Accounts []Account `json:"whatsapp_accounts"`
	}
	err := c.get(ctx, "/whatsapp_accounts", &answer)
	return answer.Accounts, err
}

// Workspace shows the workspace with its quotas.
func (c *Client) Workspace(ctx context.Context) (Workspace, error) {
	var w Workspace
	err := c.get(ctx, "/workspace", &w)
	return w, err
}

// Quotas shows the workspace's quotas.
func (c *Client) Quotas(ctx context.Context) (Quotas, error) {
	var q Quotas
	err := c.get(ctx, "/workspace/quotas", &q)
	return q, err
}

// File shows an upload, with a fresh link to its bytes.
func (c *Client) File(ctx context.Context, uid string) (File, error) {
	var f File
	err := c.get(ctx, "/files/"+url.PathEscape(uid), &f)
	return f, err
}

// Upload uploads a file under a name, streaming it from r. contentType "" lets
// the server tell the type from the bytes.
func (c *Client) Upload(ctx context.Context, name, contentType string, r io.Reader) (File, error) {
	var f File
	_, err := c.doForm(ctx, call{method: http.MethodPost, path: "/files_upload"}, form{name: name, contentType: contentType, file: r}, &f)
	return f, err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: path, repeatable: true}, into)
	return err
}

// UploadURL has the server fetch a file from a direct link. name and contentType
// may be "": the server tells them by itself.
func (c *Client) UploadURL(ctx context.Context, link, name, contentType string) (File, error) {
	body := map[string]string{"download_url": link}
	for field, value := range map[string]string{"filename": name, "content_type": contentType} {
		if value != "" {
			body[field] = value
		}
	}
	var f File
	err := c.json(ctx, http.MethodPost, "/files", body, &f)
	return f, err
}

// call is one request of the API.
type call struct {
	method, path   string
	body           []byte
	stream         io.Reader // instead of body; can be read once
	contentType    string
	idempotencyKey string
	repeatable     bool
}

// do makes the call, repeating it if it may, and decodes the answer's data.
func (c *Client) do(ctx context.Context, call call, into any) (http.Header, error) {
	for attempt := 1; ; attempt++ {
		header, err := c.once(ctx, call, into)
		if err == nil {
			return header, nil
		}
		wait, again := c.again(call, attempt, err)
		if !again {
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// again says whether and after which wait the call is worth another attempt.
func (c *Client) again(call call, attempt int, err error) (time.Duration, bool) {
	if !call.repeatable || attempt >= c.attempts || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return 0, false
	}
	// Half fixed, half random, so that clients that failed together come apart.
	wait := firstWait << (attempt - 1)
	wait = wait/2 + rand.N(wait/2+1)
	refusal, refused := errors.AsType[*Error](err)
	if !refused {
		return wait, true
	}
	if refusal.Status != http.StatusTooManyRequests && refusal.Status < http.StatusInternalServerError {
		return 0, false
	}
	if refusal.RetryAfter > longestWait {
		return 0, false // a used-up quota; the caller should know now
	}
	return max(wait, refusal.RetryAfter), true
}

// once makes one attempt.
func (c *Client) once(ctx context.Context, call call, into any) (http.Header, error) {
	var body io.Reader = http.NoBody
	if call.stream != nil {
		body = call.stream
	} else if call.body != nil {
		body = bytes.NewReader(call.body)
	}
	r, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.userAgent)
	if call.contentType != "" {
		r.Header.Set("Content-Type", call.contentType)
	}
	if call.idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", call.idempotencyKey)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, decodeError(resp, answer)
	}
	envelope := struct {
		Data any `json:"data"`
	}{into}
	if err := json.Unmarshal(answer, &envelope); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	return resp.Header, nil
}
