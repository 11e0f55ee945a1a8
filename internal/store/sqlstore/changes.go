package sqlstore

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// OnChanges implements store.Changes.
func (s *Store) OnChanges(fn func([]tideline.Change)) { s.onChanges = fn }

// announce tells what a transaction changed that is committed.
func (s *Store) announce(t *tx) {
	s.bumps.Add(t.bumps)
	if len(t.changes) > 0 && s.onChanges != nil {
		s.onChanges(t.changes)
	}
}

// OtherChanges implements store.Changes.
func (s *Store) OtherChanges(ctx context.Context) (int64, error) {
	own := s.bumps.Load()
	version, err := s.Version(ctx)
	return version - own, err
}

// tell notes a change, which is announced after the commit. What a savepoint
// undoes takes its changes along. It costs no statement, so the hot path may.
func (t *tx) tell(c tideline.Change) { t.changes = append(t.changes, c) }

func (t *tx) tellMessage(workspaceID, accountID, chatID, messageID int64) {
	t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeMessage, AccountID: accountID, ChatID: chatID, MessageID: messageID})
}

func (t *tx) tellChat(workspaceID, accountID, chatID int64) {
	t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeChat, AccountID: accountID, ChatID: chatID})
}

func (t *tx) tellQueue(workspaceID, accountID int64) {
	t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeQueue, AccountID: accountID})
}

func (t *tx) tellSettings(workspaceID int64) {
	t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeSettings})
}

// tellAccount notes a change of an account, whose workspace it looks up.
func (t *tx) tellAccount(ctx context.Context, accountID int64) error {
	c := tideline.Change{Kind: tideline.ChangeAccount, AccountID: accountID}
	err := t.one(ctx, `SELECT workspace_id FROM accounts WHERE id = $1`, []any{accountID}, &c.WorkspaceID)
	if err != nil {
		return missing(err, "WhatsApp account")
	}
	t.tell(c)
	return nil
}
