package ui

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/text"
)

// Defaults of Config.
const (
	DefaultTimeout = 30 * time.Second
	maxForm        = 1 << 20 // bytes of a form or JSON body
)

// Sessions finds out who is signed in.
type Sessions interface {
	// Authenticate gives the member whose session has the secret. Errors:
	// missing_credentials, invalid_token (no such session, or it has ended),
	// member_not_found.
	Authenticate(ctx context.Context, secret string) (*tideline.Principal, error)
}

// Config adjusts a Kit.
type Config struct {
	Sessions Sessions
	// Cookie is the name of the cookie with a session's secret.
	Cookie string
	// Secure says that browsers reach the server by HTTPS, so that cookies are
	// never sent without it.
	Secure bool
	// Sandbox says that WhatsApp is emulated, which every page shows.
	Sandbox bool
	// Language gives the language that a member chose, "" for none; nil = nobody did.
	Language func(*tideline.Principal) string
	// Attribute notes in the context in whose name something is changed; nil = nowhere.
	Attribute func(context.Context, *tideline.Principal) context.Context
	// Position gives where the stream of changes is, so that a page can follow from
	// before it was read; nil = nowhere.
	Position func() string
	// Timeout bounds the work on one request; 0 = DefaultTimeout.
	Timeout time.Duration
	// Now gives the time; nil = time.Now.
	Now func() time.Time
	Log *slog.Logger // nil = none
}

// Section is a group of pages: what it embeds and its routes.
type Section struct {
	// Name is the prefix of the section's templates, assets and texts: "labels".
	Name string
	// Templates has *.html files whose templates are named "labels/…"; nil = none.
	Templates fs.FS
	// Assets has *.js, *.css and *.svg files; nil = none.
	Assets fs.FS
	// Routes adds the section's routes.
	Routes func(*Router)
}

// Kit is what pages are made with. It is safe for concurrent use.
type Kit struct {
	cfg        Config
	log        *slog.Logger
	now        func() time.Time
	catalogues text.Catalogues
	assets     *assets
	icons      map[string]template.HTML
	sources    []Section

	mu   sync.Mutex
	sets map[setKey]*template.Template
	base map[string]*template.Template // by language, never executed, only cloned
	nav  []NavItem
}

// New makes a Kit with its own templates and assets. Handler puts sections in.
func New(cfg Config) (*Kit, error) {
	if cfg.Sessions == nil || cfg.Cookie == "" {
		return nil, errors.New("make pages: Sessions and Cookie must be set")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	k := &Kit{cfg: cfg, log: cfg.Log, now: cfg.Now, sets: map[setKey]*template.Template{}}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.now == nil {
		k.now = time.Now
	}
	var err error
	if k.catalogues, err = text.Load(); err != nil {
		return nil, err
	}
	if k.icons, err = readIcons(); err != nil {
		return nil, err
	}
	return k, nil
}

// Handler gives the handler of all pages. Call it once, with all sections.
func (k *Kit) Handler(sections ...Section) (http.Handler, error) {
	k.sources = append([]Section{own()}, sections...)
	var err error
	if k.assets, err = newAssets(k.sources); err != nil {
		return nil, err
	}
	k.nav = navigation(k.cfg.Sandbox)
	if err := k.parse(); err != nil {
		return nil, err
	}
	r := &Router{kit: k, mux: http.NewServeMux()}
	r.mux.Handle("GET "+assetPath, k.assets)
	r.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		q := r.request(w, req)
		r.finish(q, r.serve(q, optional, func(*Request) error { return errMissing }))
	})
	for _, s := range k.sources {
		if s.Routes != nil {
			s.Routes(r)
		}
	}
	return k.guard(r.mux), nil
}

// guard adds what holds for every answer.
func (k *Kit) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r := &Router{kit: k}
		q := r.request(w, req)
		r.finish(q, tideline.Errorf(tideline.CodePermissionDenied, "%s", q.T("ui.error.origin")))
	}))
	checked := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), payment=(), microphone=(self)")
		h.Set("Cache-Control", "no-store")
		checked.ServeHTTP(w, req)
	})
}

// policy lets a page use our own assets and nothing else. Strings become HTML
// only through the policy of ui/dom.js.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
	"font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; " +
	"require-trusted-types-for 'script'; trusted-types tideline"

// parse makes the templates of each language.
func (k *Kit) parse() error {
	k.base = map[string]*template.Template{}
	for lang, c := range k.catalogues {
		set := template.New("").Funcs(k.funcs(c, time.UTC))
		for _, s := range k.sources {
			if s.Templates == nil {
				continue
			}
			files, err := fs.Glob(s.Templates, "*.html")
			if err == nil && len(files) == 0 {
				files, err = fs.Glob(s.Templates, "*/*.html")
			}
			if err != nil {
				return err
			}
			for _, file := range files {
				data, err := fs.ReadFile(s.Templates, file)
				if err != nil {
					return err
				}
				if _, err := set.Parse(string(data)); err != nil {
					return fmt.Errorf("read template %s of %s: %w", file, s.Name, err)
				}
			}
		}
		k.base[lang] = set
	}
	return nil
}
