package tideline_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestParseGapReadsRanges(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]tideline.Gap{
		"1s-3s":        {Min: time.Second, Max: 3 * time.Second},
		"2s":           {Min: 2 * time.Second, Max: 2 * time.Second},
		" 500ms - 1m ": {Min: 500 * time.Millisecond, Max: time.Minute},
		"0s-24h":       {Max: 24 * time.Hour},
		"0s":           {},
	} {
		got, err := tideline.ParseGap(in)
		if err != nil || got != want {
			t.Errorf("ParseGap(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "fast", "3s-1s", "1s-", "-1s", "1s-2s-3s", "1s-25h", "5"} {
		if got, err := tideline.ParseGap(in); tideline.ErrorCode(err) != tideline.CodeValidation {
			t.Errorf("ParseGap(%q) = %v, %v; want a validation error", in, got, err)
		}
	}
}

// anyGap draws a range that can be drawn from, in whole milliseconds.
func anyGap(rt *rapid.T) tideline.Gap {
	lo := rapid.Int64Range(0, tideline.MaxGap.Milliseconds()).Draw(rt, "min")
	hi := rapid.Int64Range(lo, tideline.MaxGap.Milliseconds()).Draw(rt, "max")
	return tideline.Gap{Min: time.Duration(lo) * time.Millisecond, Max: time.Duration(hi) * time.Millisecond}
}

func TestAGapIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		g := anyGap(rt)
		if got, err := tideline.ParseGap(g.String()); err != nil || got != g {
			rt.Fatalf("%v is read as %v, %v", g, got, err)
		}
	})
}

func TestADrawnGapIsInItsRange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		g := anyGap(rt)
		draw := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)).Int64N
		for range 20 {
			if d := g.Draw(draw); d < g.Min || d > g.Max || d%time.Millisecond != 0 {
				rt.Fatalf("%s was drawn from %v", d, g)
			}
		}
		lowest := g.Draw(func(int64) int64 { return 0 })
		highest := g.Draw(func(n int64) int64 { return n - 1 })
		if lowest != g.Min || highest != g.Max {
			rt.Fatalf("%v gives %s to %s", g, lowest, highest)
		}
	})
}

func TestTheDefaultGapHasAMeanOfTwoSeconds(t *testing.T) {
	t.Parallel()
	if got := tideline.DefaultGap.Mean(); got != 2*time.Second {
		t.Errorf("mean %s", got)
	}
	draw := rand.New(rand.NewPCG(1, 2)).Int64N
	var sum time.Duration
	const n = 20_000
	for range n {
		sum += tideline.DefaultGap.Draw(draw)
	}
	if mean := sum / n; mean < 1980*time.Millisecond || mean > 2020*time.Millisecond {
		t.Errorf("mean of %d drawn gaps: %s", n, mean)
	}
}

func TestSlugsAreSafeInURLs(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", "shop", "shop-2", "0", strings.Repeat("a", 30)} {
		if err := tideline.CheckSlug(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "-", "-a", "a-", "Shop", "a b", "a.b", "a/b", "ä", "a\n", strings.Repeat("a", 31)} {
		if err := tideline.CheckSlug(s); tideline.ErrorCode(err) != tideline.CodeValidation {
			t.Errorf("%q: %v, want a validation error", s, err)
		}
	}
}

func TestAWorkspacesOwnCreditsBeatItsPlans(t *testing.T) {
	t.Parallel()
	own := tideline.Credits(0)
	w := tideline.Workspace{Plan: tideline.Plan{Credits: 500}}
	if w.Grant() != 500 {
		t.Errorf("grant of the plan: %d", w.Grant())
	}
	w.Credits = &own
	if w.Grant() != 0 {
		t.Errorf("own grant: %d", w.Grant())
	}
}

func TestAnUnknownTimeZoneIsUTC(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"", "UTC", "Mars/Olympus"} {
		if loc := (&tideline.Workspace{TimeZone: zone}).Location(); loc != time.UTC {
			t.Errorf("%q is %v", zone, loc)
		}
	}
	if loc := (&tideline.Workspace{TimeZone: "Asia/Tokyo"}).Location(); loc.String() != "Asia/Tokyo" {
		t.Errorf("Tokyo is %v", loc)
	}
}

func TestATimeZoneMustMeanTheSameEverywhere(t *testing.T) {
	t.Parallel()
	for zone, good := range map[string]bool{"UTC": true, "Europe/Berlin": true, "": false, "Local": false, "Mars/Olympus": false, "../etc": false} {
		if err := tideline.CheckTimeZone(zone); (err == nil) != good || err != nil && !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("CheckTimeZone(%q) = %v", zone, err)
		}
	}
}

func TestAGrantIsACountOrUnlimited(t *testing.T) {
	t.Parallel()
	for grant, good := range map[tideline.Credits]bool{tideline.Unlimited: true, 0: true, 500: true, -2: false} {
		if err := tideline.CheckGrant(grant); (err == nil) != good || err != nil && !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("CheckGrant(%d) = %v", grant, err)
		}
	}
}
