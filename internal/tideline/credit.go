package tideline

import "time"

// Credits counts message credits. A text or a file takes one, a text with a
// file takes two.
type Credits int64

// Unlimited credits per period, of a plan or a workspace, mean that sends
// are counted but never refused.
const Unlimited Credits = -1

// CheckGrant reports whether c can be the credits of a period.
func CheckGrant(c Credits) error {
	if c < 0 && c != Unlimited {
		return Errorf(CodeValidation, "credits per period must be 0 or more, or unlimited")
	}
	return nil
}

// Cost is what a message takes: 1, or 2 when there is non-empty text as well as
// an attachment.
func Cost(text string, attachment bool) Credits {
	if text != "" && attachment {
		return 2
	}
	return 1
}

// Balance is what a workspace has to spend. The period's credits go first,
// then the non-recurring ones. An unmetered workspace only counts.
//
// Invariants, kept by every method and by the database's checks: Period and
// Extra are never negative, and each equals the sum of the matching column of
// the workspace's ledger entries, as Unmetered does.
type Balance struct {
	Granted     Credits   // credits granted for the current period; Unlimited when unmetered
	Used        Credits   // charged minus refunded in the current period, from all three pools
	Period      Credits   // left of the current period's grant
	Extra       Credits   // non-recurring credits, used after the period's are gone; never expire
	Unmetered   Credits   // zero or negative: what was spent without limit, over all time
	PeriodStart time.Time // inclusive; zero before the first period was opened
	PeriodEnd   time.Time // exclusive
}

// EntryKind says why a ledger entry was written.
type EntryKind string

// The kinds of ledger entries.
const (
	EntryCharge EntryKind = "charge" // a message was accepted
	EntryRefund EntryKind = "refund" // a message failed; at most one per message
	EntryGrant  EntryKind = "grant"  // a period began, and its credits were granted
	EntryExpire EntryKind = "expire" // a period ended, and what was left of it is gone
	EntryAdjust EntryKind = "adjust" // an operator changed the credits

	// EntryCarried stands for the charges and refunds of a period whose messages are
	// not kept any more; it is as old as the latest of them.
	EntryCarried EntryKind = "carried"
)

// Entry is one line of the append-only ledger: what changed in each pool, and
// what each held afterwards. Together a workspace's entries explain its Balance.
type Entry struct {
	ID          int64     // set by storage; grows with time within a workspace
	WorkspaceID int64     //
	At          time.Time //
	Kind        EntryKind //
	MessageID   int64     // the message charged or refunded; 0 otherwise
	Period      Credits   // change of Balance.Period
	Extra       Credits   // change of Balance.Extra
	Unmetered   Credits   // change of Balance.Unmetered
	After       Balance   // only Period, Extra and Unmetered are kept
	Note        string    // who or what caused it, for people
}

// Available is what can be spent now; Unlimited when unmetered.
func (b *Balance) Available() Credits {
	if b.Granted == Unlimited {
		return Unlimited
	}
	return b.Period + b.Extra
}

// Charge takes cost for one message and gives the entry that explains it, or
// false, leaving b as it was, when there is not enough. Open the period first.
func (b *Balance) Charge(cost Credits, messageID int64, at time.Time) (Entry, bool) {
	e := Entry{At: at, Kind: EntryCharge, MessageID: messageID}
	if b.Granted == Unlimited {
		e.Unmetered = -cost
	} else {
		if b.Period+b.Extra < cost {
			return Entry{}, false
		}
		e.Period = -min(cost, b.Period)
		e.Extra = -(cost + e.Period)
	}
	b.Used += cost
	return b.apply(e), true
}

// Refund undoes a charge. Credits go back to the pool that paid, except that
// period credits whose period is over come back as non-recurring ones: they
// were paid for and must not vanish with a period that no longer exists.
// A message always gives back all that it cost, also when the grant was lowered
// since: then more may be left of the period than the new grant less Used, but
// never more than the period's largest grant.
//
// It does not know whether the message was refunded before; storage makes sure
// of that with a unique index in the same transaction.
func (b *Balance) Refund(charge Entry, at time.Time) Entry {
	e := Entry{At: at, Kind: EntryRefund, MessageID: charge.MessageID, Extra: -charge.Extra, Unmetered: -charge.Unmetered}
	if !charge.At.Before(b.PeriodStart) && b.Granted != Unlimited {
		e.Period = -charge.Period
	} else {
		e.Extra -= charge.Period
	}
	if !charge.At.Before(b.PeriodStart) {
		b.Used = max(0, b.Used+charge.Period+charge.Extra+charge.Unmetered)
	}
	return b.apply(e)
}

// OpenPeriod makes b current for the time now: when the period that b knows is
// over (or there was none), what is left of it expires and the new one's grant
// is added. It gives the entries, none when the period is still running. The
// periods that passed in between without a message leave no trace. loc may be
// another zone than last time: see PeriodAfter.
func (b *Balance) OpenPeriod(now time.Time, loc *time.Location, grant Credits) []Entry {
	if !b.PeriodEnd.IsZero() && now.Before(b.PeriodEnd) {
		return nil
	}
	start, end := PeriodAfter(b.PeriodEnd, now, loc)
	var entries []Entry
	if b.Period > 0 {
		entries = append(entries, b.apply(Entry{At: now, Kind: EntryExpire, Period: -b.Period, Note: "period ended"}))
	}
	b.PeriodStart, b.PeriodEnd, b.Granted, b.Used = start, end, grant, 0
	e := Entry{At: now, Kind: EntryGrant, Note: "period " + end.AddDate(0, 0, -1).Format("2006-01")}
	if grant != Unlimited {
		e.Period = grant
	}
	return append(entries, b.apply(e))
}

// SetGrant changes the credits of the running period to grant: what was used
// in it stays used, so lowering the grant below that leaves nothing to spend
// and raising it again gives back only the difference. Messages that fail later
// still give back what they took; see Refund.
func (b *Balance) SetGrant(grant Credits, at time.Time, note string) Entry {
	e := Entry{At: at, Kind: EntryAdjust, Note: note, Period: -b.Period}
	b.Granted = grant
	if grant != Unlimited {
		e.Period = max(0, grant-b.Used) - b.Period
	}
	return b.apply(e)
}

// AddExtra adds non-recurring credits; a negative n takes at most what is there.
func (b *Balance) AddExtra(n Credits, at time.Time, note string) Entry {
	return b.apply(Entry{At: at, Kind: EntryAdjust, Extra: max(n, -b.Extra), Note: note})
}

// apply moves the pools by e and notes in e what they hold afterwards.
func (b *Balance) apply(e Entry) Entry {
	b.Period += e.Period
	b.Extra += e.Extra
	b.Unmetered += e.Unmetered
	e.After = Balance{Period: b.Period, Extra: b.Extra, Unmetered: b.Unmetered}
	return e
}

// Period gives the calendar month in loc that holds now: start inclusive, end
// exclusive, both UTC instants of local midnight.
func Period(now time.Time, loc *time.Location) (start, end time.Time) {
	local := now.In(loc)
	start = time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, loc)
	return start, time.Date(local.Year(), local.Month()+1, 1, 0, 0, 0, 0, loc)
}

// shortRest is more than two time zones can lie apart (26 hours) and much less
// than a month.
const shortRest = 48 * time.Hour

// PeriodAfter gives the period that holds now and follows one that ended at
// last, which must not be after now; the zero time = there was none. It is the
// calendar month in loc, except when the time zone changed during the period
// before. Then it starts where that ended, so that no moment belongs to both.
// And when the month that was granted already goes on in loc for some hours,
// they belong to the following month's period: no month is granted twice.
func PeriodAfter(last, now time.Time, loc *time.Location) (start, end time.Time) {
	start, end = Period(now, loc)
	if last.IsZero() || !start.Before(last) {
		return start, end
	}
	if end.Sub(last) < shortRest {
		_, end = Period(end, loc)
	}
	return last.In(loc), end
}
