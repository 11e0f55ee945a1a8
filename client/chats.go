package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Chat is a conversation between one of the workspace's accounts and a contact
// or group.
type Chat struct {
	ID                 int64    `json:"id"`
	Name               string   `json:"name"`  // unique in the workspace
	Phone              string   `json:"phone"` // "" for groups, and while it is not known
	JID                string   `json:"jid"`
	IsGroup            bool     `json:"is_group"`
	Closed             bool     `json:"closed"`
	Read               bool     `json:"read"`
	Labels             []string `json:"labels"`
	AutoReply          bool     `json:"chatgpt_autoresponse_enabled"`
	ResponsibleEmail   string   `json:"responsible_email"` // "" = nobody
	ResponsibleName    string   `json:"responsible_name"`
	AccountID          string   `json:"whatsapp_account_id"`
	URL                string   `json:"chat_url"`
	CreatedAt          Time     `json:"created_timestamp"`
	LastMessageUID     string   `json:"last_message_uid"` // "" = none
	LastMessageAt      Time     `json:"last_message_timestamp"`
	Unattended         bool     `json:"unattended"`
	Photo              string   `json:"photo"` // a link that is good for 15 minutes; "" = none
	IsAllowedToMessage bool     `json:"is_allowed_to_message"`

	LastMessage *MessageInfo `json:"last_message"` // only when it was asked for
}

// ChatFilter selects chats. Lists select what has any of their elements; empty
// fields select everything.
type ChatFilter struct {
	Labels        []string
	AccountIDs    []string
	Responsible   []string // e-mails
	Names         []string // parts of names
	Phone         string   // a part of a number; with "+" all of it; not for VisibleChats
	ContactPhones []string
	Group         *bool
	Read          *bool
	Closed        *bool
	AutoReply     *bool
	CreatedAfter  string // a date or time, inclusive
	CreatedBefore string
	WithMessage   bool // fills in Chat.LastMessage
	Page          int  // from 1; 0 = 1
}

func (f ChatFilter) query() url.Values {
	q := url.Values{}
	setList(q, "label", f.Labels)
	setList(q, "whatsapp_account_id", f.AccountIDs)
	setList(q, "responsible", f.Responsible)
	setList(q, "name", f.Names)
	setList(q, "whatsapp_phone", f.ContactPhones)
	setText(q, "phone", f.Phone)
	setBool(q, "group", f.Group)
	setBool(q, "read", f.Read)
	setBool(q, "closed", f.Closed)
	setBool(q, "chatgpt_autoresponse_enabled", f.AutoReply)
	setText(q, "created_after", f.CreatedAfter)
	setText(q, "created_before", f.CreatedBefore)
	if f.WithMessage {
		q.Set("with_msg", "true")
	}
	setPage(q, f.Page)
	return q
}

func setList(q url.Values, name string, values []string) { setText(q, name, strings.Join(values, ",")) }

func setText(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setBool(q url.Values, name string, value *bool) {
	if value != nil {
		q.Set(name, strconv.FormatBool(*value))
	}
}

func setPage(q url.Values, page int) {
	if page > 0 {
		q.Set("page", strconv.Itoa(page))
	}
}

// Chats lists a page of the workspace's chats, the latest first, and says
// whether there are more.
func (c *Client) Chats(ctx context.Context, f ChatFilter) ([]Chat, bool, error) {
	return c.chats(ctx, "/chats", f)
}

// VisibleChats lists a page of the chats that the token's member may see.
func (c *Client) VisibleChats(ctx context.Context, f ChatFilter) ([]Chat, bool, error) {
	return c.chats(ctx, "/v2/chats", f)
}

func (c *Client) chats(ctx context.Context, path string, f ChatFilter) ([]Chat, bool, error) {
	var answer struct {
		More  bool   `json:"has_more_pages"`
		Chats []Chat `json:"chats"`
	}
	err := c.get(ctx, path+"?"+f.query().Encode(), &answer)
	return answer.Chats, answer.More, err
}

// Chat shows a chat.
func (c *Client) Chat(ctx context.Context, id int64) (Chat, error) {
	var chat Chat
	err := c.get(ctx, chatPath(id, ""), &chat)
	return chat, err
}

// ChatChange says what to change of a chat; nil stays as it is.
type ChatChange struct {
	Name        *string `json:"name,omitempty"`
	Responsible *string `json:"responsible,omitempty"` // e-mail; "" = nobody
	Closed      *bool   `json:"closed,omitempty"`
	Read        *bool   `json:"read,omitempty"`
	AutoReply   *bool   `json:"chatgpt_autoresponse_enabled,omitempty"`
}

// ChangeChat changes a chat and shows it.
func (c *Client) ChangeChat(ctx context.Context, id int64, change ChatChange) (Chat, error) {
	var chat Chat
	err := c.json(ctx, http.MethodPatch, chatPath(id, ""), change, &chat)
	return chat, err
}

// MessageFilter selects messages of a chat; empty fields select everything.
type MessageFilter struct {
	FromMe        *bool
	After, Before string // dates or times, inclusive
	AfterMessage  string // uid, exclusive
	BeforeMessage string // uid, exclusive
	OldestFirst   bool
	Page          int // from 1; 0 = 1
}

func (f MessageFilter) query() url.Values {
	q := url.Values{}
	setBool(q, "from_me", f.FromMe)
	setText(q, "after", f.After)
	setText(q, "before", f.Before)
	setText(q, "after_message", f.AfterMessage)
	setText(q, "before_message", f.BeforeMessage)
	if f.OldestFirst {
		q.Set("sorting_order", "asc")
	}
	setPage(q, f.Page)
	return q
}

// ChatMessages lists a page of a chat's messages, the latest first unless f says
// otherwise, and says whether there are more.
func (c *Client) ChatMessages(ctx context.Context, chatID int64, f MessageFilter) ([]MessageInfo, bool, error) {
	var answer struct {
		More     bool          `json:"has_more_pages"`
		Messages []MessageInfo `json:"messages"`
	}
	err := c.get(ctx, chatPath(chatID, "/messages")+"?"+f.query().Encode(), &answer)
	return answer.Messages, answer.More, err
}

// Labels lists the labels of a chat, in alphabetical order.
func (c *Client) Labels(ctx context.Context, chatID int64) ([]string, error) {
	var answer labels
	err := c.get(ctx, chatPath(chatID, "/labels"), &answer)
	return answer.Labels, err
}

// ReplaceLabels gives a chat these labels and no others, and lists them.
func (c *Client) ReplaceLabels(ctx context.Context, chatID int64, names ...string) ([]string, error) {
	return c.putLabels(ctx, http.MethodPost, chatID, names)
}

// AddLabels adds labels to a chat, and lists all that it has.
func (c *Client) AddLabels(ctx context.Context, chatID int64, names ...string) ([]string, error) {
	return c.putLabels(ctx, http.MethodPut, chatID, names)
}

type labels struct {
	Labels []string `json:"labels"`
}

func (c *Client) putLabels(ctx context.Context, method string, chatID int64, names []string) ([]string, error) {
	if names == nil {
		names = []string{}
	}
	var answer labels
	err := c.json(ctx, method, chatPath(chatID, "/labels"), labels{names}, &answer)
	return answer.Labels, err
}

// AddNote writes a note in a chat, for the team only, and gives its uid.
func (c *Client) AddNote(ctx context.Context, chatID int64, text string) (string, error) {
	var answer struct {
		MessageUID string `json:"message_uid"`
	}
	err := c.json(ctx, http.MethodPost, chatPath(chatID, "/notes"), map[string]string{"text": text}, &answer)
	return answer.MessageUID, err
}

func chatPath(id int64, rest string) string { return fmt.Sprintf("/chats/%d%s", id, rest) }

// json makes a call with a JSON body. It is not repeated.
func (c *Client) json(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	_, err = c.do(ctx, call{method: method, path: path, body: encoded, contentType: "application/json"}, into)
	return err
}

// remove makes a call that deletes something, and may be repeated: the second
// time it is not found.
func (c *Client) remove(ctx context.Context, path string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path}, nil)
	return err
}
