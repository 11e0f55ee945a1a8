package histogram_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/bench/internal/histogram"
)

func TestQuantilesAreThoseOfTheSortedListWithinOnePercent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(int64(2*time.Microsecond), int64(900*time.Second)), 1, 300).Draw(t, "durations")
		var h histogram.Histogram
		for _, d := range list {
			h.Add(time.Duration(d))
		}
		slices.Sort(list)
		for _, percent := range []int{1, 50, 95, 99, 100} {
			// The smallest of those that at least so many do not exceed.
			want := time.Duration(list[(percent*len(list)+99)/100-1])
			got := h.Quantile(float64(percent) / 100)
			if got < want || float64(got) > 1.011*float64(want) {
				t.Errorf("p%d of %v is %s, want %s", percent, list, got, want)
			}
		}
		if h.N() != len(list) {
			t.Errorf("%d counted, want %d", h.N(), len(list))
		}
	})
}

func TestWhatIsBeyondTheBucketsIsCounted(t *testing.T) {
	t.Parallel()
	var h histogram.Histogram
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, 2000 * time.Second} {
		h.Add(d)
	}
	if s := h.Spread(); s.N != 4 || s.Max != 2_000_000 || s.P50 > 0.001 {
		t.Errorf("%+v", s)
	}
	h.Reset()
	if s := h.Spread(); s != (histogram.Spread{}) {
		t.Errorf("after Reset: %+v", s)
	}
}
