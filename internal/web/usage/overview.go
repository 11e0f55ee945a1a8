package usage

import (
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// ranges are the lengths of time, in days, that the chart can show.
var ranges = []int64{7, 30, 90}

// overviewPage is what usage/overview shows.
type overviewPage struct {
	Balance   tideline.Balance
	Available tideline.Credits
	Unlimited bool
	Percent   int64 // of the period's credits that are used
	Plan      tideline.Plan
	Calls     int64
	CallLimit int64 // -1 = none
	Chart     chart
	Ranges    []int64
	Days      int64
	Numbers   []numberSpent
	Queued    int64
}

// numberSpent is what one number spent in the time that the chart shows.
type numberSpent struct {
	Name              string
	Charged, Refunded tideline.Credits
}

func (s *section) overview(q *ui.Request) error {
	w := &q.Principal.Workspace
	now := s.Now()
	b, err := s.Books.Balance(q.Context(), w.ID, now)
	if err != nil {
		return err
	}
	p := overviewPage{Balance: b, Available: b.Available(), Unlimited: b.Granted == tideline.Unlimited, Plan: w.Plan,
		CallLimit: w.Plan.APICalls, Ranges: ranges, Days: number(q.R.URL.Query(), "days", 1)}
	if !slices.Contains(ranges, p.Days) {
		p.Days = 30
	}
	if b.Granted > 0 {
		p.Percent = min(100, int64(b.Used*100/b.Granted))
	}
	if p.Calls, err = s.Books.APICalls(q.Context(), w.ID, b.PeriodStart); err != nil {
		return err
	}
	local := now.In(w.Location())
	spent, err := s.Books.Spending(q.Context(), w.ID, local.AddDate(0, 0, 1-int(p.Days)), now, w.Location())
	if err != nil {
		return err
	}
	p.Chart = newChart(spent)
	accounts, err := s.accounts(q)
	if err != nil {
		return err
	}
	total := make(map[int64]*numberSpent)
	for _, day := range spent {
		for _, a := range day.Accounts {
			if total[a.AccountID] == nil {
				total[a.AccountID] = &numberSpent{}
			}
			total[a.AccountID].Charged += a.Charged
			total[a.AccountID].Refunded += a.Refunded
		}
	}
	for i := range accounts {
		if t := total[accounts[i].ID]; t != nil {
			t.Name = nameOf(&accounts[i])
			p.Numbers = append(p.Numbers, *t)
			delete(total, accounts[i].ID)
		}
	}
	gone := numberSpent{Name: q.T("usage.numbers.gone")}
	for _, t := range total {
		gone.Charged += t.Charged
		gone.Refunded += t.Refunded
	}
	if len(total) > 0 {
		p.Numbers = append(p.Numbers, gone)
	}
	lengths, err := s.Queue.Lengths(q.Context(), q.Principal)
	for _, n := range lengths {
		p.Queued += n
	}
	if err != nil {
		return err
	}
	return s.page(q, "usage/overview", "usage.title", p)
}

// dayOf shows a day of the workspace in the machine's form.
func dayOf(t time.Time) string { return t.Format(time.DateOnly) }
