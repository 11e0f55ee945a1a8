// Package goals is the list of what Tideline must reach, and of the benchmarks
// that show whether it does. It is the one place that has either: benchmarks print
// their goals from here, and bench/table makes the table of docs/performance.md of
// them.
package goals

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Database is what a benchmark ran on.
type Database string

// The databases. A Run that needs none is noted under the first.
const (
	SQLite     Database = "sqlite"
	PostgreSQL Database = "postgresql"
)

// Run is a benchmark with its arguments.
type Run struct {
	ID    string   // "accept"
	Bench string   // folder below bench/
	Args  []string // of the run that counts
	Quick []string // of one that only shows that it works
	Only  Database // "" = both
	// Bound ends a run that hangs.
	Bound time.Duration
}

// Command is how a person makes the run; database is left out of it.
func (r Run) Command() string {
	return strings.Join(append([]string{"go run ./bench/" + r.Bench}, r.Args...), " ")
}

// On says whether the run is made on a database.
func (r Run) On(d Database) bool { return r.Only == "" || r.Only == d }

// Goal is a figure and what it must reach.
type Goal struct {
	ID   string // unique: misses are explained under it
	Run  string // the Run that gives the figure
	Key  string // in the JSON object that the benchmark prints
	Text string // what the figure is
	// The figure must be at least Limit, or, unless AtLeast, at most. It is given in
	// Unit, which has Scale of what the benchmark prints; 0 = 1.
	Limit   float64
	AtLeast bool
	Unit    string
	Scale   float64
	Only    Database // "" = on whatever its Run is made
}

// On says whether the figure is measured on a database.
func (g Goal) On(d Database) bool { return (g.Only == "" || g.Only == d) && ByID(g.Run).On(d) }

// Met says whether a figure, as the benchmark prints it, reaches the goal.
func (g Goal) Met(value float64) bool {
	if g.AtLeast {
		return g.scaled(value) >= g.Limit
	}
	return g.scaled(value) <= g.Limit
}

// Bound is the goal as the table shows it: "≤ 10 KB".
func (g Goal) Bound() string {
	sign := "≤ "
	switch {
	case g.AtLeast:
		sign = "≥ "
	case g.Limit == 0:
		return "none"
	}
	return sign + withUnit(strconv.FormatFloat(g.Limit, 'f', -1, 64), g.Unit)
}

// Show gives a figure in the goal's unit, with as many digits as mean something.
func (g Goal) Show(value float64) string {
	v := g.scaled(value)
	digits := 0
	switch {
	case v == float64(int64(v)):
	case v < 0.1:
		digits = 4
	case v < 1:
		digits = 3
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	return withUnit(strconv.FormatFloat(v, 'f', digits, 64), g.Unit)
}

func (g Goal) scaled(value float64) float64 {
	if g.Scale == 0 {
		return value
	}
	return value / g.Scale
}

func withUnit(number, unit string) string {
	if unit == "" {
		return number
	}
	return number + " " + unit
}

// Words is what a benchmark prints beside a figure: "at least 0.28", "" for one
// that has no goal. bench is its folder.
func Words(bench, key string) string {
	for _, g := range List() {
		if g.Key != key || ByID(g.Run).Bench != bench {
			continue
		}
		limit := withUnit(strconv.FormatFloat(g.Limit, 'f', -1, 64), g.Unit)
		switch {
		case g.AtLeast:
			return "at least " + limit
		case g.Limit == 0:
			return "none"
		default:
			return "at most " + limit
		}
	}
	return ""
}

// Of gives the goal of a figure that a benchmark prints. One that has none is a
// mistake in the benchmark.
func Of(bench, key string) Goal {
	for _, g := range List() {
		if g.Key == key && ByID(g.Run).Bench == bench {
			return g
		}
	}
	panic(fmt.Sprintf("bench/%s has no goal for %s", bench, key))
}

// ByID gives a run; the zero one when there is none.
func ByID(id string) Run {
	for _, r := range Runs() {
		if r.ID == id {
			return r
		}
	}
	return Run{}
}
