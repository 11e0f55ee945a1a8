package client

import (
	"context"
	"net/http"
	"net/url"
)

// Reactions are the emojis that a message got.
type Reactions struct {
	Users []struct {
		Name     string `json:"name"`
		Phone    string `json:"phone"`
		Reaction string `json:"reaction"`
		Current  bool   `json:"current"` // the workspace's own account
	} `json:"users"`
	Counts map[string]int `json:"reactions"` // by emoji
	Total  int            `json:"total"`
}

// Reactions shows who reacted to a message.
func (c *Client) Reactions(ctx context.Context, messageUID string) (Reactions, error) {
	var r Reactions
	err := c.get(ctx, "/messages/"+url.PathEscape(messageUID)+"/reactions", &r)
	return r, err
}

// React gives a message the account's reaction, or takes it back with "". It
// returns when WhatsApp has it.
func (c *Client) React(ctx context.Context, messageUID, emoji string) error {
	return c.json(ctx, http.MethodPatch, "/messages/"+url.PathEscape(messageUID)+"/reactions", map[string]string{"reaction": emoji}, nil)
}
