package operator

import (
	"context"
	"encoding/json"
	"net/http"
)

// Version is the WhatsApp version that the server announces, and the one that is
// built in.
type Version struct {
	Announced string `json:"announced"`
	BuiltIn   string `json:"built_in"`
}

// Versions shows and changes the announced version.
type Versions struct {
	Get func() Version
	// Set changes it; "" goes back to the one built in.
	Set func(ctx context.Context, version string) (Version, error)
}

// versionRequest asks to announce a version.
type versionRequest struct {
	Version string `json:"version"` // "" = the one built in
}

// Version asks which WhatsApp version the server announces.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return c.version(ctx, http.MethodGet, nil)
}

// SetVersion changes it; "" goes back to the one built in.
func (c *Client) SetVersion(ctx context.Context, version string) (Version, error) {
	return c.version(ctx, http.MethodPost, versionRequest{version})
}

func (c *Client) version(ctx context.Context, method string, q any) (v Version, err error) {
	body, err := c.do(ctx, method, "/whatsapp-version", q)
	if err != nil {
		return v, err
	}
	defer body.Close()
	return v, json.NewDecoder(body).Decode(&v)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) { answer(w, s.deps.Versions.Get()) }

func (s *Server) setVersion(w http.ResponseWriter, r *http.Request) {
	var q versionRequest
	if !s.read(w, r, &q) {
		return
	}
	v, err := s.deps.Versions.Set(r.Context(), q.Version)
	if err != nil {
		s.fail(w, r, "set whatsapp version", err)
		return
	}
	answer(w, v)
}

// Reconnect connects an account at once.
func (c *Client) Reconnect(ctx context.Context, q AccountRequest) error {
	return c.ask(ctx, "/reconnect", q)
}
