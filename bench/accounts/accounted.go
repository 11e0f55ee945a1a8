package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// account checks that each message arrived once: what programs asked for on the
// phones, and what people wrote in the database of the server, which is gone.
func (w *steadyWorld) account(ctx context.Context, database string, r *steadyResult) error {
	shown, err := w.net.Shown(ctx, w.network)
	if err != nil {
		return err
	}
	stored, err := storedOf(ctx, database)
	if err != nil {
		return fmt.Errorf("read what is stored: %w", err)
	}
	return r.judge(network.Written{Messages: len(w.requests), Digest: w.asked}, w.written, shown, stored)
}

// judge compares what programs asked for with what phones show, and what people
// wrote with what is stored.
func (r *steadyResult) judge(asked, written network.Written, shown, stored network.Shown) error {
	r.Shown, r.ShownTwice, r.Resent = shown.Messages, shown.Twice, shown.Resent
	r.Stored, r.StoredTwice = stored.Messages, stored.Twice
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	check(shown.Messages == asked.Messages && shown.Digest == asked.Digest, "phones show %d messages, and programs asked for %d; they are not the same", shown.Messages, asked.Messages)
	check(shown.Twice == 0, "phones show %d messages twice", shown.Twice)
	check(stored.Messages == written.Messages && stored.Digest == written.Digest, "%d messages of people are stored, and they wrote %d; they are not the same", stored.Messages, written.Messages)
	check(stored.Twice == 0, "%d messages of people are stored twice", stored.Twice)
	check(r.Failed == 0, "%d messages failed", r.Failed)
	check(r.LogLines == 0, "the server's log has %d warnings and errors", r.LogLines)
	r.Wrong = len(wrong)
	return errors.Join(wrong...)
}

// storedOf reads the messages of people from a database.
func storedOf(ctx context.Context, database string) (s network.Shown, err error) {
	st, err := sqlstore.Open(ctx, sqlstore.Options{Database: database, Conns: 2})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	ws, err := st.WorkspaceBySlug(ctx, slug)
	if err != nil {
		return s, err
	}
	const page = 1000
	for offset := 0; ; offset += page {
		chats, more, err := st.ListChats(ctx, ws.ID, store.ChatFilter{}, store.Page{Offset: offset, Limit: page})
		if err != nil {
			return s, err
		}
		for i := range chats {
			if err := addStored(ctx, st, ws.ID, chats[i].Chat.ID, &s); err != nil {
				return s, err
			}
		}
		if !more {
			return s, nil
		}
	}
}

// addStored adds those of one chat.
func addStored(ctx context.Context, st *sqlstore.Store, workspace, chat int64, s *network.Shown) error {
	const page = 1000
	seen := make(map[string]bool)
	for offset := 0; ; offset += page {
		list, more, err := st.ChatMessages(ctx, workspace, chat, store.MessageFilter{}, store.Page{Offset: offset, Limit: page})
		if err != nil {
			return err
		}
		for i := range list {
			m := &list[i].Message
			switch {
			case m.FromMe || m.Origin != tideline.OriginWhatsApp:
			case seen[m.Text]:
				s.Twice++
			default:
				seen[m.Text] = true
				s.Messages++
				s.Digest = s.Digest.With(string(m.Sender.Phone()), string(list[i].Account.Phone), m.Text)
			}
		}
		if !more {
			return nil
		}
	}
}
