package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	messagesPath    = Base + "/messages"
	toJIDPath       = messagesPath + "/to_jid"
	toNamePath      = messagesPath + "/to_chat_name"
	voicePattern    = "POST " + Base + "/chats/{chat_id}/voice_message"
	filePattern     = "POST " + Base + "/chats/{chat_id}/file_message"
	uploadPattern   = "POST " + Base + "/files_upload"
	byURLPattern    = "POST " + Base + "/files"
	downloadPattern = "GET " + Base + "/files/{uid}/download"
)

// operation is one method of one path.
type operation struct {
	name    string // e.g. "POST /messages"; also a metric's label
	timeout time.Duration
	slow    bool // takes as long as the bytes of a file
	sends   bool // is for tokens that only send: sends, uploads, or tells what became of a message
	stats   *operationStats
}

func (s *server) newOperation(pattern string) *operation {
	op := &operation{name: strings.Replace(pattern, Base, "", 1), timeout: s.timeout}
	switch pattern {
	case uploadPattern, byURLPattern, downloadPattern, voicePattern, filePattern:
		op.timeout, op.slow = s.uploadTimeout, true
	}
	switch pattern {
	case "POST " + messagesPath, "POST " + toJIDPath, "POST " + toNamePath, "POST " + Base + "/v2/messages",
		"POST " + Base + "/chats/{chat_id}/messages", "POST " + Base + "/v2/chats/{chat_id}/messages", voicePattern, filePattern,
		"PUT " + Base + "/messages/{uid}/reactions", "PATCH " + Base + "/messages/{uid}/reactions",
		uploadPattern, byURLPattern,
		"GET " + Base + "/messages/{uid}", "GET " + Base + "/messages/{uid}/status_history":
		op.sends = true
	}
	op.stats = s.metrics.of(op.name)
	return op
}

// route fills the mux: the generated routes, the download link, and for every
// path the answer to methods that it doesn't have.
func (s *server) route() {
	s.mux = http.NewServeMux()
	s.none = s.newOperation("none")
	routes := &routes{server: s, methods: map[string][]string{}}
	apigen.HandlerWithOptions(s, apigen.StdHTTPServerOptions{
		BaseURL:          Base,
		BaseRouter:       routes,
		Middlewares:      []apigen.MiddlewareFunc{s.admitted},
		ErrorHandlerFunc: s.badParameter,
	})
	routes.HandleFunc(downloadPattern, s.download)
	for path, methods := range routes.methods {
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
		}
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
		other := s.otherMethod(strings.Join(methods, ", "))
		if path == toJIDPath || path == toNamePath {
			// For the mux, all methods here and GET of any message's uid would be
			// neither the more special.
			for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				s.mux.HandleFunc(method+" "+path, other)
			}
			continue
		}
		s.mux.HandleFunc(path, other)
	}
	business := s.newOperation("/waba/")
	for _, path := range []string{"/waba", "/waba/"} { // with the second alone, the mux redirects the first
		s.mux.HandleFunc(Base+path, func(w http.ResponseWriter, r *http.Request) {
			of(r).op = business
			s.admitted(http.HandlerFunc(s.noBusinessPlatform)).ServeHTTP(w, r)
		})
	}
	s.mux.HandleFunc("/", s.otherPath)
}

// routes takes the generated routes on their way into the mux, to note which
// methods each path has and to give every handler its operation.
type routes struct {
	server  *server
	methods map[string][]string
}

// HandleFunc implements apigen.ServeMux.
func (t *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	s := t.server
	method, path, _ := strings.Cut(pattern, " ")
	t.methods[path] = append(t.methods[path], method)
	op := s.newOperation(pattern)
	if pattern == "POST "+messagesPath {
		s.send = op
	}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		of(r).op = op
		ctx, cancel := context.WithTimeout(r.Context(), op.timeout)
		defer cancel()
		if op.slow {
			// The http.Server's limits are made for small bodies. Not every
			// ResponseWriter can have others, and then they stay.
			c := http.NewResponseController(w)
			_ = c.SetReadDeadline(time.Now().Add(op.timeout))
			_ = c.SetWriteDeadline(time.Now().Add(op.timeout))
		}
		handler(w, r.WithContext(ctx))
	})
}

// ServeHTTP implements apigen.ServeMux.
func (t *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.server.mux.ServeHTTP(w, r) }

// ServeHTTP answers a request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, id: requestID(r), start: time.Now(), op: s.none}
	defer s.finish(x, r)
	w.Header()["X-Request-Id"] = []string{x.id}

	if s.perIP != nil {
		if retry, ok := s.perIP.Allow(limitKey(s.clientIP(r))); !ok {
			s.fail(x, r, &throttled{err: errRate, retry: retry})
			return
		}
	}
	// Nearly every request is this one, and the mux and the generated wrapper
	// would cost it a copy of the request and two contexts.
	if r.Method == http.MethodPost && r.URL.Path == messagesPath {
		x.op = s.send
		s.sendMessage(r.Context(), x, r)
		return
	}
	switch p := r.URL.Path; {
	case p == Base || p == Base+"/":
		s.root(x, r)
	case strings.HasSuffix(p, "/"):
		s.pages.write(x, http.StatusNotFound, s.pages.notFound)
	case path.Clean(p) != p:
		s.fail(x, r, errNoSuchPath) // the mux would answer with a redirect
	default:
		s.mux.ServeHTTP(x, r.WithContext(x.in(r.Context())))
	}
}

// finish counts and logs the request, and turns a panic into an answer.
func (s *server) finish(x *exchange, r *http.Request) {
	v := recover()
	abort := v == http.ErrAbortHandler //nolint:errorlint // net/http compares the value too
	if v != nil && !abort {
		s.log.ErrorContext(r.Context(), "handler panicked", "request_id", x.id, "operation", x.op.name, "panic", v, "stack", string(debug.Stack()))
		if x.status == 0 {
			o := outcomeOf(tideline.CodeInternal)
			x.code = o.code
			s.reply(x, o.status, apigen.ErrorResponse{Status: apigen.Error, Message: internalMessage, ErrorCode: o.code})
		} else {
			abort = true // half an answer must not look whole
		}
	}
	took := time.Since(x.start)
	x.op.stats.observe(x.status, x.code, took)
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.logAccess(x, r, took)
	}
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// logAccess writes the access log, at debug level because of the address. It
// names neither header nor query: they hold tokens and signatures.
func (s *server) logAccess(x *exchange, r *http.Request, took time.Duration) {
	attrs := []any{
		"request_id", x.id, "method", r.Method, "path", r.URL.Path, "status", x.status,
		"bytes", x.written, "duration", took, "client", s.clientIP(r).String(),
	}
	if x.principal != nil {
		attrs = append(attrs, "workspace", x.principal.Workspace.Slug, "token", x.principal.Token.ID)
	}
	if x.code != "" {
		attrs = append(attrs, "error_code", string(x.code))
	}
	s.log.DebugContext(r.Context(), "request", attrs...)
}

// otherMethod answers what a path's own methods leave: OPTIONS with what there
// is, everything else with an error.
func (s *server) otherMethod(allow string) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		x := of(r)
		x.Header().Set("Allow", allow)
		if r.Method == http.MethodOptions {
			x.WriteHeader(http.StatusNoContent)
			return
		}
		s.fail(x, r, tideline.Errorf(tideline.CodeNotSupported, "The method is not supported here; supported: %s", allow))
	}
}

func (s *server) otherPath(_ http.ResponseWriter, r *http.Request) { s.fail(of(r), r, errNoSuchPath) }

// badParameter answers for the generated binding. Paths and headers are plain
// text to it, so a wrong parameter hardly gets here.
func (s *server) badParameter(_ http.ResponseWriter, r *http.Request, err error) {
	s.fail(of(r), r, &tideline.Error{Code: tideline.CodeValidation, Message: "A parameter of the request is not valid", Err: err})
}
