package store

import (
	"context"
	"errors"
	"time"
)

// ErrExpelled says that this node may not act for accounts any more: others have taken them.
var ErrExpelled = errors.New("this node was expelled: its lease was over and others took its accounts")

// ErrBusy says that a command has the whole database to itself, so that no node
// can join now.
var ErrBusy = errors.New("another process has the database to itself")

// NodeInfo is what a node tells of itself, for people.
type NodeInfo struct {
	Name    string // host and process
	Version string // of the program
	URL     string // under which it is reached; "" = not told
	// Seat is a place that one process can have at a time, such as a folder that it has
	// locked: who joins with it proves that a node which had it is dead, and need not
	// wait for the end of its lease. "" = none.
	Seat string
}

// Node is a server process that works with a shared database.
type Node struct {
	ID int64 // never used again
	NodeInfo
	Started  time.Time     // by the database's clock
	Left     time.Duration // of its lease, by the database's clock; below zero when it is over
	Leaving  bool          // takes nothing more
	Accounts int           // present accounts that it holds
}

// Hold says that a node has an account.
type Hold struct {
	AccountID int64
	Epoch     int64 // grows each time the account is claimed
	Removed   bool  // the account was removed from its workspace since: give it back
}

// Nodes is how server processes share the accounts of one database. All times are
// the database's: nodes compare no clocks.
//
// A node acts for an account only while it holds it and its lease lasts. A node
// whose lease is over is expelled by the others, and what it held is free again.
// From that moment on nothing that it writes for accounts is stored: these
// transactions are fenced, see Fence.
type Nodes interface {
	// Join makes this process a node with a lease of ttl. While a command has the
	// database to itself, it waits a few seconds for it, and then the error is ErrBusy.
	Join(ctx context.Context, info NodeInfo, ttl time.Duration) (Node, error)
	// Renew makes the lease last for ttl from now; one that is over too, as long as
	// nobody expelled the node. ErrExpelled.
	Renew(ctx context.Context, nodeID int64, ttl time.Duration) error
	// MarkLeaving notes that the node goes: it claims no accounts and takes no duties
	// any more, and its share is that of the others. ErrExpelled.
	MarkLeaving(ctx context.Context, nodeID int64) error
	// Leave frees all that the node holds and removes it, after its fenced transactions
	// that are running. That it is gone already is no error.
	Leave(ctx context.Context, nodeID int64) error
	// ListNodes gives the nodes by id, also those whose lease is over.
	ListNodes(ctx context.Context) ([]Node, error)
	// ExpelDead expels the nodes whose lease is over, never nodeID itself, and gives
	// their ids: their connections are terminated, their transactions ended, all that
	// they held is free. Several may do it at once; each node is given to one of them.
	ExpelDead(ctx context.Context, nodeID int64) ([]int64, error)
	// HoldsOf lists what the node holds, by account.
	HoldsOf(ctx context.Context, nodeID int64) ([]Hold, error)
	// Claim takes at most limit present accounts that nobody holds, the lowest ids
	// first. A node that is leaving gets none. ErrExpelled.
	Claim(ctx context.Context, nodeID int64, limit int) ([]Hold, error)
	// ClaimAccount takes one account, when it is present and nobody or the node itself
	// holds it. ErrExpelled.
	ClaimAccount(ctx context.Context, nodeID, accountID int64) (h Hold, ok bool, err error)
	// Release frees those of the accounts that the node holds. ErrExpelled.
	Release(ctx context.Context, nodeID int64, accountIDs []int64) error
	// HolderOf gives the node that holds an account; 0 = nobody.
	HolderOf(ctx context.Context, accountID int64) (nodeID int64, err error)
	// TakeDuty takes a duty, when nobody or the node itself has it. It has it until it
	// drops it, leaves or is expelled. A node that is leaving gets none. ErrExpelled.
	TakeDuty(ctx context.Context, nodeID int64, name string) (bool, error)
	// DropDuty gives a duty back; one that the node doesn't have is none of its business.
	DropDuty(ctx context.Context, nodeID int64, name string) error
	// CountAccounts counts the present accounts of all workspaces.
	CountAccounts(ctx context.Context) (int, error)
	// Fence names the node that this process is; 0 = none, as with SQLite, and at the
	// beginning. From then on each transaction that changes something for an account
	// commits only while the node is there: settlements, receipts, receptions, states,
	// downloads, profiles, histories, changes of a lane, deliveries. Settlements,
	// receipts and receptions also need that the node holds the account; the others, that no
	// other node does. Otherwise they fail with ErrExpelled and change nothing.
	// Accepting messages is not fenced, and neither is what people do elsewhere.
	Fence(nodeID int64)
}
