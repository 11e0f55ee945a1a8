package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/text"
)

// maxSets bounds how many copies of the templates are kept, each for a language
// and time zone.
const maxSets = 64

type setKey struct{ lang, zone string }

// View is what a page's template gets.
type View struct {
	Data      any
	Principal *tideline.Principal
	Lang      string
	Nav       string
	Sandbox   bool
	Path      string // of the request
}

// frame is what the templates ui/frame and ui/bare get.
type frame struct {
	View
	Title   string
	Body    template.HTML
	Items   []NavItem
	Styles  []string
	Scripts []string
	Texts   template.JS // JSON, for ui/texts.js
	Flash   string
	Full    bool
	Zone    string
	Live    string // where the stream of changes was before the page was read
}

func (q *Request) page(status int, layout, name string, p Page) error {
	f := frame{
		View:  View{Data: p.Data, Principal: q.Principal, Lang: q.Lang(), Nav: p.Nav, Sandbox: q.kit.cfg.Sandbox, Path: q.R.URL.Path},
		Title: q.T("ui.title", "page", q.T(p.Title, p.TitleOf...)), Styles: p.Styles, Scripts: p.Scripts, Full: p.Full,
		Flash: q.takeFlash(), Zone: "UTC", Live: q.position,
	}
	if q.Principal != nil {
		f.Items = visible(q.kit.nav, q.Principal.Member.Role)
		f.Zone = q.Principal.Workspace.TimeZone
	}
	var body bytes.Buffer
	if err := q.kit.execute(&body, q, name, f.View); err != nil {
		return err
	}
	f.Body = template.HTML(body.String()) //nolint:gosec // html/template has escaped it
	section, _, _ := strings.Cut(name, "/")
	texts, err := json.Marshal(q.text.Scripts("ui", "live", section)) // escapes <, > and &
	if err != nil {
		return err
	}
	f.Texts = template.JS(texts) //nolint:gosec // JSON, see above
	var whole bytes.Buffer
	if err := q.kit.execute(&whole, q, layout, f); err != nil {
		return err
	}
	return q.html(status, whole.Bytes())
}

// execute runs a template in the request's language and time zone.
func (k *Kit) execute(w io.Writer, q *Request, name string, data any) error {
	zone := "UTC"
	if q.Principal != nil && q.Principal.Workspace.TimeZone != "" {
		zone = q.Principal.Workspace.TimeZone
	}
	set, err := k.set(setKey{q.text.Lang, zone})
	if err != nil {
		return err
	}
	if err := set.ExecuteTemplate(w, name, data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return nil
}

// set gives the templates for a language and time zone.
func (k *Kit) set(key setKey) (*template.Template, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set := k.sets[key]; set != nil {
		return set, nil
	}
	loc, err := time.LoadLocation(key.zone)
	if err != nil {
		loc = time.UTC
	}
	set, err := k.base[key.lang].Clone()
	if err != nil {
		return nil, fmt.Errorf("copy templates: %w", err)
	}
	set.Funcs(k.funcs(k.catalogues[key.lang], loc))
	if len(k.sets) >= maxSets {
		clear(k.sets)
	}
	k.sets[key] = set
	return set, nil
}

// funcs are what templates can call.
func (k *Kit) funcs(c *text.Catalogue, zone *time.Location) template.FuncMap {
	d := dates{c, zone, k.now}
	return template.FuncMap{
		"t": c.T,
		"tn": func(key string, n any, args ...any) (string, error) {
			v, err := whole(n)
			return c.N(key, v, args...), err
		},
		"num":    func(n any) (string, error) { v, err := whole(n); return c.Number(v), err },
		"asset":  func(name string) (string, error) { return k.assets.path(name) },
		"icon":   k.icon,
		"when":   d.when,
		"clock":  d.clock,
		"day":    d.day,
		"moment": d.moment,
		"dict":   dict,
		"list":   func(v ...any) []any { return v },
	}
}

func (k *Kit) icon(name string) (template.HTML, error) {
	svg, ok := k.icons[name]
	if !ok {
		return "", fmt.Errorf("there is no icon %q in ui/assets/icons.svg", name)
	}
	return svg, nil
}

// dict makes a map of names and values in turn, for templates within templates.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// whole makes an int64 of any whole number.
func whole(n any) (int64, error) {
	switch v := n.(type) {
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case int64:
		return v, nil
	case tideline.Credits:
		return int64(v), nil
	}
	return 0, fmt.Errorf("%v (%T) is no whole number", n, n)
}
