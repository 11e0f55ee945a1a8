// Package inbox takes in what comes from WhatsApp: it stores messages and what
// changes them before WhatsApp is answered, and fetches their attachments
// afterwards, in the background. What a phone remembers when it is paired is
// noted before WhatsApp is answered, too, and read in the background.
//
// It keeps four things true:
//
//   - A message whose Receive returned nil is on disk; one that comes again is
//     recognised.
//   - An attachment is fetched until it is there or can't be had any more, and
//     its message says which.
//   - A history is read until all of it is stored or can't be had any more. It is
//     never news.
//   - Nothing that is received is trusted: texts are made storable, sizes are
//     bounded, types are told from the bytes.
//
// That the team has read something is never told to WhatsApp from here.
package inbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Storage is what this room needs from store.Store.
type Storage interface {
	store.Receiver
	store.Downloads
	store.Histories
	Account(ctx context.Context, workspaceID, accountID int64) (tideline.Account, error)
}

// Connector is what this room needs from whatsapp.Connector.
type Connector interface {
	Fetch(ctx context.Context, device string, ref []byte, limit int64, w io.Writer) error
	History(ctx context.Context, device string, ref []byte, take func(context.Context, whatsapp.HistoryPart) error) error
}

// Files keeps bytes; *file.Service is one.
type Files interface {
	KeepReceived(ctx context.Context, in file.Received) (tideline.File, error)
	Discard(ctx context.Context, f tideline.File)
}

// Looker is told that there are chats of which little is known. It must not block.
type Looker interface {
	Wake()
}

// Queue is told that a message was said in a chat, so that first messages to it
// need not wait any more. It must not block.
type Queue interface {
	Answered(accountID, chatID int64)
}

// Deps are what a Service works with; all but Looker, Queue and Logger are required.
type Deps struct {
	Store     Storage
	Connector Connector
	Files     Files
	Looker    Looker       // nil = nobody is told
	Queue     Queue        // nil = nobody is told
	Logger    *slog.Logger // nil = silent
	Shared    *Shared      // nil = the work of all accounts is this service's
}

// Config tunes a Service. The zero value is good.
type Config struct {
	MaxFileBytes int64         // of an attachment; 100 MiB when zero
	Workers      int           // attachments fetched at the same time; 4 when zero
	FetchTimeout time.Duration // of one attempt; 5 minutes when zero
	// RetryFirst is the pause after the first failed attempt; it doubles up to
	// RetryMax. 5 s and 30 min when zero.
	RetryFirst, RetryMax time.Duration
	// GiveUp is how long after it was sent an attachment is tried; 7 days when
	// zero. WhatsApp keeps files for a few weeks, a phone perhaps for ever.
	GiveUp time.Duration
	// Poll is how often Run looks for downloads that another process added; a
	// minute when zero.
	Poll time.Duration
	// PastMedia is up to which age attachments of a phone's history are fetched, 7
	// days when zero: of older ones WhatsApp has fewer and fewer, and a phone that is
	// paired can remember thousands.
	PastMedia time.Duration
}

func (c Config) withDefaults() Config {
	return Config{
		MaxFileBytes: cmp.Or(c.MaxFileBytes, 100<<20),
		Workers:      cmp.Or(c.Workers, 4),
		FetchTimeout: cmp.Or(c.FetchTimeout, 5*time.Minute),
		RetryFirst:   cmp.Or(c.RetryFirst, 5*time.Second),
		RetryMax:     cmp.Or(c.RetryMax, 30*time.Minute),
		GiveUp:       cmp.Or(c.GiveUp, 7*24*time.Hour),
		Poll:         cmp.Or(c.Poll, time.Minute),
		PastMedia:    cmp.Or(c.PastMedia, 7*24*time.Hour),
	}
}

// Service takes in what comes. It is safe for concurrent use.
type Service struct {
	deps Deps
	cfg  Config
	log  *slog.Logger
	wake chan struct{} // holds an element when there may be something to fetch

	past chan struct{} // holds an element when there may be a history to read
}

// New makes a Service. Attachments are fetched while Run runs.
func New(d Deps, cfg Config) *Service {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{deps: d, cfg: cfg.withDefaults(), log: d.Logger, wake: make(chan struct{}, 1), past: make(chan struct{}, 1)}
}

// Receive stores what came in for an account. After nil it is on disk. What can
// never be stored is dropped, with a line in the log, because WhatsApp would send
// it for ever. Errors: not_found (the account is gone).
func (s *Service) Receive(ctx context.Context, workspaceID, accountID int64, m whatsapp.Inbound) error {
	r, err := reception(workspaceID, accountID, m, time.Now())
	if err != nil {
		return err
	}
	if r == nil {
		s.log.WarnContext(ctx, "dropped what has no chat, id or content", "account", accountID, "message", m.ID)
		return nil
	}
	got, err := s.deps.Store.Receive(ctx, *r)
	if err != nil {
		return err
	}
	s.log.DebugContext(ctx, "received", "account", accountID, "chat", got.ChatID, "message_uid", got.UID, "duplicate", got.Duplicate)
	if (got.NewChat || got.Unnamed) && s.deps.Looker != nil {
		s.deps.Looker.Wake()
	}
	if r.Message != nil && s.deps.Queue != nil {
		s.deps.Queue.Answered(accountID, got.ChatID) // after the commit, so that the queue sees it
	}
	if r.Message != nil && r.Message.Media != nil && !got.Duplicate {
		s.rouse()
	}
	return nil
}

// rouse lets Run look for something to fetch.
func (s *Service) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// reception turns what the connector saw into what is stored; nil when nothing
// can be.
func reception(workspaceID, accountID int64, m whatsapp.Inbound, now time.Time) (*store.Reception, error) {
	if m.At.IsZero() || m.At.Unix() == 0 {
		m.At = now
	}
	r := &store.Reception{
		WorkspaceID: workspaceID, AccountID: accountID, FromMe: m.FromMe, At: m.At, ReceivedAt: now,
		Chat: cleanPeer(m.Chat), Sender: cleanPeer(m.Sender),
	}
	if r.Chat.Address() == "" || !m.FromMe && r.Sender.Address() == "" {
		return nil, nil
	}
	target := ""
	switch {
	case m.Content != nil || m.Call != nil:
		uid, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("draw message uid: %w", err)
		}
		if r.Message = message(m); r.Message == nil {
			return nil, nil
		}
		r.Message.UID = uid.String()
		target = r.Message.WhatsAppID
	case m.Reaction != nil:
		target = clean(m.Reaction.MessageID)
		r.Reaction = &store.NewReaction{Target: target, Emoji: shorten(clean(m.Reaction.Emoji), maxEmoji), At: m.Reaction.At}
		if r.Reaction.At.IsZero() {
			r.Reaction.At = m.At
		}
	case m.Edit != nil:
		target = clean(m.Edit.MessageID)
		r.Edit = &store.NewEdit{Target: target, Text: shorten(clean(m.Edit.Text), maxText)}
	case m.Delete != nil:
		target = clean(m.Delete.MessageID)
		r.Delete = &store.NewDeletion{Target: target}
	}
	if target == "" || len(target) > maxID {
		return nil, nil
	}
	return r, nil
}

// Bounds of what is stored, in characters; WhatsApp's own are lower or the same.
const (
	maxText  = 65536
	maxEmoji = 50
	maxData  = 65536
	maxID    = 256 // bytes
)

// message gives the message of a content or a call.
func message(m whatsapp.Inbound) *store.NewInbound {
	if c := m.Call; c != nil {
		in := &store.NewInbound{WhatsAppID: clean(m.ID), Kind: tideline.KindCall, Status: c.Status, Data: map[string]string{}}
		if c.Video {
			in.Data[tideline.DataVideo] = "true"
		}
		if c.Duration > 0 {
			in.Data[tideline.DataDuration] = strconv.FormatInt(int64(c.Duration/time.Second), 10)
		}
		return in
	}
	c := m.Content
	in := &store.NewInbound{
		WhatsAppID: clean(m.ID), Kind: c.Kind, Text: shorten(clean(c.Text), maxText), ReplyTo: shorten(clean(c.ReplyTo), maxID),
	}
	for key, value := range c.Data {
		if in.Data == nil {
			in.Data = make(map[string]string, len(c.Data))
		}
		in.Data[key] = shorten(clean(value), maxData)
	}
	if f := c.Media; f != nil {
		in.Media = &store.NewMedia{Name: shorten(clean(f.Name), file.MaxName), MIMEType: shorten(clean(f.MIMEType), file.MaxContentType),
			Size: max(0, f.Size), Ref: f.Ref}
	}
	return in
}

func cleanPeer(p tideline.Peer) tideline.Peer {
	p.Name = tideline.CleanName(p.Name)
	return p
}

// clean makes a text that a database takes: valid UTF-8 without U+0000.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// shorten cuts a text to at most n characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
