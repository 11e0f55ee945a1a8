package operator

import (
	"context"
	"encoding/json"
	"net/http"
)

// Queue does what commands ask of the outbox; *outbox.Service does.
type Queue interface {
	Pause(ctx context.Context, workspaceID, accountID int64, by string) error
	Resume(ctx context.Context, workspaceID, accountID int64) error
	PutFirst(ctx context.Context, workspaceID, messageID int64) error
	Cancel(ctx context.Context, workspaceID, messageID int64, note string) error
	CancelAll(ctx context.Context, workspaceID, accountID int64, note string) (cancelled, kept int, err error)
}

// MessageRequest names a message.
type MessageRequest struct {
	WorkspaceID int64 `json:"workspace_id"`
	MessageID   int64 `json:"message_id"`
}

// CancelledAll is the answer to CancelAll.
type CancelledAll struct {
	Cancelled int `json:"cancelled"`
	Kept      int `json:"kept"` // being sent, or sent already
}

// by says who did what a command asked for.
const by = "operator"

// queueRoutes serves the commands about the queue.
func (s *Server) queueRoutes(mux *http.ServeMux) {
	q := s.deps.Queue
	if q == nil {
		return
	}
	mux.HandleFunc("POST /queue/pause", s.account("pause account", func(ctx context.Context, workspaceID, accountID int64) error {
		return q.Pause(ctx, workspaceID, accountID, by)
	}))
	mux.HandleFunc("POST /queue/resume", s.account("resume account", q.Resume))
	mux.HandleFunc("POST /queue/first", s.message("send first", q.PutFirst))
	mux.HandleFunc("POST /queue/cancel", s.message("cancel message", func(ctx context.Context, workspaceID, messageID int64) error {
		return q.Cancel(ctx, workspaceID, messageID, "by the "+by)
	}))
	mux.HandleFunc("POST /queue/cancel-all", func(w http.ResponseWriter, r *http.Request) {
		var in AccountRequest
		if !s.read(w, r, &in) {
			return
		}
		cancelled, kept, err := q.CancelAll(r.Context(), in.WorkspaceID, in.AccountID, "by the "+by)
		if err != nil {
			s.fail(w, r, "cancel messages", err)
			return
		}
		answer(w, CancelledAll{cancelled, kept})
	})
}

// message serves a request that names a message.
func (s *Server) message(what string, do func(ctx context.Context, workspaceID, messageID int64) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q MessageRequest
		if !s.read(w, r, &q) {
			return
		}
		if err := do(r.Context(), q.WorkspaceID, q.MessageID); err != nil {
			s.fail(w, r, what, err)
			return
		}
		answer(w, struct{}{})
	}
}

// PauseAccount stops the sending of an account.
func (c *Client) PauseAccount(ctx context.Context, q AccountRequest) error {
	return c.ask(ctx, "/queue/pause", q)
}

// ResumeAccount ends a pause.
func (c *Client) ResumeAccount(ctx context.Context, q AccountRequest) error {
	return c.ask(ctx, "/queue/resume", q)
}

// PutFirst moves a queued message to the head of its lane.
func (c *Client) PutFirst(ctx context.Context, q MessageRequest) error {
	return c.ask(ctx, "/queue/first", q)
}

// Cancel takes a message out of the queue.
func (c *Client) Cancel(ctx context.Context, q MessageRequest) error {
	return c.ask(ctx, "/queue/cancel", q)
}

// CancelAll cancels what is queued for an account.
func (c *Client) CancelAll(ctx context.Context, q AccountRequest) (CancelledAll, error) {
	var done CancelledAll
	body, err := c.do(ctx, http.MethodPost, "/queue/cancel-all", q)
	if err != nil {
		return done, err
	}
	defer body.Close()
	return done, json.NewDecoder(body).Decode(&done)
}
