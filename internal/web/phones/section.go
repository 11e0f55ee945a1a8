// Package phones is the customers' side of a sandbox: their phones, to be used as
// their owners would, and what can be made to go wrong between them and the
// server. It exists only in a sandbox, where it is the demonstration.
package phones

import (
	"context"
	"embed"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// World is the emulated network, as the page uses it. Numbers are in
// international form. Errors are in words for people; scene names those that
// matter here.
type World interface {
	// Changes counts what has changed, and gives a channel that is closed at the
	// next change.
	Changes() (count uint64, next <-chan struct{})
	Now() time.Time
	Phones() []scene.Phone
	Groups() []scene.Group
	Messages(number string) ([]scene.Message, error)
	Notes(number string) ([]scene.Note, error)
	File(number, message string) (data []byte, mime string, err error)
	Faults() []scene.Fault
	Pairings() []scene.Pairing

	SavePhone(ctx context.Context, p scene.Phone) error
	Send(ctx context.Context, number string, d scene.Draft) (id string, err error)
	React(ctx context.Context, number, message, emoji string) error
	Edit(ctx context.Context, number, message, text string) error
	Delete(ctx context.Context, number, message string) error
	Read(ctx context.Context, number, message string) error
	Type(number, to, state string) error
	SetOnline(number string, online bool) error
	Ring(ctx context.Context, number, to string, video bool) error
	CreateGroup(ctx context.Context, number, subject string, members []string) (jid string, err error)
	Unlink(ctx context.Context, number string, device int) error
	Scan(ctx context.Context, number, pairing string) error
	EnterCode(ctx context.Context, number, code string) error

	SetFault(f scene.Fault) error
	ClearFaults(ids ...string)
	Limit(ctx context.Context, number string, d time.Duration) error
	AdvanceClock(d time.Duration)
}

// Deps is what the section works with.
type Deps struct{ World World }

var (
	//go:embed templates/*.html
	templates embed.FS
	//go:embed assets/*
	assets embed.FS
)

// New makes the section. Mount it in a sandbox only: everybody who is signed in
// may use every phone.
func New(d Deps) ui.Section {
	s := &section{world: d.World}
	return ui.Section{
		Name:      "phones",
		Templates: ui.Sub(templates, "templates"),
		Assets:    ui.Sub(assets, "assets"),
		Routes:    s.routes,
	}
}

type section struct{ world World }

func (s *section) routes(r *ui.Router) {
	r.Handle("GET /phones", s.first)
	r.Handle("POST /phones", s.add)
	r.Handle("GET /phones/{number}", s.show)
	r.Handle("GET /phones/{number}/world", s.watch)
	r.Handle("GET /phones/{number}/files/{message}", s.file)
	r.Handle("POST /phones/{number}/settings", s.settings)
	r.Raw("POST /phones/{number}/messages", s.send)
	r.Handle("POST /phones/{number}/react", s.react)
	r.Handle("POST /phones/{number}/delete", s.remove)
	r.Handle("POST /phones/{number}/read", s.read)
	r.Handle("POST /phones/{number}/typing", s.typing)
	r.Handle("POST /phones/{number}/call", s.call)
	r.Handle("POST /phones/{number}/scan", s.scan)
	r.Handle("POST /phones/{number}/code", s.code)
	r.Handle("POST /phones/{number}/unlink", s.unlink)
	r.Handle("POST /phones/{number}/groups", s.group)
	r.Handle("POST /phones/{number}/fault", s.fault)
	r.Handle("POST /phones/{number}/heal", s.heal)
	r.Handle("POST /phones/{number}/clock", s.clock)
}
