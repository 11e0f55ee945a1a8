package meow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

var errNoRecipient = errors.New("WhatsApp knows no account with this number")

// sendError says what a failure of the library's SendMessage means. Whatever it
// is, the next attempt uses the same id, so in doubt it is "unknown".
func sendError(err error) *whatsapp.SendError {
	err = quiet(err)
	if code, ok := ackCode(err); ok {
		return refusal(code, err)
	}
	switch {
	case errors.Is(err, whatsmeow.ErrNotConnected), errors.Is(err, whatsmeow.ErrNotLoggedIn),
		errors.Is(err, socket.ErrSocketClosed), errors.Is(err, store.ErrDeviceDeleted):
		// Found before a frame was written.
		return &whatsapp.SendError{Offline: true, Err: err}
	case errors.Is(err, whatsmeow.ErrUnknownServer), errors.Is(err, whatsmeow.ErrRecipientADJID),
		errors.Is(err, whatsmeow.ErrBroadcastListUnsupported),
		errors.Is(err, whatsmeow.ErrGroupNotFound), errors.Is(err, whatsmeow.ErrNotInGroup):
		return &whatsapp.SendError{Reason: tideline.ReasonInvalidRecipient, Err: err}
	case isQueryError(err):
		// The queries for devices and keys come before the message.
		return &whatsapp.SendError{Err: err}
	}
	return &whatsapp.SendError{Unknown: true, Err: err}
}

// isQueryError reports whether an info query, not the message, went wrong.
func isQueryError(err error) bool {
	_, refused := errors.AsType[*whatsmeow.IQError](err)
	return refused || errors.Is(err, whatsmeow.ErrIQTimedOut) || errors.Is(err, whatsmeow.ErrIQDisconnected)
}

// ackCode reads the code of a negative acknowledgement. The library puts it into
// the error's text only (send.go, "%w %d").
func ackCode(err error) (int, bool) {
	if !errors.Is(err, whatsmeow.ErrServerReturnedError) {
		return 0, false
	}
	text := strings.TrimPrefix(err.Error(), whatsmeow.ErrServerReturnedError.Error())
	code, convErr := strconv.Atoi(strings.TrimSpace(text))
	return code, convErr == nil
}

// Codes of negative acknowledgements with a meaning of their own. There is no
// public list. 463 is from reports (evolution-api issue 2626, whatsmeow issue
// 1157); the others are those of info queries (whatsmeow errors.go), which
// WhatsApp uses alike. All that are named neither here nor there, such as
// 479 "smax-invalid" (whatsmeow client.go) and the stanza and protobuf errors
// 487 to 499 (whatsmeow receipt.go), blame the message itself.
const (
	ackTimedOut       = 408
	ackResourceLimit  = 419
	ackLocked         = 423
	ackRateOverLimit  = 429
	ackReachOutLimit  = 463
	ackServerErrors   = 500 // and above
	ackAdminRevoke    = 550 // unsupported admin revoke
	ackLIDGroup       = 551 // unsupported LID group
	ackNoSuchAccount  = 404
	ackAccountRemoved = 410
)

// refusal says what a negative acknowledgement means.
func refusal(code int, err error) *whatsapp.SendError {
	err = fmt.Errorf("whatsapp answered %d: %w", code, err)
	switch code {
	case ackReachOutLimit:
		return &whatsapp.SendError{Reason: tideline.ReasonReachOutLimited, Err: err}
	case ackNoSuchAccount, ackAccountRemoved:
		return &whatsapp.SendError{Reason: tideline.ReasonNotOnWhatsApp, Err: err}
	case ackTimedOut, ackResourceLimit, ackLocked, ackRateOverLimit:
		return &whatsapp.SendError{Err: err} // not sent; later it may be
	case ackAdminRevoke, ackLIDGroup:
		return &whatsapp.SendError{Reason: tideline.ReasonRejected, Err: err}
	}
	if code >= ackServerErrors {
		return &whatsapp.SendError{Err: err}
	}
	return &whatsapp.SendError{Reason: tideline.ReasonRejected, Err: err}
}

// attachmentError says what a failure before the message itself means: nothing
// was sent yet.
func attachmentError(err error) *whatsapp.SendError {
	err = quiet(err)
	if refused, ok := errors.AsType[*uploadError](err); ok && refused.final() {
		return &whatsapp.SendError{Reason: tideline.ReasonAttachmentRefused, Err: err}
	}
	if errors.Is(err, fs.ErrNotExist) || tideline.IsCode(err, tideline.CodeNotFound) {
		return &whatsapp.SendError{Reason: tideline.ReasonAttachmentMissing, Err: err}
	}
	if errors.Is(err, whatsmeow.ErrNotConnected) {
		return &whatsapp.SendError{Offline: true, Err: err}
	}
	return &whatsapp.SendError{Err: err}
}

// timedOut tells the end of the caller's patience from other failures.
func timedOut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		return cause
	}
	return err
}
