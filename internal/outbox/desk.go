package outbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// DeskStorage is what a Desk needs from store.Store.
type DeskStorage interface {
	store.QueueReader
	QueuedMessage(ctx context.Context, workspaceID, messageID int64) (store.QueuedMessage, error)
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
}

// Viewers says which chats a member sees: team.Service.
type Viewers interface {
	Viewer(ctx context.Context, p *tideline.Principal) (*store.Viewer, error)
}

// Lanes is what a Desk has done: Service.
type Lanes interface {
	Pause(ctx context.Context, workspaceID, accountID int64, by string) error
	Resume(ctx context.Context, workspaceID, accountID int64) error
	PutFirst(ctx context.Context, workspaceID, messageID int64) error
	Cancel(ctx context.Context, workspaceID, messageID int64, note string) error
	CancelAll(ctx context.Context, workspaceID, accountID int64, note string) (cancelled, kept int, err error)
}

// Desk is where members look at the queue and change it, each by their role:
//
//   - Everybody sees the queue of their workspace. Of messages in chats that they
//     don't see, they see that they wait.
//   - Owner and admins pause accounts, put messages first and cancel any; a team
//     supervisor does so for the accounts of the team.
//   - Whoever may send cancels what they sent themselves.
type Desk struct {
	lanes   Lanes
	store   DeskStorage
	viewers Viewers
}

// NewDesk makes a Desk.
func NewDesk(lanes Lanes, s DeskStorage, v Viewers) *Desk {
	return &Desk{lanes: lanes, store: s, viewers: v}
}

// Waiting is a queued message as a member sees it.
type Waiting struct {
	store.QueueItem
	// Hidden: the member does not see its chat. Of the message, only its id, account
	// and times are there.
	Hidden    bool
	MayCancel bool
	MayFirst  bool
}

// List lists what waits; see store.QueueReader.
func (d *Desk) List(ctx context.Context, p *tideline.Principal, f store.QueueFilter, page store.Page) ([]Waiting, bool, error) {
	v, err := d.viewers.Viewer(ctx, p)
	if err != nil {
		return nil, false, err
	}
	items, more, err := d.store.Queue(ctx, p.Workspace.ID, f, page)
	if err != nil {
		return nil, false, err
	}
	list := make([]Waiting, len(items))
	for i, item := range items {
		m := &item.View.Message
		runs := runs(p, v, item.View.Account.ID)
		own := p.Member.Role.MaySend() && m.MemberID == p.Member.ID
		w := Waiting{QueueItem: item, MayCancel: runs || own, MayFirst: runs}
		if !own && !sees(v, item.View.Account.ID, item.View.Chat.Responsible) {
			w.Hidden = true
			w.View = store.MessageView{
				Message: tideline.Message{ID: m.ID, WorkspaceID: m.WorkspaceID, AccountID: m.AccountID, AcceptedAt: m.AcceptedAt, Status: m.Status, FromMe: true},
				Account: item.View.Account,
			}
		}
		list[i] = w
	}
	return list, more, nil
}

// Lengths counts what waits by account; those with nothing are left out.
func (d *Desk) Lengths(ctx context.Context, p *tideline.Principal) (map[int64]int64, error) {
	return d.store.QueueLengths(ctx, p.Workspace.ID)
}

// Runs gives those of the workspace's accounts that p may pause and resume.
func (d *Desk) Runs(ctx context.Context, p *tideline.Principal) (map[int64]bool, error) {
	v, err := d.viewers.Viewer(ctx, p)
	if err != nil {
		return nil, err
	}
	accounts, _, err := d.store.AccountsOf(ctx, p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	may := make(map[int64]bool)
	for i := range accounts {
		if runs(p, v, accounts[i].ID) {
			may[accounts[i].ID] = true
		}
	}
	return may, nil
}

// Pause is Service.Pause for a member. Errors: permission_denied, not_found.
func (d *Desk) Pause(ctx context.Context, p *tideline.Principal, accountID int64) error {
	if err := d.mayRun(ctx, p, accountID); err != nil {
		return err
	}
	return d.lanes.Pause(ctx, p.Workspace.ID, accountID, p.Member.DisplayName)
}

// Resume is Service.Resume for a member. Errors: permission_denied, not_found.
func (d *Desk) Resume(ctx context.Context, p *tideline.Principal, accountID int64) error {
	if err := d.mayRun(ctx, p, accountID); err != nil {
		return err
	}
	return d.lanes.Resume(ctx, p.Workspace.ID, accountID)
}

// PutFirst is Service.PutFirst for a member. Errors: permission_denied, not_found,
// conflict.
func (d *Desk) PutFirst(ctx context.Context, p *tideline.Principal, messageID int64) error {
	q, err := d.store.QueuedMessage(ctx, p.Workspace.ID, messageID)
	if err != nil {
		return notQueued(err)
	}
	if err := d.mayRun(ctx, p, q.AccountID); err != nil {
		return err
	}
	return d.lanes.PutFirst(ctx, p.Workspace.ID, messageID)
}

// Cancel is Service.Cancel for a member. Errors: permission_denied, not_found,
// conflict.
func (d *Desk) Cancel(ctx context.Context, p *tideline.Principal, messageID int64) error {
	q, err := d.store.QueuedMessage(ctx, p.Workspace.ID, messageID)
	if err != nil {
		return notQueued(err)
	}
	if !p.Member.Role.MaySend() || q.MemberID != p.Member.ID {
		if err := d.mayRun(ctx, p, q.AccountID); err != nil {
			return err
		}
	}
	return d.lanes.Cancel(ctx, p.Workspace.ID, messageID, noteOf(p))
}

// CancelAll is Service.CancelAll for a member. Errors: permission_denied.
func (d *Desk) CancelAll(ctx context.Context, p *tideline.Principal, accountID int64) (cancelled, kept int, err error) {
	if err := d.mayRun(ctx, p, accountID); err != nil {
		return 0, 0, err
	}
	return d.lanes.CancelAll(ctx, p.Workspace.ID, accountID, noteOf(p))
}

// mayRun refuses who may not decide about an account's lane.
func (d *Desk) mayRun(ctx context.Context, p *tideline.Principal, accountID int64) error {
	v, err := d.viewers.Viewer(ctx, p)
	if err != nil {
		return err
	}
	if !runs(p, v, accountID) {
		return tideline.Errorf(tideline.CodePermissionDenied,
			"The role %q may not do this to the queue of this number; an admin, or a team supervisor of its owner's team, may", p.Member.Role)
	}
	return nil
}

// runs reports whether p decides about an account's lane.
func runs(p *tideline.Principal, v *store.Viewer, accountID int64) bool {
	return p.Member.Role.MayRunQueue() && (v == nil || slices.Contains(v.Accounts, accountID))
}

// sees reports whether a viewer sees a chat; nil sees all.
func sees(v *store.Viewer, accountID, responsible int64) bool {
	return v == nil || slices.Contains(v.Accounts, accountID) || responsible != 0 && responsible == v.MemberID
}

// noteOf says in the ledger who cancelled a message. It is kept for ever, so it has
// the member's id and not the name.
func noteOf(p *tideline.Principal) string { return fmt.Sprintf("by member %d", p.Member.ID) }
