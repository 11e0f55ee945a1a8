package sqlstore

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// SetAccountHold implements store.Accounts. What the acceptance path remembers of
// an account does not depend on it, so the configuration version stays.
func (s *Store) SetAccountHold(ctx context.Context, accountID int64, h tideline.Hold) error {
	return s.write(ctx, "set account hold", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE accounts SET banned_until = $1, reach_out_until = $2 WHERE id = $3 AND removed_at IS NULL`,
			toMillis(h.BannedUntil), toMillis(h.ReachOutUntil), accountID)
		if err := mustChange(n, err, "WhatsApp account"); err != nil {
			return err
		}
		return t.tellAccount(ctx, accountID)
	}, accountID))
}

// FirstContact implements store.Outbox. It is asked only while an account is
// limited, and reads one chat by the index that lists its messages.
func (s *Store) FirstContact(ctx context.Context, workspaceID, chatID int64) (first bool, err error) {
	err = s.read(ctx, func(t *tx) error {
		chat, err := t.chat(ctx, workspaceID, chatID)
		if err != nil || chat.JID.IsGroup() {
			return err
		}
		var met bool
		err = t.one(ctx, `SELECT c.met FROM chats c WHERE c.workspace_id = $1 AND c.id = $2`, []any{workspaceID, chat.ID}, &met)
		if err != nil || met { // what was said is not kept any more
			return err
		}
		var said int
		err = t.one(ctx, `SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.workspace_id = $1 AND m.chat_id = $2
			AND m.at IS NOT NULL AND (NOT m.from_me OR m.sent_at IS NOT NULL) LIMIT 1) AS said`,
			[]any{workspaceID, chat.ID}, &said)
		first = said == 0
		return err
	})
	return first, failed("first contact", err)
}
