package tideline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// sums adds up the columns of entries.
func sums(entries []tideline.Entry) (s tideline.Balance) {
	for _, e := range entries {
		s.Period += e.Period
		s.Extra += e.Extra
		s.Unmetered += e.Unmetered
	}
	return s
}

// pools is what of b the ledger explains.
func pools(b tideline.Balance) tideline.Balance {
	return tideline.Balance{Period: b.Period, Extra: b.Extra, Unmetered: b.Unmetered}
}

func TestBalanceIsTheSumOfItsEntriesAndNeverNegative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var b tideline.Balance
		var entries, charges []tideline.Entry
		now, loc := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC
		grants := rapid.SampledFrom([]tideline.Credits{tideline.Unlimited, 0, 1, 2, 7, 100})
		grant := grants.Draw(rt, "first grant")
		var largest tideline.Credits // grant of the period; an unlimited one grants none
		open := func() {
			before := b
			opened := b.OpenPeriod(now, loc, grant)
			if len(opened) > 0 {
				assertFollows(rt, before, b)
				largest = max(0, grant)
			}
			entries = append(entries, opened...)
		}
		open()
		rt.Repeat(map[string]func(*rapid.T){
			"charge": func(rt *rapid.T) {
				cost := tideline.Credits(rapid.IntRange(1, 2).Draw(rt, "cost"))
				before := b
				e, ok := b.Charge(cost, int64(len(charges)+1), now)
				affordable := before.Granted == tideline.Unlimited || before.Period+before.Extra >= cost
				if ok != affordable {
					rt.Fatalf("a charge of %d from %+v: %v", cost, before, ok)
				}
				if !ok {
					if b != before {
						rt.Fatalf("a refused charge changed %+v to %+v", before, b)
					}
					return
				}
				if e.Period+e.Extra+e.Unmetered != -cost {
					rt.Fatalf("a charge of %d took %+v", cost, e)
				}
				if e.Extra < 0 && b.Period != 0 {
					rt.Fatalf("extra credits were used while the period had %d", b.Period)
				}
				entries, charges = append(entries, e), append(charges, e)
			},
			"refund": func(rt *rapid.T) {
				if len(charges) == 0 {
					return
				}
				i := rapid.IntRange(0, len(charges)-1).Draw(rt, "charge")
				e := b.Refund(charges[i], now)
				if e.Period+e.Extra+e.Unmetered != -(charges[i].Period + charges[i].Extra + charges[i].Unmetered) {
					rt.Fatalf("the charge %+v was refunded as %+v", charges[i], e)
				}
				entries = append(entries, e)
				charges = append(charges[:i], charges[i+1:]...)
			},
			"grant": func(rt *rapid.T) {
				grant = grants.Draw(rt, "grant")
				largest = max(largest, grant)
				entries = append(entries, b.SetGrant(grant, now, ""))
				if want := max(0, grant-b.Used); b.Period != want {
					rt.Fatalf("%d left under a grant of %d with %d used, want %d", b.Period, grant, b.Used, want)
				}
			},
			"extra": func(rt *rapid.T) {
				entries = append(entries, b.AddExtra(tideline.Credits(rapid.IntRange(-9, 9).Draw(rt, "extra")), now, ""))
			},
			"time": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(rt, "hours")) * time.Hour)
				open()
			},
			"zone": func(rt *rapid.T) { loc = drawZone(rt) },
			"": func(rt *rapid.T) {
				var used tideline.Credits
				for _, c := range charges { // those that were not refunded
					if !c.At.Before(b.PeriodStart) {
						used -= c.Period + c.Extra + c.Unmetered
					}
				}
				if b.Used != used {
					rt.Fatalf("%d used, the charges of the period are %d", b.Used, used)
				}
				if diff := cmp.Diff(sums(entries), pools(b)); diff != "" {
					rt.Fatalf("balance differs from the sum of its entries (-sum +balance):\n%s", diff)
				}
				if last := entries[len(entries)-1]; last.After != pools(b) {
					rt.Fatalf("the last entry ends at %+v, the balance is %+v", last.After, b)
				}
				if b.Period < 0 || b.Extra < 0 || b.Unmetered > 0 || b.Used < 0 {
					rt.Fatalf("impossible balance %+v", b)
				}
				if b.Period > largest {
					rt.Fatalf("%d left of a period that granted at most %d", b.Period, largest)
				}
				if now.Before(b.PeriodStart) || !now.Before(b.PeriodEnd) {
					rt.Fatalf("%s is not in the period of %+v", now, b)
				}
			},
		})
	})
}

// drawZone draws from zones that lie up to 26 hours apart.
func drawZone(rt *rapid.T) *time.Location {
	zones := []string{"UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "Pacific/Apia"}
	loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(rt, "zone"))
	if err != nil {
		rt.Fatal(err)
	}
	return loc
}

// assertFollows fails the test when two periods overlap, or when a month was
// granted for a rest of it.
func assertFollows(rt *rapid.T, before, after tideline.Balance) {
	const day = 24 * time.Hour
	if after.PeriodStart.Before(before.PeriodEnd) {
		rt.Fatalf("a period from %s overlaps one until %s", after.PeriodStart, before.PeriodEnd)
	}
	if d := after.PeriodEnd.Sub(after.PeriodStart); d < 26*day || d > 33*day {
		rt.Fatalf("the period from %s until %s lasts %s", after.PeriodStart, after.PeriodEnd, d)
	}
}

func TestAPeriodAfterAChangeOfTheTimeZone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, zone, now, start, end, note string }{
		{"eastward it starts where the last one ended", "Asia/Tokyo",
			"2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-31T15:00:00Z", "period 2026-12"},
		{"westward it takes the last hours of the old month in", "America/New_York",
			"2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T05:00:00Z", "period 2026-12"},
		{"westward a first message after these hours meets a plain month", "America/New_York",
			"2026-12-01T05:00:00Z", "2026-12-01T05:00:00Z", "2027-01-01T05:00:00Z", "period 2026-12"},
		{"months later nothing is left of the change", "Asia/Tokyo",
			"2027-02-10T00:00:00Z", "2027-01-31T15:00:00Z", "2027-02-28T15:00:00Z", "period 2027-02"},
	} {
		loc, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		var b tideline.Balance
		b.OpenPeriod(time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC), time.UTC, 10)
		entries := b.OpenPeriod(now, loc, 10)
		got := []string{b.PeriodStart.UTC().Format(time.RFC3339), b.PeriodEnd.UTC().Format(time.RFC3339), entries[len(entries)-1].Note}
		if diff := cmp.Diff([]string{test.start, test.end, test.note}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestARefundInTheSamePeriodUndoesTheCharge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 23, 59, 59, 0, time.UTC)
	for name, b := range map[string]tideline.Balance{
		"period":    {Granted: 10, Period: 5, Used: 5, Extra: 3},
		"both":      {Granted: 10, Period: 1, Used: 9, Extra: 3},
		"extra":     {Granted: 10, Period: 0, Used: 10, Extra: 3},
		"unlimited": {Granted: tideline.Unlimited, Unmetered: -4, Used: 4, Extra: 3},
	} {
		b.PeriodStart, b.PeriodEnd = tideline.Period(now, time.UTC)
		before := b
		charge, ok := b.Charge(2, 1, now)
		if !ok {
			t.Fatalf("%s: the charge was refused", name)
		}
		b.Refund(charge, now)
		if diff := cmp.Diff(before, b); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}

func TestARefundOfAPastPeriodBecomesNonRecurring(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	var b tideline.Balance
	b.OpenPeriod(now, time.UTC, 10)
	charge, _ := b.Charge(2, 1, now)
	now = now.AddDate(0, 0, 1)
	b.OpenPeriod(now, time.UTC, 10)
	b.Refund(charge, now)
	want := tideline.Balance{Granted: 10, Period: 10, Extra: 2, PeriodStart: b.PeriodStart, PeriodEnd: b.PeriodEnd}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("balance (-want +got):\n%s", diff)
	}
}

func TestChangingTheGrantBackAndForthGivesNothingAway(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	var b tideline.Balance
	b.OpenPeriod(now, time.UTC, 10)
	b.Charge(2, 1, now)
	for _, grant := range []tideline.Credits{1, 2, 0, tideline.Unlimited, 10} {
		b.SetGrant(grant, now, "")
	}
	if b.Period != 8 {
		t.Errorf("%d left of 10 after 2 were used, want 8", b.Period)
	}
}

func TestARefundIsWholeAlthoughTheGrantWasLowered(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	var b tideline.Balance
	b.OpenPeriod(now, time.UTC, 10)
	charge, _ := b.Charge(2, 1, now)
	b.SetGrant(1, now, "")
	if b.Period != 0 {
		t.Errorf("%d left after the grant was lowered below what was used", b.Period)
	}
	b.Refund(charge, now)
	if b.Period != 2 || b.Used != 0 {
		t.Errorf("%d left and %d used after the refund, want 2 and 0", b.Period, b.Used)
	}
}

func TestAPeriodIsACalendarMonthOfTheTimeZone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ zone, now, start, end string }{
		{"UTC", "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"Asia/Tokyo", "2026-02-28T15:00:00Z", "2026-02-28T15:00:00Z", "2026-03-31T15:00:00Z"},
		{"America/New_York", "2026-03-15T00:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"}, // summer time begins in between
	} {
		loc, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		start, end := tideline.Period(now, loc)
		got := []string{start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)}
		if diff := cmp.Diff([]string{test.start, test.end}, got); diff != "" {
			t.Errorf("the period of %s in %s (-want +got):\n%s", test.now, test.zone, diff)
		}
	}
}

func TestPeriodsFollowEachOtherWithoutAGap(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo"}
	rapid.Check(t, func(rt *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(rt, "zone"))
		if err != nil {
			rt.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "now"), 0)
		start, end := tideline.Period(now, loc)
		if now.Before(start) || !now.Before(end) {
			rt.Fatalf("%s is not between %s and %s", now, start, end)
		}
		if next, _ := tideline.Period(end, loc); !next.Equal(end) {
			rt.Fatalf("a period ends at %s, the next begins at %s", end, next)
		}
		if again, _ := tideline.Period(end.Add(-time.Millisecond), loc); !again.Equal(start) {
			rt.Fatalf("the last moment of the period belongs to that of %s", again)
		}
	})
}

func TestCostCountsTextsWithFilesTwice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		file bool
		want tideline.Credits
	}{{"hi", false, 1}, {"", true, 1}, {"hi", true, 2}, {"", false, 1}} {
		if got := tideline.Cost(test.text, test.file); got != test.want {
			t.Errorf("Cost(%q, %v) = %d, want %d", test.text, test.file, got, test.want)
		}
	}
}
