package reach

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Accounts pairs numbers and takes care of them: account.Service.
type Accounts interface {
	Pair(ctx context.Context, workspaceID int64, by tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error)
	Logout(ctx context.Context, workspaceID, accountID int64) error
	Remove(ctx context.Context, workspaceID, accountID int64) error
	Reconnect(ctx context.Context, workspaceID, accountID int64) error
}

// Numbers takes care of accounts wherever they are held. A phone is paired by the
// node that was asked, which then holds the account unless another one does.
type Numbers struct {
	Accounts
	logout    *route[int64, none] // the workspace's id
	remove    *route[int64, none]
	reconnect *route[int64, none]
}

// NewNumbers makes Numbers and lets other nodes ask this one.
func NewNumbers(nodes Nodes, accounts Accounts) *Numbers {
	of := func(do func(ctx context.Context, workspaceID, accountID int64) error) func(context.Context, int64, int64) (none, error) {
		return func(ctx context.Context, accountID, workspaceID int64) (none, error) {
			return none{}, do(ctx, workspaceID, accountID)
		}
	}
	return &Numbers{
		Accounts:  accounts,
		logout:    newRoute(nodes, "account.logout", of(accounts.Logout)),
		remove:    newRoute(nodes, "account.remove", of(accounts.Remove)),
		reconnect: newRoute(nodes, "account.reconnect", of(accounts.Reconnect)),
	}
}

// Logout is account.Service's.
func (n *Numbers) Logout(ctx context.Context, workspaceID, accountID int64) error {
	_, err := n.logout.do(ctx, accountID, workspaceID)
	return err
}

// Remove is account.Service's.
func (n *Numbers) Remove(ctx context.Context, workspaceID, accountID int64) error {
	_, err := n.remove.do(ctx, accountID, workspaceID)
	return err
}

// Reconnect is account.Service's.
func (n *Numbers) Reconnect(ctx context.Context, workspaceID, accountID int64) error {
	_, err := n.reconnect.do(ctx, accountID, workspaceID)
	return err
}
