package presence

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Storage is what the service needs of store.Store.
type Storage interface {
	Account(ctx context.Context, workspaceID, accountID int64) (tideline.Account, error)
	ChatWith(ctx context.Context, workspaceID, accountID int64, peer tideline.Peer) (tideline.Chat, error)
	ChatMessages(ctx context.Context, workspaceID, chatID int64, f store.MessageFilter, p store.Page) ([]store.MessageView, bool, error)
}

// Stage is where the team sees who does something, see live.Hub.
type Stage interface {
	Report(live.Activity)
}

// Deps are the rooms that the service works with.
type Deps struct {
	Store     Storage
	Connector whatsapp.Presencer
	Stage     Stage
	Logger    *slog.Logger // nil: silent
	// Held reports whether the account is this node's now; nil: all are. What is said of
	// others is passed over: say it to the node that holds them. It must not block.
	Held func(accountID int64) bool
}

const (
	// lookLife is for how long somebody is taken to look at a chat who said so. Pages
	// say it every 30 seconds.
	lookLife = 70 * time.Second
	// composeLife is the same of who writes; pages say it every three seconds.
	composeLife = 7 * time.Second
	// composePause is the shortest time between two reports to a contact that
	// somebody writes, and composeAgain that after which it is repeated: phones
	// believe it for about 25 seconds.
	composePause = 3 * time.Second
	composeAgain = 10 * time.Second
	// retryAfter is the pause after a connector that could not do something.
	retryAfter = 10 * time.Second
	// callTimeout bounds a call of the connector or storage.
	callTimeout = 10 * time.Second

	maxHeard   = 64  // reports of contacts that wait, of one account; more are lost
	maxWriters = 256 // contacts of one account who write at the same time
	maxOpen    = 500 // chats that are looked at, of one account; more are not watched
)

// Service carries presence between pages and WhatsApp. Its methods don't wait for
// either. Run must run for anything to happen.
type Service struct {
	deps Deps
	log  *slog.Logger

	mu    sync.Mutex
	ctx   context.Context // of the workers; nil until Run, and after it
	lanes map[int64]*lane // by account
	work  sync.WaitGroup
}

// New makes a Service.
func New(d Deps) *Service {
	s := &Service{deps: d, log: d.Logger, lanes: make(map[int64]*lane)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	for _, l := range s.lanes {
		s.kick(l) //nolint:contextcheck // the context is the one above
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil
	for _, l := range s.lanes {
		l.sleep()
	}
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// Open says that a member has a chat on screen, so that what is in it is read. It is
// to be repeated while that lasts, and at once when something new came.
func (s *Service) Open(chat tideline.Chat) {
	if s.deps.Held != nil && !s.deps.Held(chat.AccountID) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lane(chat.WorkspaceID, chat.AccountID)
	o := l.open[chat.ID]
	if o == nil {
		if len(l.open) >= maxOpen {
			return
		}
		o = &opened{composers: make(map[int64]composer)}
		l.open[chat.ID] = o
	}
	o.chat, o.until, o.unread = chat, time.Now().Add(lookLife), true
	s.kick(l)
}

// Compose says what a member does in a chat that is open.
func (s *Service) Compose(chat tideline.Chat, memberID int64, doing live.Doing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[chat.AccountID]
	if l == nil || l.open[chat.ID] == nil {
		return
	}
	o := l.open[chat.ID]
	switch doing {
	case live.Typing:
		o.composers[memberID] = composer{whatsapp.ComposingText, time.Now().Add(composeLife)}
	case live.Recording:
		o.composers[memberID] = composer{whatsapp.ComposingVoice, time.Now().Add(composeLife)}
	default:
		delete(o.composers, memberID)
	}
	s.kick(l)
}

// Composing tells what a contact does in a chat with an account. Whoever sends a
// message has stopped writing it.
func (s *Service) Composing(workspaceID, accountID int64, e whatsapp.ComposingEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := e.Sender.Address()
	if l := s.lanes[accountID]; e.Doing == whatsapp.ComposingNothing && (l == nil || !l.writers[who]) {
		return
	}
	l := s.lane(workspaceID, accountID)
	if len(l.heard) >= maxHeard {
		return
	}
	l.heard = append(l.heard, e)
	if e.Doing == whatsapp.ComposingNothing {
		delete(l.writers, who)
	} else {
		if len(l.writers) >= maxWriters {
			clear(l.writers) // those end by themselves, a moment later
		}
		l.writers[who] = true
	}
	s.kick(l)
}

// Connected says that an account has a new connection, in which nothing of what was
// shown before holds.
func (s *Service) Connected(accountID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[accountID]
	if l == nil {
		return
	}
	l.disconnect()
	l.retryAt = time.Time{}
	s.kick(l)
}

// Yielded says that another node holds an account from now on: what is known of who
// looks and writes there is forgotten, and nothing more is asked of the connector.
func (s *Service) Yielded(accountID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[accountID]
	if l == nil {
		return
	}
	l.disconnect()
	clear(l.open)
	clear(l.writers)
	l.heard = nil
	l.sleep()
	if !l.working { // else whoever works at it does so
		delete(s.lanes, accountID)
	}
}

// lane gives the lane of an account; mu is held.
func (s *Service) lane(workspaceID, accountID int64) *lane {
	l := s.lanes[accountID]
	if l == nil {
		l = &lane{workspaceID: workspaceID, accountID: accountID, open: make(map[int64]*opened), writers: make(map[tideline.JID]bool)}
		s.lanes[accountID] = l
	}
	return l
}

// kick has a lane looked at; mu is held.
func (s *Service) kick(l *lane) {
	if l.working || s.ctx == nil {
		return
	}
	l.sleep()
	l.working = true
	ctx := s.ctx
	s.work.Go(func() { s.run(ctx, l) })
}

// run does what is due for a lane, one thing after another.
func (s *Service) run(ctx context.Context, l *lane) {
	for {
		s.mu.Lock()
		step, due := l.next(time.Now())
		if step == nil || ctx.Err() != nil {
			l.working = false
			if l.idle() {
				delete(s.lanes, l.accountID)
			} else if due > 0 && s.ctx != nil {
				l.timer = time.AfterFunc(due, func() { //nolint:contextcheck // the service has it
					s.mu.Lock()
					defer s.mu.Unlock()
					s.kick(l)
				})
			}
			s.mu.Unlock()
			return
		}
		link := l.links
		s.mu.Unlock()
		call, cancel := context.WithTimeout(ctx, callTimeout)
		done, err := step(call, s)
		cancel()
		s.mu.Lock()
		if err != nil {
			s.log.DebugContext(ctx, "presence not carried on", "account", l.accountID, "err", err)
		}
		if link == l.links {
			if err != nil {
				l.retryAt = time.Now().Add(retryAfter)
			}
			done(err)
		}
		s.mu.Unlock()
	}
}
