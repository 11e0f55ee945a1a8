package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Teammate is a member of the workspace.
type Teammate struct {
	ID               int64     `json:"user_id"`
	Name             string    `json:"display_name"`
	Email            string    `json:"email"`
	Role             string    `json:"role"` // owner, admin, team_supervisor, teammate, agent, collaborator
	Team             string    `json:"team"`
	Status           string    `json:"status"` // Active, Invited
	CreatedAt        Time      `json:"created_at"`
	InvitationStatus string    `json:"invitation_status"` // Pending, Accepted, Expired; "" = never invited
	Accounts         []Account `json:"whatsapp_accounts"` // that the member owns
}

// Teammates lists the titles of the workspace's teams, and its members.
func (c *Client) Teammates(ctx context.Context) ([]string, []Teammate, error) {
	var answer struct {
		Teams []struct {
			Title string `json:"title"`
		} `json:"teams"`
		Teammates []Teammate `json:"teammates"`
	}
	err := c.get(ctx, "/workspace/teammates", &answer)
	var titles []string
	for _, t := range answer.Teams {
		titles = append(titles, t.Title)
	}
	return titles, answer.Teammates, err
}

// Me shows the token's own member.
func (c *Client) Me(ctx context.Context) (Teammate, error) {
	var m Teammate
	err := c.get(ctx, "/workspace/teammates/me", &m)
	return m, err
}

// Invitation asks to invite somebody.
type Invitation struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	Team      string `json:"team_title,omitempty"` // "" = the default team
	Role      string `json:"role"`                 // admin, team_supervisor, teammate, agent, collaborator
}

// Invite invites a member, or gives a present one another role and team.
func (c *Client) Invite(ctx context.Context, i Invitation) (Teammate, error) {
	var m Teammate
	err := c.json(ctx, http.MethodPost, "/workspace/invitations", i, &m)
	return m, err
}

// RevokeInvitation takes back the invitation of a member who has not joined.
func (c *Client) RevokeInvitation(ctx context.Context, memberID int64) error {
	return c.remove(ctx, fmt.Sprintf("/workspace/invitations/%d", memberID))
}

// VisibleAccount is an account with whether the token's member sees its chats.
type VisibleAccount struct {
	Account
	Visible bool `json:"is_visible"`
}

// VisibleAccounts lists the workspace's WhatsApp accounts with whether the
// token's member sees their chats.
func (c *Client) VisibleAccounts(ctx context.Context) ([]VisibleAccount, error) {
	var answer struct {
		Accounts []VisibleAccount `json:"whatsapp_accounts"`
	}
	err := c.get(ctx, "/v2/whatsapp_accounts", &answer)
	return answer.Accounts, err
}

// Files lists the uploads whose names have part in them, "" = all, the latest
// first. They have no DownloadURL; see File.
func (c *Client) Files(ctx context.Context, part string) ([]File, error) {
	q := url.Values{}
	setText(q, "filename", part)
	var files []File
	err := c.get(ctx, "/files?"+q.Encode(), &files)
	return files, err
}

// DeleteFile deletes an upload.
func (c *Client) DeleteFile(ctx context.Context, uid string) error {
	return c.remove(ctx, "/files/"+url.PathEscape(uid))
}
