// Package inbox is where people answer: the list of chats, a conversation, and
// what a member does in it.
//
// Its pages are whole without a script. With it, the list fetches the windows
// that are looked at, a conversation is put in place of another without loading
// the page again, and what others do appears by itself.
//
// What a member may not see is not found here, whoever named it; see
// team.Service.Viewer.
package inbox

import (
	"context"
	"embed"
	"io"
	"log/slog"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/*
var assets embed.FS

// Storage is what the section reads by itself.
type Storage interface {
	store.Chats
	store.ChatCounts
	ListLabels(ctx context.Context, workspaceID int64) ([]tideline.Label, error)
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
	ListMembers(ctx context.Context, workspaceID int64) ([]tideline.Member, error)
	MessageByUID(ctx context.Context, workspaceID int64, uid string) (store.MessageView, error)
	ChatMessages(ctx context.Context, workspaceID, chatID int64, f store.MessageFilter, p store.Page) ([]store.MessageView, bool, error)
	PlaceOf(ctx context.Context, workspaceID, messageID int64) (store.Place, error)
}

// Messages sends: *message.Service.
type Messages interface {
	Send(ctx context.Context, p *tideline.Principal, r message.SendRequest) (message.Receipt, error)
	React(ctx context.Context, p *tideline.Principal, uid, emoji string) (store.MessageView, error)
}

// Files keeps what is sent along: *file.Service.
type Files interface {
	Upload(ctx context.Context, p *tideline.Principal, u file.Upload) (tideline.File, error)
	KeepVoice(ctx context.Context, p *tideline.Principal, u file.Upload) (file.Recording, error)
	Withdraw(ctx context.Context, f tideline.File) error
	ByUID(ctx context.Context, p *tideline.Principal, uid string) (tideline.File, error)
	Open(ctx context.Context, f tideline.File) (io.ReadSeekCloser, error)
	Delete(ctx context.Context, p *tideline.Principal, uid string) error
}

// Team is what members do with chats: *team.Service.
type Team interface {
	Viewer(ctx context.Context, p *tideline.Principal) (*store.Viewer, error)
	ChangeChat(ctx context.Context, p *tideline.Principal, chatID int64, c team.ChatChange) (store.ChatView, error)
	PutLabels(ctx context.Context, p *tideline.Principal, chatID int64, labels []string, replace bool) ([]string, error)
	AddNote(ctx context.Context, p *tideline.Principal, chatID int64, text string, private bool) (string, error)
	ChatHistory(ctx context.Context, p *tideline.Principal, chatID, past int64, limit int) ([]tideline.AuditEntry, bool, error)
	SearchTemplates(ctx context.Context, p *tideline.Principal, query string) ([]team.Template, error)
	CountUse(ctx context.Context, p *tideline.Principal, id int64) error
}

// Deps is what the section works with. All but Log and Now are required.
type Deps struct {
	Storage  Storage
	Messages Messages
	Files    Files
	Team     Team
	Log      *slog.Logger     // nil = none
	Now      func() time.Time // nil = time.Now
}

type section struct {
	Deps
}

// New makes the section.
func New(d Deps) ui.Section {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &section{d}
	return ui.Section{Name: "inbox", Templates: ui.Sub(templates, "templates"), Assets: ui.Sub(assets, "assets"), Routes: s.routes}
}

func (s *section) routes(r *ui.Router) {
	r.Handle("GET /inbox", s.page)
	r.Handle("GET /inbox/{chat}", s.page)
	r.Handle("GET /inbox/rows", s.rows)
	r.Handle("GET /inbox/tally", s.tally)

	r.Handle("GET /inbox/{chat}/conversation", s.conversation)
	r.Handle("GET /inbox/{chat}/messages", s.messages)
	r.Handle("GET /inbox/{chat}/panel", s.panel)

	r.Handle("POST /inbox/{chat}/send", s.send)
	r.Handle("POST /inbox/{chat}/note", s.note)
	r.Handle("POST /inbox/{chat}/read", s.read)
	r.Handle("POST /inbox/{chat}/change", s.change)
	r.Handle("POST /inbox/{chat}/labels", s.labels)
	r.Handle("POST /inbox/{chat}/messages/{uid}/react", s.react)
	r.Handle("POST /inbox/{chat}/messages/{uid}/again", s.again)
	r.Handle("POST /inbox/new", s.begin)

	r.Handle("GET /inbox/templates", s.listTemplates)
	r.Handle("POST /inbox/templates/{id}/used", s.templateUsed)

	r.Raw("POST /inbox/{chat}/voice", s.voice)
	r.Raw("POST /inbox/upload", s.upload)
	r.Handle("POST /inbox/upload/{uid}/discard", s.discard)
	r.Raw("GET /media/{uid}", s.media)
}
