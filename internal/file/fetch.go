package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Fetcher makes requests to addresses that users chose; *safehttp.Client is one.
// Its errors are shown to them, so they must hold no secrets.
type Fetcher interface {
	Do(r *http.Request) (*http.Response, error)
}

// maxURL is the length of the longest URL that is fetched from, in bytes.
const maxURL = 8192

// fieldURL is the field that a failed fetch is blamed on.
const fieldURL = "download_url"

// UploadFrom keeps what a GET of address answers as a file in the principal's
// workspace. The name is d's, or what the answer calls it, or the last part of
// the URL. Errors: as of Upload; validation_error also when the address can't be
// fetched from, with the reason.
func (s *Service) UploadFrom(ctx context.Context, p *tideline.Principal, address string, d Description) (tideline.File, error) {
	if err := mayUpload(p); err != nil {
		return tideline.File{}, err
	}
	u, err := parseAddress(address)
	if err != nil {
		return tideline.File{}, err
	}
	// What is wrong with the description is better said before the fetch.
	if err := describe(&tideline.File{Size: 1}, func() (Description, error) { return d, nil }, nil); err != nil {
		return tideline.File{}, err
	}
	if s.fetcher == nil {
		return tideline.File{}, tideline.Errorf(tideline.CodeNotSupported, "This server fetches no files; upload the file itself")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return tideline.File{}, badAddress("must be a URL")
	}
	r.Header.Set("User-Agent", "Tideline")
	res, err := s.fetcher.Do(r)
	if err != nil {
		return tideline.File{}, unfetched(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if res.StatusCode != http.StatusOK {
		return tideline.File{}, badAddress(fmt.Sprintf("the address answers %d instead of the file; it must be a direct link that needs no login", res.StatusCode))
	}
	if limit := p.Workspace.Plan.MaxFileBytes; res.ContentLength > limit {
		return tideline.File{}, TooLarge(limit)
	}
	body := bufio.NewReader(&fetchedBody{ctx: ctx, r: res.Body})
	if _, err := body.Peek(1); errors.Is(err, io.EOF) {
		return tideline.File{}, badAddress("the address answers with an empty file")
	}
	d.SentName, d.SentType = sentName(res), res.Header.Get("Content-Type")
	return s.keep(ctx, p.Workspace, p.Member, Upload{Body: body, Describe: func() (Description, error) { return d, nil }})
}

// parseAddress reads a URL that can be fetched from.
func parseAddress(address string) (*url.URL, error) {
	if len(address) > maxURL || !utf8.ValidString(address) {
		return nil, badAddress(fmt.Sprintf("must be a URL of at most %d bytes", maxURL))
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, badAddress("must be a URL that begins with https:// or http://")
	}
	if u.User != nil {
		return nil, badAddress("must not hold a user name or password")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func badAddress(msg string) error {
	return tideline.Invalid([]tideline.FieldError{{Path: []string{fieldURL}, Msg: msg}})
}

// unfetched turns the error of a fetch into the caller's, unless the caller left.
func unfetched(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return badAddress("the file can't be fetched: " + err.Error())
}

// fetchedBody tells errors of the other side from those of the disk.
type fetchedBody struct {
	ctx context.Context // the request's, which the body ends with
	r   io.Reader
}

// Read implements io.Reader.
func (b *fetchedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unfetched(b.ctx, err)
	}
	return n, err
}

// sentName is what an answer calls its file, or else the last part of the URL
// that gave it, after redirects.
func sentName(res *http.Response) string {
	if _, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	if res.Request == nil {
		return ""
	}
	if name := path.Base(res.Request.URL.Path); name != "." && name != "/" {
		return name
	}
	return ""
}
