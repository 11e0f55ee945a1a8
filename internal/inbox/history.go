package inbox

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	// readTimeout bounds one attempt at a chunk of a history.
	readTimeout = 30 * time.Minute
	// pastGiveUp is how long a chunk is tried. WhatsApp keeps one for about as long.
	pastGiveUp = 14 * 24 * time.Hour
	// pastAttempts is after how many attempts a chunk that can't be read is believed
	// to be so at WhatsApp, and not on the way.
	pastAttempts = 3
)

// History notes a chunk of a phone's history, which Run reads. After nil the note
// is on disk. Errors: not_found (the account is gone).
func (s *Service) History(ctx context.Context, workspaceID, accountID int64, c whatsapp.HistoryChunk) error {
	err := s.deps.Store.PutHistoryChunk(ctx, store.HistoryChunk{
		WorkspaceID: workspaceID, AccountID: accountID, Chunk: c.ID, Ref: c.Ref, AnnouncedAt: time.Now(),
	})
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "history announced", "account", accountID, "order", c.Order, "progress", c.Progress, "bytes", len(c.Ref))
	s.rousePast()
	return nil
}

// rousePast lets Run look for a history to read.
func (s *Service) rousePast() {
	select {
	case s.past <- struct{}{}:
	default:
	}
}

// readHistories reads chunks until ctx ends, one at a time: they are large, and
// nobody waits for them.
func (s *Service) readHistories(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.past:
		case <-tick.C:
		}
		pause := s.cfg.Poll
		if next, err := s.readDue(ctx); err != nil {
			if ctx.Err() == nil {
				s.log.ErrorContext(ctx, "look for histories to read; trying again", "err", err)
			}
			pause = min(pause, s.cfg.RetryFirst)
		} else if !next.IsZero() {
			pause = min(pause, max(0, time.Until(next)))
		}
		tick.Reset(pause)
	}
}

// readDue reads all that is due and says when something is due next; zero when
// nothing is.
func (s *Service) readDue(ctx context.Context) (time.Time, error) {
	var now time.Time
	for skip := 0; ctx.Err() == nil; {
		now = time.Now()
		var c store.HistoryChunk
		var found bool
		var err error
		c, skip, found, err = s.dueChunk(ctx, now, skip)
		if err != nil {
			return time.Time{}, err
		}
		if !found {
			break
		}
		if err := s.readChunk(ctx, c); err != nil {
			return time.Time{}, err
		}
	}
	return s.nextChunk(ctx, now)
}

// readChunk makes one attempt at a chunk and notes how it ended. The error is
// storage's. An attempt that was interrupted stores again what it stored before,
// which changes nothing.
func (s *Service) readChunk(ctx context.Context, c store.HistoryChunk) error {
	attempt, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	messages, chats := 0, 0
	var storage error
	err := whatsapp.ErrOffline
	switch {
	case c.Removed:
		err = nil
	case c.DeviceJID != "":
		err = s.deps.Connector.History(attempt, c.DeviceJID, c.Ref, func(ctx context.Context, p whatsapp.HistoryPart) error {
			got, err := s.keepPart(ctx, c, p)
			messages, chats, storage = messages+got.Messages, chats+got.NewChats, err
			return err
		})
	}
	if tideline.IsCode(err, tideline.CodeNotFound) {
		err, storage = nil, nil // the account was removed meanwhile
	}
	if err == nil {
		s.log.InfoContext(ctx, "history read", "account", c.AccountID, "messages", messages, "chats", chats)
		return gone(s.deps.Store.FinishHistoryChunk(ctx, c.WorkspaceID, c.ID, time.Now(), ""))
	}
	if ctx.Err() != nil {
		return nil // the server stops
	}
	final := errors.Is(err, whatsapp.ErrMediaGone) || errors.Is(err, whatsapp.ErrMediaTooLarge) ||
		errors.Is(err, whatsapp.ErrMediaBroken) && c.Attempts+1 >= pastAttempts
	if storage == nil && final || time.Since(c.AnnouncedAt) > pastGiveUp {
		s.log.WarnContext(ctx, "history given up", "account", c.AccountID, "attempts", c.Attempts+1, "messages", messages, "err", err)
		return gone(s.deps.Store.FinishHistoryChunk(ctx, c.WorkspaceID, c.ID, time.Now(), err.Error()))
	}
	first, pause := s.cfg.RetryFirst, s.cfg.RetryMax
	switch {
	case c.DeviceJID == "": // logged out, perhaps for long: it waits without a stir
	case errors.Is(err, whatsapp.ErrOffline):
		// After a start the account will be there in a moment.
		first, pause = min(first, time.Second), offlinePause
	default:
		s.log.InfoContext(ctx, "history not read yet", "account", c.AccountID, "attempts", c.Attempts+1, "err", err)
	}
	if c.Attempts < 20 {
		pause = min(pause, first<<c.Attempts)
	}
	return gone(s.deps.Store.PostponeHistoryChunk(ctx, c.WorkspaceID, c.ID, time.Now().Add(pause), err.Error()))
}

// keepPart stores a part of a chunk.
func (s *Service) keepPart(ctx context.Context, c store.HistoryChunk, p whatsapp.HistoryPart) (store.HistoryReceived, error) {
	h := store.History{WorkspaceID: c.WorkspaceID, AccountID: c.AccountID}
	for _, peer := range p.Contacts {
		h.Contacts = append(h.Contacts, cleanPeer(peer))
	}
	now := time.Now()
	media := false
	for _, chat := range p.Chats {
		one := store.HistoryChat{Unread: chat.Unread}
		for _, e := range chat.Entries {
			e.Chat = chat.Peer
			r, err := reception(c.WorkspaceID, c.AccountID, e.Inbound, now)
			if err != nil {
				return store.HistoryReceived{}, err
			}
			if r == nil {
				continue
			}
			if m := r.Message; m != nil {
				if r.FromMe {
					m.Status = e.Status
				}
				s.skipOld(m, r.At, now)
				media = media || m.Media != nil
			}
			one.Receptions = append(one.Receptions, *r)
		}
		if len(one.Receptions) > 0 {
			h.Chats = append(h.Chats, one)
		}
	}
	got, err := s.deps.Store.ReceiveHistory(ctx, h)
	if err != nil {
		return got, err
	}
	if got.NewChats > 0 && s.deps.Looker != nil {
		s.deps.Looker.Wake()
	}
	if media {
		s.rouse()
	}
	return got, nil
}

// skipOld lets go of an attachment that is too old to be fetched unasked; the
// message says so.
func (s *Service) skipOld(m *store.NewInbound, sent, now time.Time) {
	if m.Media == nil || now.Sub(sent) <= s.cfg.PastMedia {
		return
	}
	m.Media = nil
	data := maps.Clone(m.Data)
	if data == nil {
		data = make(map[string]string, 1)
	}
	data[tideline.DataAttachment] = string(tideline.AttachmentSkipped)
	m.Data = data
}
