package file

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// LinkLife is how long a link to a file is good.
const LinkLife = 15 * time.Minute

// Link gives the query of a link to a file, good for LinkLife from now: the
// parameters "expires", in Unix seconds, and "signature".
func (s *Service) Link(uid string) url.Values {
	expires := strconv.FormatInt(s.now().Add(LinkLife).Unix(), 10)
	return url.Values{
		"expires":   {expires},
		"signature": {base64.RawURLEncoding.EncodeToString(s.sign(uid, expires))},
	}
}

// Follow finds the file behind a link. A link that is forged, damaged, over or
// leads to nothing is not_found alike, so that nobody learns which files exist.
func (s *Service) Follow(ctx context.Context, uid string, query url.Values) (tideline.File, error) {
	// Looked at as text: two ways to write a number or a uid would be two links.
	expires := query.Get("expires")
	signature, err := base64.RawURLEncoding.Strict().DecodeString(query.Get("signature"))
	if err != nil || !hmac.Equal(signature, s.sign(uid, expires)) {
		return tideline.File{}, errLink
	}
	// Only what Link made comes this far.
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || s.now().Unix() >= until || uuid.Validate(uid) != nil {
		return tideline.File{}, errLink
	}
	f, err := s.storage.FileForLink(ctx, uid)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return tideline.File{}, errLink
	}
	return f, err
}

// sign covers the uid and the expiry. Neither can contain the separator in a
// link that Link made, and the first word keeps the key's uses apart.
func (s *Service) sign(uid, expires string) []byte {
	mac := hmac.New(sha256.New, s.linkKey)
	mac.Write([]byte("file-link\n" + uid + "\n" + expires))
	return mac.Sum(nil)
}

var errLink = tideline.Errorf(tideline.CodeNotFound, "This link is not valid, or no longer: links to files are good for %d minutes", int(LinkLife.Minutes()))
