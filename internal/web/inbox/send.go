package inbox

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// sending is what the composer sends.
type sending struct {
	Text     string `json:"text"`
	File     string `json:"file"`     // uid of an upload; "" = none
	Document bool   `json:"document"` // the file goes as a document, whatever it is
	ReplyTo  string `json:"reply_to"` // uid; "" = none
	// Key is drawn by the page for each message that somebody sends, and stays the
	// same when it is tried again, so that it is sent once.
	Key string `json:"key"`
}

// request makes of s what the service takes.
func (s *sending) request(chatID int64) (message.SendRequest, error) {
	r := message.SendRequest{ChatID: chatID, Origin: tideline.OriginInbox}
	if s.Text != "" {
		r.Text = &s.Text
	}
	if s.File != "" {
		r.FileUID = &s.File
		if s.Document {
			r.Kind = tideline.KindDocument
		}
	}
	if s.ReplyTo != "" {
		r.ReplyTo = &s.ReplyTo
	}
	var err error
	r.Idem, err = idempotency(s.Key, chatID, s)
	return r, err
}

// keyPrefix keeps the pages' keys apart from those that programs draw.
const keyPrefix = "inbox."

// idempotency makes the key that keeps a message from being sent twice; nil
// without a key. what is everything that the message is made of.
func idempotency(key string, chatID int64, what any) (*store.Idempotency, error) {
	if key == "" {
		return nil, nil
	}
	if uuid.Validate(key) != nil {
		return nil, tideline.Invalid([]tideline.FieldError{{Path: []string{"key"}, Msg: "must be a UUID"}})
	}
	body, err := json.Marshal(struct {
		Chat int64
		What any
	}{chatID, what})
	if err != nil {
		return nil, err
	}
	return &store.Idempotency{Key: keyPrefix + key, BodyHash: sha256.Sum256(body)}, nil
}

// send takes a message, from the composer or from its form without a script.
func (s *section) send(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	var what sending
	if q.WantsJSON() {
		err = q.Decode(&what)
	} else {
		err = what.read(q)
	}
	if err != nil {
		return err
	}
	r, err := what.request(v.Chat.ID)
	if err != nil {
		return err
	}
	receipt, err := s.Messages.Send(q.Context(), q.Principal, r)
	if err != nil {
		return err
	}
	return accepted(q, receipt)
}

func (s *sending) read(q *ui.Request) error {
	form, err := q.Form()
	s.Text, s.Key = form.Get("text"), form.Get("key")
	return err
}

// accepted answers for a message that is on disk.
func accepted(q *ui.Request, r message.Receipt) error {
	if !q.WantsJSON() {
		return q.Redirect(chatPath(r.ChatID))
	}
	return q.JSON(http.StatusOK, map[string]any{"uid": r.MessageUID, "id": r.MessageID, "chat": r.ChatID})
}

// again sends a message that failed once more, as a new message.
func (s *section) again(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	var what struct {
		Key string `json:"key"`
	}
	if err := q.Decode(&what); err != nil {
		return err
	}
	m, err := s.messageOf(q, v, q.R.PathValue("uid"))
	if err != nil {
		return err
	}
	if tickOf(&m.Message) != tickFailed {
		return tideline.Errorf(tideline.CodeConflict, "%s", q.T("inbox.error.not_failed"))
	}
	r := message.SendRequest{ChatID: v.Chat.ID, Kind: m.Message.Kind, Data: m.Message.Data, Origin: tideline.OriginInbox}
	if m.Message.Text != "" {
		r.Text = &m.Message.Text
	}
	if m.File != nil {
		r.FileUID = &m.File.UID
	}
	if m.ReplyToUID != "" {
		r.ReplyTo = &m.ReplyToUID
	}
	if r.Text == nil && r.FileUID == nil {
		return tideline.Errorf(tideline.CodeValidation, "%s", q.T("inbox.reason.attachment_missing"))
	}
	if r.Idem, err = idempotency(what.Key, v.Chat.ID, m.Message.UID); err != nil {
		return err
	}
	receipt, err := s.Messages.Send(q.Context(), q.Principal, r)
	if err != nil {
		return err
	}
	return accepted(q, receipt)
}

// begin sends the first message of a chat that need not be there yet.
func (s *section) begin(q *ui.Request) error {
	var what struct {
		Phone   string `json:"phone"`
		Account string `json:"account"` // phone number; "" = the one connected last
		Name    string `json:"name"`
		Text    string `json:"text"`
		Key     string `json:"key"`
	}
	if err := q.Decode(&what); err != nil {
		return err
	}
	if err := s.mayBegin(q, what.Account); err != nil {
		return err
	}
	r := message.SendRequest{Phone: what.Phone, Text: &what.Text, Origin: tideline.OriginInbox}
	if what.Account != "" {
		r.AccountPhone = &what.Account
	}
	if what.Name != "" {
		r.ChatName = &what.Name
	}
	var err error
	if r.Idem, err = idempotency(what.Key, 0, what); err != nil {
		return err
	}
	receipt, err := s.Messages.Send(q.Context(), q.Principal, r)
	if err != nil {
		return err
	}
	return accepted(q, receipt)
}

// mayBegin refuses members who see only part of the numbers to write from others:
// they would not see the answers.
func (s *section) mayBegin(q *ui.Request, phone string) error {
	viewer, err := s.Team.Viewer(q.Context(), q.Principal)
	if err != nil || viewer == nil {
		return err
	}
	around, err := s.surroundings(q)
	if err != nil {
		return err
	}
	for _, a := range accountChoices(around) {
		if a.Phone == phone {
			return nil
		}
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "%s", q.T("inbox.error.not_your_number"))
}
