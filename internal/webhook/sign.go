package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// secretBytes is the size of a new secret; the standard asks for 24 to 64.
const secretBytes = 32

// NewSecret draws a secret.
func NewSecret() tideline.SigningSecret {
	var raw [secretBytes]byte
	_, _ = rand.Read(raw[:]) // documented to never fail
	return tideline.SigningSecret("whsec_" + base64.StdEncoding.EncodeToString(raw[:]))
}

// signature gives the value of the webhook-signature header: one signature per
// secret, so that a receiver who knows either of them can check.
func signature(secrets []tideline.SigningSecret, id string, at time.Time, body []byte) (string, error) {
	all := make([]string, len(secrets))
	for i, s := range secrets {
		signer, err := standardwebhooks.NewWebhook(string(s))
		if err != nil {
			return "", fmt.Errorf("a secret of the webhook is not readable; rotate it: %w", err)
		}
		if all[i], err = signer.Sign(id, at, body); err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
	}
	return strings.Join(all, " "), nil
}
