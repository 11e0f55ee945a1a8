package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const accountColumns = `a.id, a.workspace_id, a.jid, a.device_jid, a.phone, a.name, a.state, a.state_reason,
	a.connected_on, a.owner_name, a.owner_email, a.created_at, a.banned_until, a.reach_out_until,
	a.paused_at, a.paused_by, a.resumed_at`

func accountFields(a *tideline.Account) []any {
	return []any{&a.ID, &a.WorkspaceID, &a.JID, &a.DeviceJID, &a.Phone, &a.Name, &a.State, &a.StateReason,
		millis{&a.ConnectedOn}, &a.OwnerName, &a.OwnerEmail, millis{&a.CreatedAt},
		millis{&a.Hold.BannedUntil}, millis{&a.Hold.ReachOutUntil},
		millis{&a.Pause.Since}, &a.Pause.By, millis{&a.Pause.Ended}}
}

// accounts lists the accounts that the condition finds.
func (t *tx) accounts(ctx context.Context, where string, args ...any) ([]tideline.Account, error) {
	var accounts []tideline.Account
	err := t.each(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE `+where, args, func(r *sql.Rows) error {
		var a tideline.Account
		err := r.Scan(accountFields(&a)...)
		accounts = append(accounts, a)
		return err
	})
	return accounts, err
}

// account reads one present account.
func (t *tx) account(ctx context.Context, workspaceID, accountID int64) (tideline.Account, error) {
	found, err := t.accounts(ctx, `a.workspace_id = $1 AND a.id = $2 AND a.removed_at IS NULL`, workspaceID, accountID)
	if err == nil && len(found) == 0 {
		err = notFound("WhatsApp account")
	}
	if err != nil {
		return tideline.Account{}, err
	}
	return found[0], nil
}

// PutAccount implements store.Accounts. A state that is set is stored too, with
// its reason; an empty name keeps the one that is known. An account that was
// removed from the workspace comes back with its id and so with its chats.
func (s *Store) PutAccount(ctx context.Context, a tideline.Account) (tideline.Account, error) {
	var put tideline.Account
	err := s.write(ctx, "put account", func(ctx context.Context, t *tx) error {
		var id int64
		var device string
		var removed sql.NullInt64
		err := t.one(ctx, `SELECT id, device_jid, removed_at FROM accounts WHERE workspace_id = $1 AND jid = $2`,
			[]any{a.WorkspaceID, string(a.JID)}, &id, &device, &removed)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			id, err = t.insertAccount(ctx, a)
		case err == nil:
			_, err = t.exec(ctx, `UPDATE accounts SET device_jid = $1, phone = $2,
				name = CASE WHEN $3 = '' THEN name ELSE $3 END,
				state = CASE WHEN $4 = '' THEN state ELSE $4 END,
				state_reason = CASE WHEN $4 = '' THEN state_reason ELSE $5 END,
				owner_name = $6, owner_email = $7, removed_at = NULL WHERE id = $8`, // a restriction is the number's and stays
				a.DeviceJID, string(a.Phone), a.Name, string(a.State), a.StateReason, a.OwnerName, a.OwnerEmail, id)
		}
		if isUnique(err) {
			return tideline.Errorf(tideline.CodeConflict, "this WhatsApp number is paired with another workspace: remove it there first")
		}
		if err != nil {
			return err
		}
		if put, err = t.account(ctx, a.WorkspaceID, id); err != nil {
			return err
		}
		t.tell(tideline.Change{WorkspaceID: a.WorkspaceID, Kind: tideline.ChangeAccount, AccountID: id})
		if removed.Valid || device != put.DeviceJID {
			if err := t.audit(ctx, aboutAccount(put, tideline.AuditAccountPaired, time.Time{}, set("owner", put.OwnerEmail)...)); err != nil {
				return err
			}
		}
		return t.bump(ctx)
	})
	return put, err
}

func (t *tx) insertAccount(ctx context.Context, a tideline.Account) (id int64, err error) {
	err = t.one(ctx, `SELECT id FROM workspaces WHERE id = $1`, []any{a.WorkspaceID}, &id)
	if err != nil {
		return 0, missing(err, "workspace")
	}
	if a.State == "" {
		a.State = tideline.AccountConnecting
	}
	err = t.one(ctx, `INSERT INTO accounts (workspace_id, jid, device_jid, phone, name, state, state_reason, connected_on,
		owner_name, owner_email, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
		[]any{a.WorkspaceID, string(a.JID), a.DeviceJID, string(a.Phone), a.Name, string(a.State), a.StateReason,
			toMillis(a.ConnectedOn), a.OwnerName, a.OwnerEmail, a.CreatedAt.UnixMilli()}, &id)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `INSERT INTO holds (account_id, epoch) VALUES ($1, 0)`, id)
	return id, err
}

// Account implements store.Accounts.
func (s *Store) Account(ctx context.Context, workspaceID, accountID int64) (tideline.Account, error) {
	a, err := s.reader().account(ctx, workspaceID, accountID)
	return a, failed("account", err)
}

// SetAccountState implements store.Accounts.
func (s *Store) SetAccountState(ctx context.Context, accountID int64, state tideline.AccountState, reason string, at time.Time) error {
	var connectedOn any
	if state == tideline.AccountActive {
		connectedOn = at.UnixMilli()
	}
	return s.write(ctx, "set account state", s.fenced(func(ctx context.Context, t *tx) error {
		if err := t.auditLogout(ctx, accountID, state, reason, at); err != nil {
			return err
		}
		// Staying active is not entering it.
		n, err := t.exec(ctx, `UPDATE accounts SET
			connected_on = CASE WHEN state = $1 THEN connected_on ELSE coalesce(CAST($2 AS BIGINT), connected_on) END,
			state = $1, state_reason = $3 WHERE id = $4 AND removed_at IS NULL`, string(state), connectedOn, reason, accountID)
		if err := mustChange(n, err, "WhatsApp account"); err != nil {
			return err
		}
		if err := t.announceAccount(ctx, accountID, state, reason, at); err != nil {
			return err
		}
		if err := t.tellAccount(ctx, accountID); err != nil {
			return err
		}
		return t.bump(ctx)
	}, accountID))
}

// SetAccountName implements store.Accounts.
func (s *Store) SetAccountName(ctx context.Context, accountID int64, name string) error {
	return s.write(ctx, "set account name", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE accounts SET name = $1 WHERE id = $2 AND removed_at IS NULL`, name, accountID)
		if err := mustChange(n, err, "WhatsApp account"); err != nil {
			return err
		}
		if err := t.tellAccount(ctx, accountID); err != nil {
			return err
		}
		return t.bump(ctx)
	}, accountID))
}

// AllAccounts implements store.Accounts.
func (s *Store) AllAccounts(ctx context.Context) ([]tideline.Account, error) {
	accounts, err := s.reader().accounts(ctx, `a.removed_at IS NULL ORDER BY a.id`)
	return accounts, failed("all accounts", err)
}

// RemoveAccount implements store.Accounts.
func (s *Store) RemoveAccount(ctx context.Context, workspaceID, accountID int64, at time.Time) error {
	return s.write(ctx, "remove account", func(ctx context.Context, t *tx) error {
		// The balance first: while it is locked no message is accepted, so the
		// queue that is failed here is the whole queue.
		bs, err := t.currentBalances(ctx, []int64{workspaceID}, at)
		if err != nil {
			return err
		}
		a, err := t.account(ctx, workspaceID, accountID)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE accounts SET removed_at = $1, device_jid = '', state = $2, state_reason = ''
			WHERE workspace_id = $3 AND id = $4 AND removed_at IS NULL`,
			at.UnixMilli(), string(tideline.AccountLoggedOut), workspaceID, accountID)
		if err := mustChange(n, err, "WhatsApp account"); err != nil {
			return err
		}
		t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeAccount, AccountID: accountID})
		if err := t.failQueued(ctx, bs, accountID, tideline.ReasonAccountRemoved, at); err != nil {
			return err
		}
		if err := t.announceAccount(ctx, accountID, tideline.AccountLoggedOut, "removed from the workspace", at); err != nil {
			return err
		}
		if err := t.audit(ctx, aboutAccount(a, tideline.AuditAccountRemoved, at)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
}

// aboutAccount is the change of an account, for the audit log.
func aboutAccount(a tideline.Account, action tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) change {
	name := string(a.Phone)
	if a.Name != "" {
		name = a.Name + " " + name
	}
	return change{workspaceID: a.WorkspaceID, at: at, action: action, kind: tideline.TargetAccount, id: a.ID, name: name, fields: fields}
}

// auditLogout writes, before the state is stored, that an account is logged out:
// of all states it is the one that somebody brought about and has to mend. When it
// is so already, because WhatsApp was quicker to say so than whoever asked for it,
// that they asked is written too.
func (t *tx) auditLogout(ctx context.Context, accountID int64, state tideline.AccountState, reason string, at time.Time) error {
	if state != tideline.AccountLoggedOut {
		return nil
	}
	found, err := t.accounts(ctx, `a.id = $1 AND a.removed_at IS NULL`, accountID)
	if err != nil || len(found) == 0 {
		return err
	}
	if found[0].State == state && (tideline.ActorOf(ctx).Via == tideline.ViaServer || found[0].StateReason == reason) {
		return nil
	}
	return t.audit(ctx, aboutAccount(found[0], tideline.AuditAccountLoggedOut, at, set("reason", reason)...))
}
