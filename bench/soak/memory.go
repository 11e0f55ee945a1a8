package main

import (
	"time"

	"github.com/tidelinehq/tideline/bench/internal/goals"
)

// sample is a look at the server's process.
type sample struct {
	At         time.Time `json:"-"`
	Life       int       `json:"-"`    // how many servers there were before it
	Heap       int64     `json:"heap"` // live bytes after a collection
	RSS        int64     `json:"rss"`
	Goroutines int       `json:"goroutines"`
	Kept       int       `json:"-"` // messages that the client library keeps in memory, see keptByLibrary
}

// trend is how the live heap of one server went.
type trend struct {
	Samples    int     `json:"heap_samples"`
	Minutes    float64 `json:"heap_minutes"`
	Mean       float64 `json:"heap_mean_kib"`
	Slope      float64 `json:"heap_slope_kib_per_minute"`
	Percent    float64 `json:"heap_slope_percent_per_minute"`
	Raw        float64 `json:"heap_slope_raw_kib_per_minute"` // with what the library keeps
	Judged     bool    `json:"heap_judged"`                   // long enough to say something
	Flat       bool    `json:"heap_flat"`
	Goroutines int     `json:"goroutines_growth"` // last sample − first sample
	RSS        float64 `json:"rss_mib"`           // at the end
}

// What counts as flat: a line through the samples that rises by at most
// its goal a minute, over at least judgedFor. Rows grow the database and not
// the heap; what may grow is bounded by the number of accounts and contacts, and
// the first half of a run has filled it.
//
// The library keeps the last 256 messages of each account in memory (whatsmeow
// retry.go, recentMessagesSize), of which a profile of the heap shows keptKiB
// each. With hundreds of accounts that takes longer to fill than a run lasts, so
// it is counted and taken off.
const (
	keptByLibrary = 256
	keptKiB       = 1.75

	judgedFor = 90 * time.Second
)

// trendOf fits a line, by least squares, to the samples of the last server that
// were taken after from.
func trendOf(all []sample, from time.Time) trend {
	var t trend
	if len(all) == 0 {
		return t
	}
	life := all[len(all)-1].Life
	var of []sample
	for _, s := range all {
		if s.Life == life && !s.At.Before(from) {
			of = append(of, s)
		}
	}
	t.Samples = len(of)
	if len(of) < 2 {
		return t
	}
	first, last := of[0], of[len(of)-1]
	t.Mean, t.Raw = line(of, func(s sample) float64 { return float64(s.Heap) / 1024 })
	_, t.Slope = line(of, func(s sample) float64 { return float64(s.Heap)/1024 - keptKiB*float64(s.Kept) })
	t.Percent = 100 * t.Slope / t.Mean
	t.Minutes = last.At.Sub(first.At).Minutes()
	t.Judged = last.At.Sub(first.At) >= judgedFor
	t.Flat = goals.Of("soak", "heap_slope_percent_per_minute").Met(t.Percent)
	t.Goroutines = last.Goroutines - first.Goroutines
	t.RSS = float64(last.RSS) / (1 << 20)
	return t
}

// line gives the mean of the samples and the slope, per minute, of the line
// through them.
func line(of []sample, value func(sample) float64) (mean, slope float64) {
	var sx, sy, sxx, sxy float64
	for _, s := range of {
		x, y := s.At.Sub(of[0].At).Minutes(), value(s)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	n := float64(len(of))
	if d := n*sxx - sx*sx; d > 0 {
		slope = (n*sxy - sx*sy) / d
	}
	return sy / n, slope
}
