package message

import (
	"cmp"
	"context"
	"sync"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// directory keeps each workspace's accounts in memory, as of one configuration
// version. It holds one small slice per workspace that sent something.
type directory struct {
	store store.Directory
	mu    sync.RWMutex
	known map[int64]accountList
}

type accountList struct {
	accounts []tideline.Account // most recently connected first
	version  int64
}

// of gives the workspace's accounts as of version, or store.ErrStale when that
// is not the current one any more. The slice is shared: read only.
func (d *directory) of(ctx context.Context, workspaceID, version int64) ([]tideline.Account, error) {
	d.mu.RLock()
	l, ok := d.known[workspaceID]
	d.mu.RUnlock()
	if ok && l.version == version {
		return l.accounts, nil
	}
	if ok && l.version > version {
		return nil, store.ErrStale
	}
	accounts, read, err := d.store.AccountsOf(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	if d.known == nil {
		d.known = make(map[int64]accountList)
	}
	if d.known[workspaceID].version <= read {
		d.known[workspaceID] = accountList{accounts, read}
	}
	d.mu.Unlock()
	if read != version {
		return nil, store.ErrStale
	}
	return accounts, nil
}

// sender picks the account that r names, or the most recently connected one.
// A named account may be disconnected: its messages wait for it in the outbox.
func (s *Service) sender(ctx context.Context, p *tideline.Principal, r *SendRequest) (*tideline.Account, error) {
	accounts, err := s.accounts.of(ctx, p.Workspace.ID, p.Version)
	if err != nil {
		return nil, err
	}
	named := r.AccountPhone
	if named == nil {
		named = r.AccountID
	}
	if named == nil {
		return defaultSender(accounts)
	}
	phone, err := senderPhone(*named)
	if err != nil {
		return nil, err
	}
	for i := range accounts {
		if accounts[i].Phone == phone {
			if r.AccountPhone != nil && r.AccountID != nil {
				if other, err := senderPhone(*r.AccountID); err != nil || other != phone {
					break
				}
			}
			return usable(&accounts[i])
		}
	}
	return nil, tideline.Errorf(tideline.CodeNotFound, "WhatsApp account %s not found in this workspace", *named)
}

// defaultSender is the account that connected last, among those that are
// connected now.
func defaultSender(accounts []tideline.Account) (*tideline.Account, error) {
	for i := range accounts {
		if accounts[i].State == tideline.AccountActive {
			return &accounts[i], nil
		}
	}
	// Right after a start nothing is proven yet. An account that the server is
	// bringing back is a fair choice: its messages wait in the outbox.
	for i := range accounts {
		if accounts[i].State == tideline.AccountConnecting {
			return &accounts[i], nil
		}
	}
	return nil, errNoAccount
}

// usable refuses an account that can't send again without a person's help.
func usable(a *tideline.Account) (*tideline.Account, error) {
	if a.State == tideline.AccountLoggedOut {
		return nil, tideline.Errorf(tideline.CodeValidation, "No connected WhatsApp account: %s is logged out (%s); pair it again",
			a.Phone, cmp.Or(a.StateReason, "unlinked"))
	}
	return a, nil
}

var errNoAccount = tideline.Errorf(tideline.CodeValidation, "No connected WhatsApp account: pair one, or name one in whatsapp_account_phone to queue the message until it is back")
