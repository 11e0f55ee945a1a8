// Package live is the stream by which open pages follow what changes, as
// server-sent events, and the script that reads it.
//
// GET /live answers with one event per notice:
//
//	id: k3f9x2ab7q.1234
//	data: {"kind":"message","account":1,"chat":2,"message":3}
//
// and with {"kind":"typing","chat":2,"people":[…]}, which has no id. The event
// "hello" begins a stream, "beat" comes every 20 seconds as a sign of life, and
// "signedout" ends the stream when the session has ended.
// Who comes back names the last id, in Last-Event-ID or ?after=.
package live

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	feed "github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

//go:embed assets
var assets embed.FS

// Hub tells what changed, see package live of the services.
type Hub interface {
	Subscribe(feed.Subscriber) *feed.Subscription
	Position() string
	Report(feed.Activity)
}

// Team says which chats a member may see; nil = all.
type Team interface {
	Viewer(ctx context.Context, p *tideline.Principal) (*store.Viewer, error)
}

// Chats finds chats, see store.Chats.
type Chats interface {
	Chat(ctx context.Context, workspaceID, chatID int64) (tideline.Chat, error)
}

// Presence carries what members do in a chat on to its contact, and asks for what
// the contact does. Its calls don't wait for WhatsApp, and nothing depends on
// whether they succeed.
type Presence interface {
	// Open says that a member has the chat open, which the pages repeat while they do.
	Open(chat tideline.Chat)
	// Compose says whether a member is writing or recording in the chat.
	Compose(chat tideline.Chat, memberID int64, doing feed.Doing)
}

// Deps are what the section needs.
type Deps struct {
	Hub      Hub
	Team     Team
	Chats    Chats
	Presence Presence // nil = contacts neither see nor show anything
	Log      *slog.Logger
	// Beat is the time between signs of life; 0 = 20 s.
	Beat time.Duration
	// Streams is how many streams a member may have open; 0 = 24.
	Streams int
}

const (
	defaultBeat    = 20 * time.Second
	defaultStreams = 24
)

// section is the state behind the routes.
type section struct {
	Deps

	mu   sync.Mutex
	open map[int64]int // streams by member
}

// New makes the section.
func New(d Deps) ui.Section {
	if d.Beat == 0 {
		d.Beat = defaultBeat
	}
	if d.Streams == 0 {
		d.Streams = defaultStreams
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	s := &section{Deps: d, open: make(map[int64]int)}
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return ui.Section{Name: "live", Assets: files, Routes: func(r *ui.Router) {
		r.Raw("GET /live", s.stream)
		r.Handle("GET /live/state", func(q *ui.Request) error {
			return q.JSON(200, map[string]string{"position": s.Hub.Position()})
		})
		r.Handle("POST /live/typing", s.typing)
	}}
}

// enter counts a stream of a member; false when there are too many.
func (s *section) enter(memberID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[memberID] >= s.Streams {
		return false
	}
	s.open[memberID]++
	return true
}

func (s *section) leave(memberID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[memberID]--; s.open[memberID] == 0 {
		delete(s.open, memberID)
	}
}
