package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// secretBytes is the size of a new secret; the standard asks for 24 to 64.
const secretBytes = 32

// secretPrefix is how the standard marks a secret, which is in base64 behind it.
const secretPrefix = "whsec_"

// NewSecret draws a secret.
func NewSecret() tideline.SigningSecret {
	var raw [secretBytes]byte
	_, _ = rand.Read(raw[:]) // documented to never fail
	return tideline.SigningSecret(secretPrefix + base64.StdEncoding.EncodeToString(raw[:]))
}

// signature gives the value of the webhook-signature header: one signature per
// secret, so that a receiver who knows either of them can check. Of the Standard
// Webhooks specification: HMAC-SHA256 over id, Unix time and body, joined by dots.
func signature(secrets []tideline.SigningSecret, id string, at time.Time, body []byte) (string, error) {
	var signed []byte // "v1," and the code in base64, joined by spaces
	for _, s := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(s), secretPrefix))
		if err != nil {
			return "", fmt.Errorf("a secret of the webhook is not readable; rotate it: %w", err)
		}
		code := hmac.New(sha256.New, key)
		var head [64]byte
		_, _ = code.Write(append(strconv.AppendInt(append(append(head[:0], id...), '.'), at.Unix(), 10), '.')) // never fails
		_, _ = code.Write(body)
		if len(signed) > 0 {
			signed = append(signed, ' ')
		}
		var sum [sha256.Size]byte
		signed = base64.StdEncoding.AppendEncode(append(signed, "v1,"...), code.Sum(sum[:0]))
	}
	return string(signed), nil
}
