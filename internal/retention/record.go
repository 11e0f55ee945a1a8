package retention

import (
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Format is the version of the archive's lines. A reader of it ignores fields that it
// does not know; what fields mean does not change within a version.
const Format = 1

// Record is one line of the archive: a message as it was when it was archived. Times
// are RFC 3339 in UTC with milliseconds; empty ones are left out.
type Record struct {
	Format     int               `json:"format"`
	Workspace  string            `json:"workspace"`
	UID        string            `json:"uid"`
	Account    AccountRecord     `json:"account"`
	Chat       ChatRecord        `json:"chat"`
	WhatsAppID string            `json:"whatsapp_id"`
	FromMe     bool              `json:"from_me"`
	Kind       string            `json:"kind,omitempty"`
	Text       string            `json:"text"`
	Status     string            `json:"status"`
	Reason     string            `json:"reason,omitempty"`
	Origin     string            `json:"origin"`
	Credits    int64             `json:"credits"`
	AcceptedAt string            `json:"accepted_at"`
	SentAt     string            `json:"sent_at,omitempty"`
	EditedAt   string            `json:"edited_at,omitempty"`
	DeletedAt  string            `json:"deleted_at,omitempty"`
	Member     string            `json:"member,omitempty"`   // the name of who sent it
	Sender     *PersonRecord     `json:"sender,omitempty"`   // of what was received
	ReplyTo    string            `json:"reply_to,omitempty"` // WhatsApp id
	Data       map[string]string `json:"data,omitempty"`
	History    []StatusRecord    `json:"history,omitempty"`
	Reactions  []ReactionRecord  `json:"reactions,omitempty"`
	File       *FileRecord       `json:"file,omitempty"`
}

// AccountRecord is the WhatsApp number that a message was sent or received by.
type AccountRecord struct {
	JID   string `json:"jid"`
	Phone string `json:"phone"`
}

// ChatRecord is the chat that a message was in.
type ChatRecord struct {
	ID    int64  `json:"id"`
	JID   string `json:"jid"`
	Phone string `json:"phone,omitempty"`
	Name  string `json:"name"`
}

// PersonRecord is who wrote or reacted.
type PersonRecord struct {
	JID  string `json:"jid,omitempty"`
	LID  string `json:"lid,omitempty"`
	Name string `json:"name,omitempty"`
}

// StatusRecord is a step of a message's history.
type StatusRecord struct {
	Status string `json:"status"`
	At     string `json:"at"`
	Reason string `json:"reason,omitempty"`
}

// ReactionRecord is an emoji and who gave it; without Person it was the account.
type ReactionRecord struct {
	Emoji  string        `json:"emoji"`
	Person *PersonRecord `json:"person,omitempty"`
}

// FileRecord is the file of a message. Key is where its bytes are in file storage:
// in the archive when Kept is set, else where they were, until they are deleted too.
// Without a hash there were no bytes any more.
type FileRecord struct {
	UID      string `json:"uid"`
	Name     string `json:"name"`
	MIMEType string `json:"mime_type"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256,omitempty"`
	Key      string `json:"key,omitempty"`
	Kept     bool   `json:"kept"`
}

func recordOf(workspace string, v *store.MessageView) *Record {
	m := &v.Message
	r := &Record{
		Format: Format, Workspace: workspace, UID: m.UID,
		Account:    AccountRecord{JID: string(v.Account.JID), Phone: string(v.Account.Phone)},
		Chat:       ChatRecord{ID: v.Chat.ID, JID: string(v.Chat.JID), Phone: string(v.Chat.Phone), Name: v.Chat.Name},
		WhatsAppID: m.WhatsAppID, FromMe: m.FromMe, Kind: string(m.Kind), Text: m.Text, Status: string(m.Status), Reason: string(m.Reason),
		Origin: string(m.Origin), Credits: int64(m.Credits), AcceptedAt: stamp(m.AcceptedAt), SentAt: stamp(m.SentAt),
		EditedAt: stamp(m.EditedAt), DeletedAt: stamp(m.DeletedAt), Member: v.MemberName, ReplyTo: m.ReplyTo, Data: m.Data,
	}
	if !m.FromMe {
		r.Sender = personOf(m.Sender)
	}
	for _, c := range v.History {
		r.History = append(r.History, StatusRecord{Status: string(c.Status), At: stamp(c.At), Reason: string(c.Reason)})
	}
	for _, is := range v.Reactions {
		line := ReactionRecord{Emoji: is.Emoji}
		if !is.Own {
			line.Person = personOf(is.Peer)
		}
		r.Reactions = append(r.Reactions, line)
	}
	if f := v.File; f != nil {
		r.File = &FileRecord{UID: f.UID, Name: f.Name, MIMEType: f.MIMEType, Size: f.Size}
	}
	return r
}

func personOf(p tideline.Peer) *PersonRecord {
	return &PersonRecord{JID: string(p.JID), LID: string(p.LID), Name: p.Name}
}
