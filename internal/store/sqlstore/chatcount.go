package sqlstore

import (
	"context"
	"math"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// CountChats implements store.ChatCounts. Like a list, it looks at nothing but
// the index of lists, and at few chats where a filter starts from few.
func (s *Store) CountChats(ctx context.Context, workspaceID int64, f store.ChatFilter) (int, error) {
	n := 0
	err := s.read(ctx, func(t *tx) error {
		q, err := t.chatQuery(ctx, workspaceID, f)
		if err != nil || q.none {
			return err
		}
		if err := t.planList(ctx, q); err != nil {
			return err
		}
		list := q.text(store.Page{Limit: math.MaxInt32})
		return t.one(ctx, `SELECT count(*) FROM (`+list+`) found`, q.args, &n)
	})
	return n, failed("count chats", err)
}

// Tally implements store.ChatCounts: one walk along the index of lists.
func (s *Store) Tally(ctx context.Context, workspaceID, memberID int64, visibleTo *store.Viewer) (store.Tally, error) {
	var tally store.Tally
	err := s.read(ctx, func(t *tx) error {
		open := false
		q, err := t.chatQuery(ctx, workspaceID, store.ChatFilter{Closed: &open, VisibleTo: visibleTo})
		if err != nil {
			return err
		}
		count := func(condition string) string { return `count(CASE WHEN ` + condition + ` THEN 1 END)` }
		return t.one(ctx, `SELECT `+count(`c.unread > 0`)+`, `+count(`c.responsible_id = `+q.param(memberID))+`, `+
			count(`c.responsible_id IS NULL`)+` FROM chats c WHERE `+q.String(), q.args, &tally.Unread, &tally.Mine, &tally.Unassigned)
	})
	return tally, failed("tally chats", err)
}

// minSearchDigits is how many digits somebody has typed before they are looked
// for in numbers: fewer are in nearly all of them.
const minSearchDigits = 3

// bySearch adds the conditions of people who look for a chat.
func (q *chatQuery) bySearch(f store.ChatFilter) {
	if f.Unassigned {
		q.add(`c.responsible_id IS NULL`)
	}
	search := strings.TrimSpace(f.Search)
	if search == "" {
		return
	}
	named := q.contains(q.d, `c.name`, search)
	if digits := searchedDigits(search); digits != "" {
		named += ` OR c.jid LIKE ` + q.param("%"+digits+"%@"+tideline.ServerUser) + ` ESCAPE '!'`
	}
	q.add(`(` + named + `)`)
}

// searchedDigits gives the digits of a text that can be a part of a phone number
// as people write it, else "".
func searchedDigits(s string) string {
	var digits strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits.WriteRune(r)
		case !strings.ContainsRune(" +-().\u00a0", r):
			return ""
		}
	}
	if digits.Len() < minSearchDigits {
		return ""
	}
	return digits.String()
}
