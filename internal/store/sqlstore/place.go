package sqlstore

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// PlaceOf implements store.Messages. It reads the queue from its oldest message
// to the one asked for, which is what an append-only queue costs on SQLite.
func (s *Store) PlaceOf(ctx context.Context, workspaceID, messageID int64) (store.Place, error) {
	var p store.Place
	err := s.read(ctx, func(t *tx) error {
		p = store.Place{}
		var accountID, place int64
		var until time.Time
		err := t.one(ctx, `SELECT o.account_id, o.place, o.note, a.reach_out_until FROM outbox o JOIN messages m ON m.id = o.message_id
			JOIN accounts a ON a.id = o.account_id
			WHERE o.message_id = $1 AND m.workspace_id = $2`, []any{messageID, workspaceID}, &accountID, &place, &p.Note, millis{&until})
		if err != nil {
			return err
		}
		held := ``
		args := []any{accountID, messageID, place}
		switch {
		case !until.IsZero(): // those held back are overtaken
			held = ` AND (note <> $4 OR message_id = $2)`
			args = append(args, store.NoteReachOutLimited)
			if p.Note == store.NoteReachOutLimited {
				p.HeldUntil = until
			}
		case p.Note == store.NoteReachOutLimited:
			p.Note = "" // the limit is over
		}
		ahead, err := t.ahead(ctx, place, held, args)
		if err != nil {
			return err
		}
		p.Position = ahead.count - 1 // without itself
		if p.Expected, err = t.expected(ctx, accountID, ahead); err != nil {
			return err
		}
		if p.Expected.Before(p.HeldUntil) {
			p.Expected = p.HeldUntil
		}
		return nil
	})
	return p, failed("place of", missing(err, "queued message"))
}

// stretch is the beginning of a lane.
type stretch struct {
	count int
	head  int64         // its first message
	gaps  time.Duration // the sum of its gaps
}

// ahead sums up a lane to a message. args are its account, its id and its place.
func (t *tx) ahead(ctx context.Context, place int64, held string, args []any) (stretch, error) {
	// Those with a place are few and in an index of their own.
	const firsts = `SELECT count(*), CAST(coalesce(sum(gap_ms), 0) AS BIGINT) FROM outbox
		WHERE account_id = $1 AND place < 0 AND (place < $3 OR place = $3 AND message_id <= $2)`
	const rest = `SELECT count(*), min(message_id), CAST(coalesce(sum(gap_ms), 0) AS BIGINT) FROM outbox
		WHERE account_id = $1 AND message_id <= $2 AND place = 0 AND place = $3`
	var s stretch
	var gaps int64
	if err := t.one(ctx, firsts+held, args, &s.count, &gaps); err != nil {
		return s, err
	}
	s.gaps = time.Duration(gaps) * time.Millisecond
	if s.count > 0 {
		if err := t.one(ctx, `SELECT message_id FROM outbox WHERE account_id = $1 AND place < 0
			AND (place < $3 OR place = $3 AND message_id <= $2)`+held+` ORDER BY place, message_id LIMIT 1`, args, &s.head); err != nil {
			return s, err
		}
	}
	if place < 0 {
		return s, nil
	}
	var n int
	var head int64
	if err := t.one(ctx, rest+held, args, &n, orZero{&head}, &gaps); err != nil {
		return s, err
	}
	if s.count == 0 {
		s.head = head
	}
	s.count += n
	s.gaps += time.Duration(gaps) * time.Millisecond
	return s, nil
}

// expected is when the last message of a stretch goes if the account stays
// connected; see store.Place.
func (t *tx) expected(ctx context.Context, accountID int64, s stretch) (time.Time, error) {
	var clock, accepted time.Time
	var headGap int64
	if err := t.one(ctx, `SELECT l.at, m.accepted_at, o.gap_ms FROM outbox o JOIN messages m ON m.id = o.message_id
		LEFT JOIN lanes l ON l.account_id = $1 WHERE o.message_id = $2`, []any{accountID, s.head},
		millis{&clock}, millis{&accepted}, &headGap); err != nil {
		return time.Time{}, err
	}
	switch {
	case !clock.IsZero():
		return clock.Add(s.gaps), nil
	case s.count > 1:
		// The lane never sent: its first message goes out without a gap, as soon as
		// it was accepted.
		return accepted.Add(s.gaps - time.Duration(headGap)*time.Millisecond), nil
	}
	return time.Time{}, nil
}
