package main

import (
	"fmt"
	"slices"
	"time"
)

const (
	// clockGrain is what the phones' clock, which shows whole milliseconds, may take
	// off a gap.
	clockGrain = time.Millisecond
	// takeoverLimit is how soon the accounts of a lost node must send elsewhere. A
	// message that was being sent, and the gap, come on top.
	takeoverLimit = 20 * time.Second
)

// check compares what was asked and said with what was stored and shown, and
// notes in r what is wrong.
func check(f *facts, r *report) {
	byUID := make(map[string]*stored, len(f.Stored))
	inbound := make(map[string]int)
	for i := range f.Stored {
		s := &f.Stored[i]
		if byUID[s.UID] != nil {
			r.note("promise 1: %s is stored twice", s.UID)
		}
		byUID[s.UID] = s
		if !s.FromMe {
			inbound[s.Account+" "+s.ID]++
		}
	}
	checkAccepted(f, byUID, r)
	checkPhones(f, r)
	checkLanes(f, r)
	checkMoney(f, r)
	checkOwners(f, r)
	checkInbound(f, inbound, r)
	checkTakeovers(f, r)
	for _, s := range f.Sick {
		r.note("%s", s)
	}
}

// checkAccepted: what was accepted is stored once and ended (promises 1 and 2).
func checkAccepted(f *facts, byUID map[string]*stored, r *report) {
	for _, a := range f.Accepted {
		r.Accepted++
		s := byUID[a.UID]
		switch {
		case s == nil:
			r.note("promise 1: %s (%q) was accepted and is not stored", a.UID, a.Text)
		case s.Text != a.Text || s.Account != a.Account || s.To != a.To:
			r.note("promise 1: %s (%q) is stored as %q from %s to %s", a.UID, a.Text, s.Text, s.Account, s.To)
		case s.Status == "Pending":
			r.note("promise 2: %s (%q) did not end", a.UID, a.Text)
		}
	}
	texts := make(map[string]int)
	for i := range f.Stored {
		s := &f.Stored[i]
		if !s.FromMe {
			continue
		}
		if texts[s.Text]++; texts[s.Text] == 2 {
			r.note("promise 1: %q was asked for under one key and is stored twice", s.Text)
		}
		switch {
		case !f.Asked[s.Text]:
			r.note("promise 1: %q is stored and nobody asked for it", s.Text)
		case s.Status == "Failed" && s.Reason == "":
			r.note("promise 2: %s failed without a reason", s.UID)
		case s.Status == "Failed":
			r.Failed++
		default:
			r.Sent++
		}
	}
}

// checkPhones: each message is on its phone exactly once (promise 3).
func checkPhones(f *facts, r *report) {
	type place struct{ phone, text string }
	times := make(map[place]int)
	for _, s := range f.Shown {
		times[place{s.Phone, s.Text}]++
		if s.Attempts > 1 {
			r.Repeated++
		}
	}
	for i := range f.Stored {
		s := &f.Stored[i]
		if !s.FromMe {
			continue
		}
		n := times[place{s.To, s.Text}]
		delete(times, place{s.To, s.Text})
		if want := 1; n != want && s.Status != "Failed" {
			r.note("promise 3: %s (%q, %s) is on the phone %d times", s.UID, s.Text, s.Status, n)
		} else if n > 1 {
			r.note("promise 3: %s (%q, %s) is on the phone %d times", s.UID, s.Text, s.Status, n)
		}
	}
	for p, n := range times {
		r.note("promise 1: %q is on the phone %s %d times and is not stored", p.text, p.phone, n)
	}
}

// checkLanes: what an account sent arrived in the order of acceptance and no
// closer than the gap (promise 4).
func checkLanes(f *facts, r *report) {
	place := make(map[string]int)
	for i := range f.Stored {
		place[f.Stored[i].ID] = i
	}
	last := make(map[string]*shown)
	for i := range f.Shown {
		s := &f.Shown[i]
		before := last[s.From]
		last[s.From] = s
		if before == nil {
			continue
		}
		if place[s.ID] < place[before.ID] {
			r.note("promise 4: of %s, %q came after %q, which was accepted later", s.From, s.Text, before.Text)
		}
		if gap := s.At.Sub(before.At); gap < f.MinGap-clockGrain {
			r.note("promise 4: of %s, %q came %s after %q, and the gap is at least %s", s.From, s.Text, gap, before.Text, f.MinGap)
		}
	}
}

// checkMoney: the ledger adds up, and what was used is what was not given back
// (promise 5).
func checkMoney(f *facts, r *report) {
	for _, l := range f.Ledger {
		r.note("promise 5: %s", l)
	}
	paid := int64(0)
	for i := range f.Stored {
		if f.Stored[i].FromMe && f.Stored[i].Status != "Failed" {
			paid++
		}
	}
	if paid != f.Used {
		r.note("promise 5: %d credits were used for %d messages", f.Used, paid)
	}
}

// checkOwners: whoever stored how a message ended held its account (promise 7).
func checkOwners(f *facts, r *report) {
	by := make(map[string]int)
	for _, w := range f.Writes {
		by[w.By]++
		if w.Holder == "" || w.By != w.Holder {
			r.note("promise 7: %s was settled by %q while the account was held by %q", w.UID, w.By, w.Holder)
		}
	}
	if len(by) < 2 {
		r.note("only %d nodes sent anything: nothing is shown about several", len(by))
	}
}

// checkInbound: what people wrote is stored once (promise 6).
func checkInbound(f *facts, inbound map[string]int, r *report) {
	for _, s := range f.Said {
		r.Inbound++
		if n := inbound[s.Account+" "+s.ID]; n != 1 {
			r.note("promise 6: %q from %s to %s is stored %d times", s.Text, s.From, s.Account, n)
		}
		delete(inbound, s.Account+" "+s.ID)
	}
	for key, n := range inbound {
		r.note("promise 6: %s is stored %d times and nobody wrote it", key, n)
	}
}

// checkTakeovers: accounts of a lost node send elsewhere in time.
func checkTakeovers(f *facts, r *report) {
	var took []float64
	for i := range f.Faults {
		ft := &f.Faults[i]
		if !ft.Lost {
			continue
		}
		for _, account := range ft.Accounts {
			d, ok := nextAfter(f.Shown, account, ft.Began)
			if !ok {
				r.note("%s of node %d: %s sent nothing afterwards", ft.Kind, ft.Node, account)
				continue
			}
			took = append(took, d.Seconds())
			if d > takeoverLimit {
				r.note("%s of node %d at %s: %s sent again after %s", ft.Kind, ft.Node, ft.Began.Format(time.TimeOnly), account, d.Round(time.Millisecond))
			}
		}
	}
	slices.Sort(took)
	if len(took) > 0 {
		r.TakeoverMax, r.TakeoverMedian = took[len(took)-1], took[len(took)/2]
	}
}

// inFlight is how long what was on its way when a node was lost may take to
// arrive: it says nothing about who took over.
const inFlight = 500 * time.Millisecond

// nextAfter gives how long after an instant the next message of an account came.
func nextAfter(all []shown, account string, began time.Time) (time.Duration, bool) {
	for i := range all {
		if all[i].From == account && all[i].At.After(began.Add(inFlight)) {
			return all[i].At.Sub(began), true
		}
	}
	return 0, false
}

func (f fault) String() string {
	return fmt.Sprintf("%s of node %d from %s to %s", f.Kind, f.Node, f.Began.Format(time.TimeOnly), f.Ended.Format(time.TimeOnly))
}
