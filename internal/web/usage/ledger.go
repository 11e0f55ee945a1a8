package usage

import (
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// ledgerRows is how many entries are on a page.
const ledgerRows = 50

// ledgerPage is what usage/ledger shows.
type ledgerPage struct {
	Entries []ledgerRow
	Older   int64 // the entry below which the next page begins; 0 = there is none
	Newest  bool  // this is the first page
}

// ledgerRow is an entry as a member sees it.
type ledgerRow struct {
	store.LedgerView
	Change tideline.Credits // of all that the workspace has
	Left   tideline.Credits
	Chat   bool   // the member sees its chat
	Why    string // in words, where there is more to say than its kind
}

func (s *section) ledger(q *ui.Request) error {
	before := number(q.R.URL.Query(), "before", 0)
	views, more, err := s.Books.LedgerPage(q.Context(), q.Principal.Workspace.ID, before, ledgerRows)
	if err != nil {
		return err
	}
	viewer, err := s.Viewers.Viewer(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	p := ledgerPage{Newest: before == 0, Entries: make([]ledgerRow, len(views))}
	for i, v := range views {
		e := &v.Entry
		row := ledgerRow{LedgerView: v, Change: e.Period + e.Extra + e.Unmetered, Left: e.After.Period + e.After.Extra}
		row.Chat = v.ChatID != 0 && (viewer == nil || v.MemberID == q.Principal.Member.ID || slices.Contains(viewer.Accounts, v.AccountID))
		if e.Kind == tideline.EntryRefund && v.Reason != "" {
			row.Why = q.T("usage.reason." + string(v.Reason))
		}
		p.Entries[i] = row
	}
	if more {
		p.Older = views[len(views)-1].Entry.ID
	}
	return s.page(q, "usage/ledger", "usage.ledger.title", p)
}
