package inbox

import (
	"net/http"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// The file is the whole body: its name comes in the address and its type in the
// header, as the browser knows them. So a page can show how far it is, and nothing
// is buffered.
func bodyUpload(q *ui.Request) file.Upload {
	name, sentType := sentName(q.R.URL.Query().Get("name")), q.R.Header.Get("Content-Type")
	return file.Upload{Body: q.R.Body, Describe: func() (file.Description, error) {
		return file.Description{SentName: name, SentType: sentType}, nil
	}}
}

// tooLarge refuses a body that says it is too large before it is read.
func tooLarge(q *ui.Request) error {
	limit, err := file.MaxBytes(q.Principal)
	if err == nil && q.R.ContentLength > limit {
		return file.TooLarge(limit)
	}
	return err
}

// upload keeps a file that is to be sent.
func (s *section) upload(q *ui.Request) error {
	if err := tooLarge(q); err != nil {
		return err
	}
	f, err := s.Files.Upload(q.Context(), q.Principal, bodyUpload(q))
	if err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]any{
		"uid": f.UID, "name": f.Name, "size": f.Size, "type": f.MIMEType, "url": mediaPath(f.UID), "inline": inlineType(f.MIMEType),
	})
}

// discard removes an upload that its member doesn't send after all.
func (s *section) discard(q *ui.Request) error {
	f, err := s.Files.ByUID(q.Context(), q.Principal, q.R.PathValue("uid"))
	if err != nil {
		return err
	}
	if f.MemberID != q.Principal.Member.ID {
		return tideline.Errorf(tideline.CodeNotFound, "%s", q.T("inbox.error.no_file"))
	}
	if err := s.Files.Delete(q.Context(), q.Principal, f.UID); err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]bool{"ok": true})
}

// voice sends a recording as a voice note. It is looked at first whether it may be
// sent, then it is kept, then it is sent; what was refused is not kept.
func (s *section) voice(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	if c := composerOf(q, v); c.Blocked != "" {
		return tideline.Errorf(tideline.CodeValidation, "%s", c.Blocked)
	}
	if err := tooLarge(q); err != nil {
		return err
	}
	query := q.R.URL.Query()
	idem, err := idempotency(query.Get("key"), v.Chat.ID, "voice")
	if err != nil {
		return err
	}
	kept, err := s.Files.KeepVoice(q.Context(), q.Principal, bodyUpload(q))
	if err != nil {
		return err
	}
	r := message.SendRequest{ChatID: v.Chat.ID, FileUID: &kept.File.UID, Kind: tideline.KindVoice, Data: kept.Data(), Origin: tideline.OriginInbox, Idem: idem}
	if reply := query.Get("reply_to"); reply != "" {
		r.ReplyTo = &reply
	}
	receipt, err := s.Messages.Send(q.Context(), q.Principal, r)
	if receipt.Replayed || err != nil && !tideline.IsCode(err, tideline.CodeInternal) {
		// Certainly not accepted. After other errors it may have been.
		if err := s.Files.Withdraw(q.Context(), kept.File); err != nil {
			s.Log.WarnContext(q.Context(), "the recording of a refused message stays", "file", kept.File.UID, "err", err)
		}
	}
	if err != nil {
		return err
	}
	return accepted(q, receipt)
}
