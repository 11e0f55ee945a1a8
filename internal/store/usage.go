package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Usage reads what a workspace's credits were spent on over time.
type Usage interface {
	// Spending sums charges and refunds by day in loc, from the day that holds from
	// to the day that holds to, both included; days without either are there too. A
	// refund counts on the day on which it was given back.
	Spending(ctx context.Context, workspaceID int64, from, to time.Time, loc *time.Location) ([]Spent, error)
	// LedgerPage lists entries below the id before, 0 = all, the newest first, with
	// what each was for, and says whether there are more after the page.
	LedgerPage(ctx context.Context, workspaceID, before int64, limit int) ([]LedgerView, bool, error)
}

// Spent is what was charged and given back on one day.
type Spent struct {
	Day      time.Time // midnight, or the day's first moment, in the time zone that was asked for
	Charged  tideline.Credits
	Refunded tideline.Credits
	Accounts []AccountSpent // by account id; those with neither are left out
}

// AccountSpent is one account's part of it.
type AccountSpent struct {
	AccountID int64
	Charged   tideline.Credits
	Refunded  tideline.Credits
}

// LedgerView is an entry with the message that it charged or refunded; the other
// fields are zero for entries of other kinds.
type LedgerView struct {
	Entry      tideline.Entry
	MessageUID string
	Status     tideline.Status // of the message now
	Reason     tideline.Reason
	AccountID  int64
	ChatID     int64
	ChatName   string
	MemberID   int64 // who sent it; 0 = not known
	MemberName string
}
