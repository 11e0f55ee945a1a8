package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Accounts does what commands ask for; *account.Service does.
type Accounts interface {
	Pair(ctx context.Context, workspaceID int64, by tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error)
	Logout(ctx context.Context, workspaceID, accountID int64) error
	Remove(ctx context.Context, workspaceID, accountID int64) error
	Reconnect(ctx context.Context, workspaceID, accountID int64) error
}

// Deps is what a Server works with; all are required but Queue.
type Deps struct {
	Accounts Accounts
	Status   func() Status
	Versions Versions
	Queue    Queue
	Logger   *slog.Logger
}

// Server answers commands.
type Server struct {
	deps   Deps
	socket *Socket
}

// NewServer makes a Server on a socket, which Run closes.
func NewServer(s *Socket, d Deps) *Server { return &Server{deps: d, socket: s} }

const (
	maxRequest    = 64 << 10 // bytes of a request's body
	closeTimeout  = 5 * time.Second
	headerTimeout = 5 * time.Second
)

// Run answers until ctx ends; pairings that are going on end with it.
func (s *Server) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.deps.Status()) })
	mux.HandleFunc("POST /pair", s.pair)
	mux.HandleFunc("POST /logout", s.account("log out account", s.deps.Accounts.Logout))
	mux.HandleFunc("POST /remove", s.account("remove account", s.deps.Accounts.Remove))
	mux.HandleFunc("POST /reconnect", s.account("reconnect account", s.deps.Accounts.Reconnect))
	mux.HandleFunc("GET /whatsapp-version", s.version)
	mux.HandleFunc("POST /whatsapp-version", s.setVersion)
	s.queueRoutes(mux)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout,
		BaseContext: func(net.Listener) context.Context {
			return tideline.WithActor(ctx, tideline.Actor{Via: tideline.ViaCommand})
		},
		ErrorLog: slog.NewLogLogger(s.deps.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.socket) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if server.Shutdown(closing) != nil {
			err = server.Close()
		}
		<-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, s.socket.Close())
}

// pair streams the events of a pairing. It ends when the command goes away.
func (s *Server) pair(w http.ResponseWriter, r *http.Request) {
	var q PairRequest
	if !s.read(w, r, &q) {
		return
	}
	by := tideline.Member{ID: q.MemberID, WorkspaceID: q.WorkspaceID, DisplayName: q.MemberName, Email: q.MemberEmail}
	events, err := s.deps.Accounts.Pair(r.Context(), q.WorkspaceID, by, whatsapp.PairRequest{Phone: q.Phone})
	if err != nil {
		s.fail(w, r, "pair account", err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	for e := range events { // to the end, also when nobody listens any more: the pairing ends with r's context
		if out.Encode(fromPairing(e)) == nil {
			_ = flush.Flush() // the next write says it too
		}
	}
}

// account serves a request that names an account.
func (s *Server) account(what string, do func(ctx context.Context, workspaceID, accountID int64) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q AccountRequest
		if !s.read(w, r, &q) {
			return
		}
		if err := do(r.Context(), q.WorkspaceID, q.AccountID); err != nil {
			s.fail(w, r, what, err)
			return
		}
		answer(w, struct{}{})
	}
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		s.fail(w, r, "read request", tideline.Errorf(tideline.CodeValidation, "the command and the server don't understand each other (are they of different versions?): %v", err))
		return false
	}
	return true
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, what string, err error) {
	f := failure{Code: tideline.CodeInternal, Message: fmt.Sprintf("%s: %v", what, err)} // its reader is the operator
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[*tideline.Error](err); ok && e.Code != tideline.CodeInternal {
		f, status = failure{Code: e.Code, Message: e.Message}, http.StatusUnprocessableEntity
	} else {
		s.deps.Logger.ErrorContext(r.Context(), "command failed", "what", what, "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(f) // the command is gone
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the command is gone
}
