package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// Message is what to send. It needs at least one of Text, FileUID and TemplateID,
// and for Client.Send also Phone. Empty fields are left out.
type Message struct {
	Phone        string `json:"phone,omitempty"`                  // the recipient, in international form
	AccountPhone string `json:"whatsapp_account_phone,omitempty"` // the WhatsApp account that sends; "" = the one that connected last
	Text         string `json:"text,omitempty"`                   // at most 2000 characters
	FileUID      string `json:"file_uid,omitempty"`               // an uploaded file to attach
	TemplateID   int64  `json:"attachment_template_id,omitempty"` // an attachment template to attach
	Label        string `json:"label,omitempty"`                  // a label for the chat, at most 64 characters
	ChatName     string `json:"chat_name,omitempty"`              // the chat's name if it is new, at most 256 characters
	ReplyTo      string `json:"reply_to,omitempty"`               // uid of the message of the same chat that this one answers; not by Client.Send

	// IdempotencyKey, 1 to 255 of A-Z, a-z, 0-9, ".", "_" and "-", makes the send
	// safe to repeat: within 24 hours the same message with the same key is sent
	// once. "" = none, and no repetition.
	IdempotencyKey string `json:"-"`
}

// Sent is the answer to a send. The message is durable, and on its way.
type Sent struct {
	MessageUID string
	Replayed   bool // an earlier request with the same key sent it
}

// MessageInfo is a message as the server sees it.
type MessageInfo struct {
	UID                string `json:"uid"`
	ChatID             int64  `json:"chat_id"`
	Timestamp          Time   `json:"timestamp"`
	ReceivedTimestamp  Time   `json:"received_timestamp"`
	SenderPhone        string `json:"sender_phone"`
	SenderName         string `json:"sender_name"`
	RecipientPhone     string `json:"recipient_phone"`
	RecipientName      string `json:"recipient_name"`
	FromMe             bool   `json:"from_me"`
	Text               string `json:"text"` // "" when there is none
	AttachmentURL      string `json:"attachment_url"`
	AttachmentFilename string `json:"attachment_filename"`
	Status             string `json:"status"` // Pending, Sent, Delivered, Read, Failed
	Origin             string `json:"origin"`
	HasAttachment      bool   `json:"has_attachment"`
	MessageType        string `json:"message_type"`
	CreatedBy          string `json:"created_by"`
}

// StatusChange is one line of a message's history.
type StatusChange struct {
	Status        string         `json:"status"`
	Timestamp     Time           `json:"timestamp"`
	FailureReason *FailureReason `json:"failure_reason"` // only with Failed
}

// FailureReason is why a message failed.
type FailureReason struct {
	Title   string `json:"title"`   // for people
	Details string `json:"details"` // a stable word, such as not_on_whatsapp
}

// File is an upload.
type File struct {
	UID         string `json:"uid"` // what Message.FileUID takes
	Name        string `json:"filename"`
	Size        int64  `json:"size"` // bytes
	MIMEType    string `json:"mimetype"`
	UploadedBy  string `json:"uploaded_by_email"`
	UploadedAt  Time   `json:"uploaded_at"`
	DownloadURL string `json:"temporary_download_url"` // good for 15 minutes
}

// Account is a WhatsApp account of the workspace.
type Account struct {
	ID          string `json:"id"` // WhatsApp JID
	Phone       string `json:"phone"`
	ConnectedOn Time   `json:"connected_on"`
	Status      string `json:"status"` // active, disconnected
	OwnerName   string `json:"owner_name"`
	OwnerEmail  string `json:"owner_email"`
	Name        string `json:"account_name"`
}

// Workspace is the tenant that the token belongs to.
type Workspace struct {
	ID          string `json:"workspace_id"`
	DisplayName string `json:"display_name"`
	Plan        string `json:"plan"`
	Quotas
}

// Quotas are what the workspace may use and has used.
type Quotas struct {
	Messages     Quota          `json:"messaging_quota"`
	APICalls     Quota          `json:"api_calls_quota"`
	NonRecurring RemainingQuota `json:"non_recurring_quota"`
}

// Unlimited is the Quota.Total that stands for "no limit".
const Unlimited = 1<<31 - 1

// Quota is an allowance for a period.
type Quota struct {
	Total       int64 `json:"total"` // Unlimited
	Used        int64 `json:"used"`
	PeriodStart Time  `json:"period_start"`
	PeriodEnd   Time  `json:"period_end"` // exclusive
}

// RemainingQuota is an allowance without a period.
type RemainingQuota struct {
	Remaining int64 `json:"remaining_balance"`
	UpdatedAt Time  `json:"last_updated_at"` // zero when not known
}

// Time is a time as the API writes it, in the workspace's zone.
type Time struct{ time.Time }

// timeLayout is the API's; RFC 3339, which some of its relatives use, is read too.
const timeLayout = "2006-01-02 15:04:05 -0700"

// UnmarshalJSON implements json.Unmarshaler; null leaves the zero time.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == nil || *s == "" {
		t.Time = time.Time{}
		return nil
	}
	for _, layout := range []string{timeLayout, time.RFC3339} {
		if at, err := time.Parse(layout, *s); err == nil {
			t.Time = at
			return nil
		}
	}
	return fmt.Errorf("%q is not a time of the API", *s)
}

// MarshalJSON implements json.Marshaler, so that what was read can be shown.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.Format(timeLayout))
}
