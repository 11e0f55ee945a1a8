package presence

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// lane is what goes on in an account. It is guarded by the service's lock.
type lane struct {
	workspaceID, accountID int64

	open      map[int64]*opened         // chats that are looked at, by id
	heard     []whatsapp.ComposingEvent // what contacts do, not told yet
	writers   map[tideline.JID]bool     // contacts who were told to write
	available bool                      // as WhatsApp was told
	links     int                       // connections so far: what one was told, the next does not know
	retryAt   time.Time                 // nothing is asked of the connector before
	working   bool                      // a worker is at it
	timer     *time.Timer               // for when something is due
}

// opened is a chat that is looked at.
type opened struct {
	chat      tideline.Chat
	until     time.Time
	watched   bool
	composers map[int64]composer // by member
	shown     whatsapp.Composing // as the contact was told
	shownAt   time.Time
	unread    bool  // there may be messages that are to be marked as read
	marked    int64 // id of the latest that is
}

// composer is what a member does.
type composer struct {
	doing whatsapp.Composing
	until time.Time
}

// step is something to be done without the lock. What it gives back is called with
// the lock held.
type step func(context.Context, *Service) (done func(error), err error)

func (l *lane) sleep() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// disconnect notes that nothing holds any more of what WhatsApp was told.
func (l *lane) disconnect() {
	l.links++
	l.available = false
	for _, o := range l.open {
		o.watched, o.shown = false, whatsapp.ComposingNothing
	}
}

// idle reports whether the lane is not needed any more.
func (l *lane) idle() bool {
	return len(l.open) == 0 && len(l.heard) == 0 && !l.available && !l.working
}

// wants is what a chat's contact is to be shown, and for how long at least; it
// forgets who stopped.
func (o *opened) wants(now time.Time) (c whatsapp.Composing, left time.Duration) {
	for id, by := range o.composers {
		rest := by.until.Sub(now)
		if rest <= 0 {
			delete(o.composers, id)
			continue
		}
		if c == whatsapp.ComposingNothing || by.doing == whatsapp.ComposingVoice {
			c = by.doing
		}
		if left == 0 || rest < left {
			left = rest
		}
	}
	return c, left
}

// next gives what is to be done now, or in how long something may be; 0 = only when
// something happens.
func (l *lane) next(now time.Time) (do step, due time.Duration) {
	later := func(d time.Duration) {
		if d > 0 && (due == 0 || d < due) {
			due = d
		}
	}
	if len(l.heard) > 0 {
		e := l.heard[0]
		l.heard = l.heard[1:]
		return l.tell(e), 0
	}
	for id, o := range l.open {
		if !now.Before(o.until) && o.shown == whatsapp.ComposingNothing {
			delete(l.open, id)
			continue
		}
		later(o.until.Sub(now))
	}
	if pause := l.retryAt.Sub(now); pause > 0 {
		later(pause)
		return nil, due
	}
	if !l.available && len(l.open) > 0 {
		return l.show(true), 0
	}
	for _, o := range l.open {
		if !o.watched && !o.chat.JID.IsGroup() {
			return l.watch(o), 0
		}
		if o.unread {
			return l.markRead(o), 0
		}
		if o.chat.JID.IsGroup() {
			continue
		}
		want, left := o.wants(now)
		later(left)
		since := now.Sub(o.shownAt)
		switch {
		case want == o.shown && (want == whatsapp.ComposingNothing || since < composeAgain):
			if want != whatsapp.ComposingNothing {
				later(composeAgain - since)
			}
		case want != whatsapp.ComposingNothing && since < composePause:
			later(composePause - since)
		default:
			return l.compose(o, want, now), 0
		}
	}
	if l.available && len(l.open) == 0 {
		return l.show(false), 0
	}
	return nil, due
}

// device gives the account's device: ErrOffline when it has no connection.
func (l *lane) device(ctx context.Context, s *Service) (string, error) {
	a, err := s.deps.Store.Account(ctx, l.workspaceID, l.accountID)
	if err == nil && (a.DeviceJID == "" || a.State != tideline.AccountActive) {
		err = whatsapp.ErrOffline
	}
	return a.DeviceJID, err
}

func (l *lane) show(available bool) step {
	return func(ctx context.Context, s *Service) (func(error), error) {
		device, err := l.device(ctx, s)
		if err == nil {
			err = s.deps.Connector.Available(ctx, device, available)
		}
		// What can't be taken back ended with the connection.
		return func(err error) { l.available = available && err == nil }, err
	}
}

func (l *lane) watch(o *opened) step {
	contact := tideline.Peer{JID: o.chat.JID, LID: o.chat.LID}
	if contact.JID.IsLID() {
		contact.JID = ""
	}
	return func(ctx context.Context, s *Service) (func(error), error) {
		device, err := l.device(ctx, s)
		if err == nil {
			err = s.deps.Connector.Watch(ctx, device, contact)
		}
		return func(error) { o.watched = true }, err // once a connection; it is no more than a wish
	}
}

func (l *lane) compose(o *opened, c whatsapp.Composing, now time.Time) step {
	chat := o.chat.JID
	return func(ctx context.Context, s *Service) (func(error), error) {
		device, err := l.device(ctx, s)
		if err == nil {
			err = s.deps.Connector.Compose(ctx, device, chat, c)
		}
		return func(error) { o.shown, o.shownAt = c, now }, err
	}
}

// markWindow is how many of a chat's latest received messages are looked at.
const markWindow = 30

// markRead marks what was received since the last time, the latest of it.
func (l *lane) markRead(o *opened) step {
	chat, after := o.chat, o.marked
	return func(ctx context.Context, s *Service) (func(error), error) {
		latest, err := l.sendRead(ctx, s, chat, after)
		return func(err error) {
			o.unread = false // Open says so again
			if err == nil {
				o.marked = latest
			}
		}, err
	}
}

// sendRead marks the messages of a chat with an id above after, and gives the last.
func (l *lane) sendRead(ctx context.Context, s *Service, chat tideline.Chat, after int64) (int64, error) {
	views, _, err := s.deps.Store.ChatMessages(ctx, chat.WorkspaceID, chat.ID, store.MessageFilter{FromMe: new(bool)}, store.Page{Limit: markWindow})
	if err != nil {
		return after, err
	}
	latest := after
	by := make(map[tideline.JID]*whatsapp.ReadMessages)
	var order []*whatsapp.ReadMessages
	for i := range views {
		m := &views[i].Message
		if m.ID <= after || m.WhatsAppID == "" || m.Kind == tideline.KindCall || m.Data[tideline.DataHistory] != "" {
			continue
		}
		latest = max(latest, m.ID)
		k := m.Sender.Address()
		if by[k] == nil {
			by[k] = &whatsapp.ReadMessages{Chat: chat.JID, Sender: m.Sender, At: time.Now()}
			order = append(order, by[k])
		}
		by[k].IDs = append(by[k].IDs, m.WhatsAppID)
	}
	if len(order) == 0 {
		return latest, nil
	}
	device, err := l.device(ctx, s)
	if err != nil {
		return after, err
	}
	for _, r := range order {
		if err := s.deps.Connector.MarkRead(ctx, device, *r); err != nil {
			return after, err
		}
	}
	return latest, nil
}

// tell shows the team what a contact does.
func (l *lane) tell(e whatsapp.ComposingEvent) step {
	var chat tideline.Chat
	for _, o := range l.open {
		if p := (tideline.Peer{JID: o.chat.JID, LID: o.chat.LID}); p.Is(e.Chat) {
			chat = o.chat
		}
	}
	return func(ctx context.Context, s *Service) (func(error), error) {
		nothing := func(error) {}
		if chat.ID == 0 {
			var err error
			if chat, err = s.deps.Store.ChatWith(ctx, l.workspaceID, l.accountID, e.Chat); err != nil {
				if !tideline.IsCode(err, tideline.CodeNotFound) {
					s.log.DebugContext(ctx, "chat of who writes not found", "account", l.accountID, "err", err)
				}
				return nothing, nil // it says nothing about the connector
			}
		}
		who := live.Person{Address: string(e.Sender.Address()), Name: e.Sender.Name}
		if who.Name == "" && !chat.JID.IsGroup() {
			who.Name = chat.Name
		}
		switch e.Doing {
		case whatsapp.ComposingText:
			who.Doing = live.Typing
		case whatsapp.ComposingVoice:
			who.Doing = live.Recording
		}
		s.deps.Stage.Report(live.Activity{WorkspaceID: l.workspaceID, AccountID: l.accountID, ChatID: chat.ID, Person: who})
		return nothing, nil
	}
}
