package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// eventLock names the lock that orders the log of events on PostgreSQL. Many
// transactions append at the same time, and one with a smaller id may commit
// after one with a larger. Each shares the lock from before it draws ids until
// its commit. Who wants to read to the end takes it alone for a moment: all ids
// that are drawn are then decided, so nothing can appear below the largest that
// is there. Appending stays parallel, and a transaction of another program
// that stays open for hours holds nothing back, as it would if the readers went
// by transaction ids.
const eventLock = 7_145_270_007

// emit notes an event, which is written when the transaction is about to commit
// (see flush). It takes no lock, so it may be called anywhere in a transaction;
// what a savepoint undoes takes its events along. ID and UID are drawn here.
func (t *tx) emit(e tideline.Event) { t.events = append(t.events, e) }

var insertEvents = newInsert(`events (uid, workspace_id, kind, at, account_id, chat_id, message_id, member_id, detail)`,
	"(?, ?, ?, ?, ?, ?, ?, ?, ?)", "")

// flush writes the noted events, in order. It comes last in every transaction:
// the lock that it shares is the last in the lock order.
func (t *tx) flush(ctx context.Context) error {
	if len(t.events) == 0 {
		return nil
	}
	if t.d == dialectPostgres {
		if err := t.later(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, int64(eventLock)); err != nil {
			return err
		}
	}
	args := make([]any, 0, len(t.events)*insertEvents.cols)
	for i := range t.events {
		e := &t.events[i]
		uid, err := uuid.NewV7()
		if err != nil {
			return err
		}
		detail, err := encodeDetail(&e.Detail)
		if err != nil {
			return err
		}
		args = append(args, uid.String(), e.WorkspaceID, string(e.Kind), e.At.UnixMilli(), orNull(e.AccountID), orNull(e.ChatID),
			orNull(e.MessageID), orNull(e.MemberID), detail)
	}
	return t.execAll(ctx, insertEvents, args)
}

// OnEvents implements store.Events.
func (s *Store) OnEvents(fn func()) { s.onEvents = fn }

// wroteEvents tells of events that are committed.
func (s *Store) wroteEvents(t *tx) {
	if len(t.events) > 0 && s.onEvents != nil {
		s.onEvents()
	}
}

// settledEvents gives the id of an event below which no event can appear any
// more, as far up as that is known after looking once. Everything above after is
// wanted; when nothing is there, the log is not disturbed.
func (s *Store) settledEvents(ctx context.Context, after int64) (int64, error) {
	const latest = `SELECT coalesce(max(id), 0) FROM events`
	var last int64
	if err := s.reader().one(ctx, latest, nil, &last); err != nil {
		return 0, err
	}
	if s.d == dialectSQLite {
		return last, nil // one writer at a time: ids grow with commits
	}
	if known := s.settled.Load(); last <= after || known >= last {
		return known, nil
	}
	// At read committed, so that the second statement sees what was committed
	// while the first one waited.
	_, err := s.transact(ctx, func(t *tx) error {
		if err := t.later(ctx, `SET TRANSACTION ISOLATION LEVEL READ COMMITTED`); err != nil {
			return err
		}
		if err := t.later(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(eventLock)); err != nil {
			return err
		}
		return t.ask(ctx, latest, nil, func(r *sql.Rows) error { return r.Scan(&last) })
	})
	if err != nil {
		return 0, err
	}
	for {
		known := s.settled.Load()
		if known >= last || s.settled.CompareAndSwap(known, last) {
			return max(known, last), nil
		}
	}
}

const eventColumns = `e.id, e.uid, e.workspace_id, e.kind, e.at, e.account_id, e.chat_id, e.message_id, e.member_id, e.detail`

func eventFields(e *tideline.Event) []any {
	return []any{&e.ID, &e.UID, &e.WorkspaceID, &e.Kind, millis{&e.At}, orZero{&e.AccountID}, orZero{&e.ChatID},
		orZero{&e.MessageID}, orZero{&e.MemberID}, detailText{&e.Detail}}
}

// listEvents lists the events that the condition finds, by id.
func (t *tx) listEvents(ctx context.Context, where string, args ...any) ([]tideline.Event, error) {
	var events []tideline.Event
	err := t.each(ctx, `SELECT `+eventColumns+` FROM events e WHERE `+where, args, func(r *sql.Rows) error {
		var e tideline.Event
		err := r.Scan(eventFields(&e)...)
		events = append(events, e)
		return err
	})
	return events, err
}

// encodeDetail gives the stored form of an event's detail; "" for none.
func encodeDetail(d *tideline.EventDetail) (string, error) {
	text, err := json.Marshal(d)
	if string(text) == "{}" {
		return "", err
	}
	return string(text), err
}

// detailText reads what encodeDetail wrote.
type detailText struct{ detail *tideline.EventDetail }

// Scan implements sql.Scanner.
func (d detailText) Scan(src any) error {
	*d.detail = tideline.EventDetail{}
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("an event's detail is stored as %T", src)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), d.detail)
}

// announceAccount notes the event of an account that enters a state, if there is
// one, see tideline.AccountEvent.
func (t *tx) announceAccount(ctx context.Context, accountID int64, state tideline.AccountState, reason string, at time.Time) error {
	var workspaceID int64
	var announced tideline.EventType
	err := t.one(ctx, `SELECT workspace_id, announced FROM accounts WHERE id = $1`, []any{accountID}, &workspaceID, &announced)
	if err != nil {
		return missing(err, "WhatsApp account")
	}
	kind, ok := tideline.AccountEvent(announced, state)
	if !ok {
		return nil
	}
	t.emit(tideline.Event{WorkspaceID: workspaceID, Kind: kind, At: at, AccountID: accountID,
		Detail: tideline.EventDetail{State: state, Reason: reason}})
	_, err = t.exec(ctx, `UPDATE accounts SET announced = $1 WHERE id = $2 AND workspace_id = $3`, string(kind), accountID, workspaceID)
	return err
}

// announceDownloads notes the events of received messages that were put off
// until something is known of their attachments. The condition finds downloads
// d, and there may be none.
func (t *tx) announceDownloads(ctx context.Context, where string, args ...any) error {
	var ids []any
	err := t.each(ctx, `SELECT m.id, m.workspace_id, m.account_id, m.chat_id, m.from_me, m.accepted_at
		FROM downloads d JOIN messages m ON m.id = d.message_id WHERE d.announce AND `+where+` ORDER BY m.id`, args, func(r *sql.Rows) error {
		e := tideline.Event{Kind: tideline.EventMessageReceived}
		var fromMe bool
		if err := r.Scan(&e.MessageID, &e.WorkspaceID, &e.AccountID, &e.ChatID, &fromMe, millis{&e.At}); err != nil {
			return err
		}
		if fromMe {
			e.Kind = tideline.EventMessageSent
		}
		ids = append(ids, e.MessageID)
		t.emit(e)
		return nil
	})
	if err != nil {
		return err
	}
	return t.execAll(ctx, announcedDownloads, ids)
}

var announcedDownloads = newMulti(`UPDATE downloads SET announce = FALSE WHERE message_id IN (VALUES `, `)`, "BIGINT")

// EventID implements store.Events.
func (s *Store) EventID(ctx context.Context, workspaceID int64, uid string) (int64, error) {
	var id int64
	err := s.reader().one(ctx, `SELECT id FROM events WHERE workspace_id = $1 AND uid = $2`, []any{workspaceID, uid}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = notFound("event")
	}
	return id, failed("event id", err)
}
