package httpapi

import (
	"context"
	"crypto/sha256"
	"net/http"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
)

// SendMessage implements apigen.ServerInterface.
func (s *server) SendMessage(_ http.ResponseWriter, r *http.Request, _ apigen.SendMessageParams) {
	s.sendMessage(r.Context(), of(r), r)
}

// sendMessage answers POST /messages. It is the hot path: it looks nothing up
// that is in memory, and what is in memory may be a second old. That is made good
// in both directions: storage refuses to accept under an outdated configuration,
// and before anything else is refused the token is looked at afresh, so that a
// revoked one is never told anything but that. It names no actor: acceptance
// writes nothing into the audit log.
func (s *server) sendMessage(ctx context.Context, x *exchange, r *http.Request) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	bearer, err := bearerToken(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	receipt, err := s.trySend(ctx, x, r, bearer)
	if err != nil {
		if x.principal != nil {
			if _, authErr := s.auth.Authenticate(ctx, bearer); authErr != nil {
				err = authErr
			}
		}
		s.fail(x, r, err)
		return
	}
	s.sent(x, receipt)
}

// sent answers a send that was accepted.
func (s *server) sent(x *exchange, receipt message.Receipt) {
	if receipt.Replayed {
		x.Header()["Idempotent-Replay"] = []string{"true"}
	}
	const head, tail = `{"status":"ok","data":{"message_uid":"`, `"}}`
	body := make([]byte, 0, 96)
	body = append(body, head...)
	body = append(body, receipt.MessageUID...) // a UUID: nothing to escape
	body = append(body, tail...)
	s.write(x, http.StatusOK, body)
}

func (s *server) trySend(ctx context.Context, x *exchange, r *http.Request, bearer string) (message.Receipt, error) {
	p, err := s.auth.AuthenticateCached(ctx, bearer)
	if err == nil && !unrestricted(p) {
		p, err = s.auth.Authenticate(ctx, bearer)
	}
	if err != nil {
		return message.Receipt{}, err
	}
	x.principal = p
	if err := s.allow(ctx, x, r); err != nil {
		return message.Receipt{}, err
	}
	request, err := s.decodeSend(r, toPhone, 0)
	if err != nil {
		return message.Receipt{}, err
	}
	return s.messages.Send(ctx, p, request)
}

// unrestricted reports whether nothing about p could have a send refused. If
// something could, it may have been changed a moment ago.
func unrestricted(p *tideline.Principal) bool {
	return p.Member.Role.MaySend() && p.Workspace.Plan.API && p.Workspace.Plan.Attachments
}

// SendMessageToChat implements apigen.ServerInterface.
func (s *server) SendMessageToChat(_ http.ResponseWriter, r *http.Request, id apigen.ChatID, _ apigen.SendMessageToChatParams) {
	chatID, err := chatID(id)
	if err != nil {
		s.fail(of(r), r, err)
		return
	}
	s.sendTo(r, toChat, chatID)
}

// SendMessageToJID implements apigen.ServerInterface.
func (s *server) SendMessageToJID(_ http.ResponseWriter, r *http.Request, _ apigen.SendMessageToJIDParams) {
	s.sendTo(r, toJID, 0)
}

// SendMessageToChatName implements apigen.ServerInterface.
func (s *server) SendMessageToChatName(_ http.ResponseWriter, r *http.Request, _ apigen.SendMessageToChatNameParams) {
	s.sendTo(r, toName, 0)
}

// SendMessageV2 implements apigen.ServerInterface.
func (s *server) SendMessageV2(_ http.ResponseWriter, r *http.Request, _ apigen.SendMessageV2Params) {
	s.sendTo(r, toPhone, 0)
}

// SendMessageToChatV2 implements apigen.ServerInterface.
func (s *server) SendMessageToChatV2(_ http.ResponseWriter, r *http.Request, id apigen.ChatID, _ apigen.SendMessageToChatV2Params) {
	chatID, err := chatID(id)
	if err != nil {
		s.fail(of(r), r, err)
		return
	}
	s.sendTo(r, toChatPlain, chatID)
}

// sendTo answers the sends that are admitted like every other call.
func (s *server) sendTo(r *http.Request, target sendTarget, chatID int64) {
	x := of(r)
	request, err := s.decodeSend(r, target, chatID)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	receipt, err := s.messages.Send(r.Context(), x.principal, request)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.sent(x, receipt)
}

// decodeSend reads the request. Everything that is wrong with its fields is in
// one error.
func (s *server) decodeSend(r *http.Request, target sendTarget, chatID int64) (message.SendRequest, error) {
	d := s.getDecoder()
	defer s.putDecoder(d)
	raw, err := d.read(r, s.maxJSON)
	if err != nil {
		return message.SendRequest{}, err
	}
	b := sendBody{target: target}
	b.request.ChatID = chatID
	switch target { // missing is as wrong as empty
	case toJID:
		b.request.JID = new("")
	case toName:
		b.request.ToName = new("")
	}
	if err := b.decode(&d.body, &d.json); err != nil {
		return message.SendRequest{}, err
	}
	b.request.Origin = tideline.OriginPublicAPI
	if given, ok := r.Header[idempotencyHeader]; ok {
		b.setIdempotency(given, raw)
	}
	if len(b.wrong) > 0 {
		return message.SendRequest{}, b.allWrong()
	}
	return b.request, nil
}

// setIdempotency takes over the header's values, of which there may be one.
func (b *sendBody) setIdempotency(given []string, raw []byte) {
	if wrong := wrongKey(given); wrong != "" {
		b.blame(fieldIdempotencyKey, wrong)
	} else {
		b.request.Idem = &store.Idempotency{Key: given[0], BodyHash: sha256.Sum256(raw)}
	}
}

// wrongKey says what is wrong with the values of the header Idempotency-Key; ""
// when nothing is.
func wrongKey(given []string) string {
	switch {
	case len(given) != 1:
		return "is given more than once"
	case given[0] == "" || len(given[0]) > maxIdempotencyKey || !plain(given[0]):
		return "must be 1 to 255 characters of A-Z, a-z, 0-9, \".\", \"_\" and \"-\""
	}
	return ""
}
