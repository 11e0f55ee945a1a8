package usage

import (
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The chart's measures, in units of its own.
const (
	chartWidth  = 720
	chartHeight = 200
	chartLeft   = 56 // for the numbers at the side
	chartRight  = 20 // for the half of the last day that stands over
	chartTop    = 12
	chartFoot   = 24 // for the days below
	dayLabels   = 8  // at most so many, so that they don't touch
)

// chart is credits by day, drawn.
type chart struct {
	Width, Height    int
	Left, Right      int
	Base             int // where the columns stand
	Days             []column
	Lines            []line
	Charged, Refunds tideline.Credits // of all days
}

// column is one day.
type column struct {
	store.Spent
	Date         string  // for machines
	X, Width     float64 // of the columns
	Y, H         float64 // of what was charged
	BackY, BackH float64 // of what was given back, drawn upon it
	Middle       float64
	Label        bool // has room for its name
}

// line is a level with its number.
type line struct {
	Y      float64
	Amount tideline.Credits
}

// newChart draws days.
func newChart(days []store.Spent) chart {
	c := chart{Width: chartWidth, Height: chartHeight, Left: chartLeft, Right: chartWidth - chartRight, Base: chartHeight - chartFoot}
	highest := tideline.Credits(0)
	for i := range days {
		c.Charged += days[i].Charged
		c.Refunds += days[i].Refunded
		highest = max(highest, days[i].Charged, days[i].Refunded)
	}
	step := niceStep(highest)
	top := step * ((highest + step - 1) / step)
	top = max(top, step)
	room := float64(c.Base - chartTop)
	height := func(n tideline.Credits) float64 { return tenth(float64(n) / float64(top) * room) }
	for n := tideline.Credits(0); n <= top; n += step {
		c.Lines = append(c.Lines, line{Y: float64(c.Base) - height(n), Amount: n})
	}
	if len(days) == 0 {
		return c
	}
	slot := float64(c.Right-c.Left) / float64(len(days))
	every := (len(days) + dayLabels - 1) / dayLabels
	for i, d := range days {
		x := float64(c.Left) + slot*float64(i)
		col := column{Spent: d, Date: dayOf(d.Day), X: tenth(x + slot*0.12), Width: tenth(slot * 0.76), Middle: tenth(x + slot/2),
			H: height(d.Charged), BackH: height(d.Refunded), Label: (len(days)-1-i)%every == 0}
		col.Y, col.BackY = float64(c.Base)-col.H, float64(c.Base)-col.BackH
		c.Days = append(c.Days, col)
	}
	return c
}

// niceStep gives the distance of the levels: 1, 2 or 5 times a power of ten, so
// that there are at most five.
func niceStep(highest tideline.Credits) tideline.Credits {
	for unit := tideline.Credits(1); ; unit *= 10 {
		for _, n := range []tideline.Credits{1, 2, 5} {
			if unit*n*4 >= highest {
				return unit * n
			}
		}
	}
}

// tenth rounds to a tenth of a unit, which nobody sees and keeps the page small.
func tenth(x float64) float64 { return float64(int64(x*10+0.5)) / 10 }

// Short is the day of the month.
func (c column) Short() int { return c.Day.Day() }

// Month is the key of the month's name.
func (c column) Month() int { return int(c.Day.Month()) }

// Noon is a moment of the day for functions that show days.
func (c column) Noon() time.Time { return c.Day.Add(12 * time.Hour) }
