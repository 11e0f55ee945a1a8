package client

import (
	"context"
	"fmt"
	"net/http"
)

// Template is a text that members use again and again.
type Template struct {
	ID         int64   `json:"id"`
	Name       string  `json:"name"`
	Text       string  `json:"text"`
	Visibility string  `json:"visibility"` // public, private, read-only
	Team       *string `json:"team_title"` // nil = all teams
	CreatedBy  string  `json:"created_by_name"`
	CreatedAt  Time    `json:"created_at"`
	UpdatedBy  string  `json:"updated_by_name"`
	UpdatedAt  Time    `json:"updated_at"`
}

// NewTemplate describes a text template to be made.
type NewTemplate struct {
	Name       string  `json:"name"`
	Text       string  `json:"text"`
	Visibility string  `json:"visibility,omitempty"` // "" = public
	Team       *string `json:"team_title,omitempty"` // nil = all teams
}

// TemplateChange says what to change of a text template; nil stays as it is.
// Team points to a pointer, which is nil for all teams.
type TemplateChange struct {
	Name       *string
	Text       *string
	Visibility *string
	Team       **string
}

// Templates lists the text templates that the token's member may see, the latest
// changed first.
func (c *Client) Templates(ctx context.Context) ([]Template, error) {
	var answer struct {
		Templates []Template `json:"templates"`
	}
	err := c.get(ctx, "/templates", &answer)
	return answer.Templates, err
}

// TemplateV2 is a text template with what the token's member may do with it.
type TemplateV2 struct {
	ID         int64   `json:"id"`
	Name       string  `json:"name"`
	Text       string  `json:"text"`
	Visibility string  `json:"visibility"`
	AllTeams   bool    `json:"team_any"`
	Team       *string `json:"team"`
	Editable   bool    `json:"can_be_edited"`
	Deletable  bool    `json:"can_be_deleted"`
}

// TemplatesV2 lists text templates with what the token's member may do with them.
func (c *Client) TemplatesV2(ctx context.Context) ([]TemplateV2, error) {
	var answer struct {
		Templates []TemplateV2 `json:"templates"`
	}
	err := c.get(ctx, "/v2/templates", &answer)
	return answer.Templates, err
}

// Template shows a text template.
func (c *Client) Template(ctx context.Context, id int64) (Template, error) {
	var t Template
	err := c.get(ctx, templatePath(id), &t)
	return t, err
}

// CreateTemplate makes a text template.
func (c *Client) CreateTemplate(ctx context.Context, n NewTemplate) (Template, error) {
	var t Template
	err := c.json(ctx, http.MethodPost, "/templates", n, &t)
	return t, err
}

// ChangeTemplate changes a text template and shows it.
func (c *Client) ChangeTemplate(ctx context.Context, id int64, change TemplateChange) (Template, error) {
	body := map[string]any{}
	for name, value := range map[string]*string{"name": change.Name, "text": change.Text, "visibility": change.Visibility} {
		if value != nil {
			body[name] = *value
		}
	}
	if change.Team != nil {
		body["team_title"] = *change.Team
	}
	var t Template
	err := c.json(ctx, http.MethodPatch, templatePath(id), body, &t)
	return t, err
}

// DeleteTemplate deletes a text template.
func (c *Client) DeleteTemplate(ctx context.Context, id int64) error {
	return c.remove(ctx, templatePath(id))
}

// TrackTemplate notes that a text template was used.
func (c *Client) TrackTemplate(ctx context.Context, id int64, origin string) error {
	return c.json(ctx, http.MethodPost, templatePath(id)+"/track_usage", map[string]string{"origin": origin}, nil)
}

func templatePath(id int64) string { return fmt.Sprintf("/templates/%d", id) }
