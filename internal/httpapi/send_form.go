package httpapi

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// SendVoiceMessage implements apigen.ServerInterface.
func (s *server) SendVoiceMessage(_ http.ResponseWriter, r *http.Request, id apigen.ChatID, _ apigen.SendVoiceMessageParams) {
	s.sendForm(r, id, tideline.KindVoice)
}

// SendFileMessage implements apigen.ServerInterface.
func (s *server) SendFileMessage(_ http.ResponseWriter, r *http.Request, id apigen.ChatID, _ apigen.SendFileMessageParams) {
	s.sendForm(r, id, tideline.KindDocument)
}

// sendForm answers the sends that bring their file along.
func (s *server) sendForm(r *http.Request, id apigen.ChatID, kind tideline.Kind) {
	x := of(r)
	receipt, err := s.trySendForm(x, r, id, kind)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.sent(x, receipt)
}

func (s *server) trySendForm(x *exchange, r *http.Request, id apigen.ChatID, kind tideline.Kind) (message.Receipt, error) {
	ctx, p := r.Context(), x.principal
	chat, err := chatID(id)
	if err != nil {
		return message.Receipt{}, err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return message.Receipt{}, err
	}
	request := message.SendRequest{ChatID: chat, Kind: kind, FileUID: new(""), Origin: tideline.OriginPublicAPI}
	if key == "" { // a repeated request gets its first answer, whatever is wrong by now
		if err := s.messages.Check(ctx, p, request); err != nil {
			return message.Receipt{}, err
		}
	}
	limit, err := file.MaxBytes(p)
	if err != nil {
		return message.Receipt{}, err
	}
	form, err := openUploadForm(x, r, limit, func(f *uploadForm) {
		f.hash, f.captioned = sha256.New(), kind == tideline.KindDocument
	})
	if err != nil {
		return message.Receipt{}, err
	}
	kept, err := s.keepForm(r, p, form, &request)
	if err != nil {
		return message.Receipt{}, err
	}
	if key != "" {
		request.Idem = &store.Idempotency{Key: key, BodyHash: form.sum(kind, chat)}
	}
	receipt, err := s.messages.Send(ctx, p, request)
	if receipt.Replayed || err != nil && !tideline.IsCode(err, tideline.CodeInternal) {
		// Certainly not accepted. After other errors it may have been.
		if err := s.files.Withdraw(ctx, kept); err != nil {
			s.log.WarnContext(ctx, "the file of a refused message stays", "file", kept.UID, "err", err)
		}
	}
	return receipt, err
}

// keepForm keeps the form's file and completes the request with it.
func (s *server) keepForm(r *http.Request, p *tideline.Principal, form *uploadForm, request *message.SendRequest) (tideline.File, error) {
	upload := file.Upload{Body: form, Describe: form.describe}
	if request.Kind == tideline.KindVoice {
		rec, err := s.files.KeepVoice(r.Context(), p, upload)
		request.FileUID, request.Data = &rec.File.UID, rec.Data()
		return rec.File, err
	}
	f, err := s.files.Upload(r.Context(), p, upload)
	request.FileUID = &f.UID
	if strings.TrimSpace(form.caption) != "" {
		request.Text = &form.caption
	}
	return f, err
}

// idempotencyKey reads the header Idempotency-Key; "" when it is not there.
func idempotencyKey(r *http.Request) (string, error) {
	given, ok := r.Header[idempotencyHeader]
	if !ok {
		return "", nil
	}
	if wrong := wrongKey(given); wrong != "" {
		return "", tideline.Invalid([]tideline.FieldError{{Path: []string{idempotencyHeader}, Msg: wrong}})
	}
	return given[0], nil
}

// checkCaption blames a caption that is longer than a text may be.
func (f *uploadForm) checkCaption() {
	if n := utf8.RuneCountInString(f.caption); n > tideline.MaxText {
		f.blame("caption", fmt.Sprintf("is %d characters long; at most %d are allowed", n, tideline.MaxText))
	}
}

// sum tells whether two forms ask for the same. The body as it is does not: each
// program draws the line between a form's parts anew.
func (f *uploadForm) sum(kind tideline.Kind, chat int64) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range []string{
		string(kind), f.desc.Name, f.desc.ContentType, f.desc.SentName, f.desc.SentType, f.caption, string(f.hash.Sum(nil)),
	} {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s)))) // never fails
		_, _ = io.WriteString(h, s)
	}
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(chat)))
	return [sha256.Size]byte(h.Sum(nil))
}
