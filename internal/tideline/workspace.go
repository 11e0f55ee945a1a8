package tideline

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Workspace is a tenant.
type Workspace struct {
	ID          int64
	Slug        string // its id on the wire: lower-case letters, digits and dashes, at most 30
	DisplayName string
	TimeZone    string         // IANA name; decides period borders and shown timestamps
	Zone        *time.Location // TimeZone, resolved by whoever read the workspace; nil = not yet
	Plan        Plan           // what it may do; resolved, never empty
	Credits     *Credits       // credits per period when they differ from the plan's; nil = the plan's
	Gap         Gap
	CreatedAt   time.Time
}

// Grant is the workspace's credits per period: its own figure, else its plan's.
func (w *Workspace) Grant() Credits {
	if w.Credits != nil {
		return *w.Credits
	}
	return w.Plan.Credits
}

// Location gives the workspace's time zone; UTC when its name is unknown on
// this machine. Resolving a name reads a file, so Zone keeps the answer.
func (w *Workspace) Location() *time.Location {
	if w.Zone != nil {
		return w.Zone
	}
	loc, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// Plan is what a workspace may do. Plans are data: rows that an operator can
// change and add to.
type Plan struct {
	Name          string  // e.g. "self-hosted"
	Credits       Credits // message credits per period; Unlimited
	APICalls      int64   // public API calls per period; -1 = unlimited
	Seats         int     // members; -1 = unlimited
	Webhooks      int     // subscriptions; -1 = unlimited
	MaxFileBytes  int64   // largest upload in bytes
	API           bool    // the public API may be used
	Attachments   bool    // files may be sent
	GapAdjustable bool    // the sending gap may be changed
}

// DefaultPlan is the name of the plan that a new workspace gets.
const DefaultPlan = "self-hosted"

// Gap is the range from which the pause between two sends of one account is
// drawn, uniformly, both ends inclusive, in whole milliseconds.
type Gap struct {
	Min, Max time.Duration
}

// DefaultGap has a mean of two seconds.
var DefaultGap = Gap{Min: time.Second, Max: 3 * time.Second}

// MaxGap bounds what a gap may be set to: a day.
const MaxGap = 24 * time.Hour

// ParseGap reads "1s-3s", or "2s" for a fixed pause.
func ParseGap(s string) (Gap, error) {
	lo, hi, ranged := strings.Cut(s, "-")
	if !ranged {
		hi = lo
	}
	minGap, err1 := time.ParseDuration(strings.TrimSpace(lo))
	maxGap, err2 := time.ParseDuration(strings.TrimSpace(hi))
	g := Gap{Min: minGap, Max: maxGap}
	if err1 != nil || err2 != nil || g.Check() != nil {
		return Gap{}, Errorf(CodeValidation, "gap %q is not a range such as 1s-3s: it needs two durations from 0s to 24h, the smaller first", s)
	}
	return g, nil
}

// Check reports whether g is a range that can be drawn from.
func (g Gap) Check() error {
	if g.Min < 0 || g.Max < g.Min || g.Max > MaxGap {
		return Errorf(CodeValidation, "gap must be a range from 0s to 24h, the smaller end first")
	}
	return nil
}

// Draw gives one gap; n must give a uniform number in [0, n), as
// (*rand.Rand).Int64N does.
func (g Gap) Draw(n func(int64) int64) time.Duration {
	span := (g.Max - g.Min).Milliseconds()
	return g.Min + time.Duration(n(span+1))*time.Millisecond
}

// Mean is the middle of the range.
func (g Gap) Mean() time.Duration { return (g.Min + g.Max) / 2 }

// String gives the form that ParseGap reads.
func (g Gap) String() string { return fmt.Sprintf("%s-%s", g.Min, g.Max) }

var slugPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$`)

// CheckSlug reports whether s can name a workspace.
func CheckSlug(s string) error {
	if !slugPattern.MatchString(s) {
		return Errorf(CodeValidation, "workspace %q: use 1 to 30 lower-case letters, digits and inner dashes", s)
	}
	return nil
}

// CheckTimeZone reports whether name is a time zone that this machine knows.
// "Local" is none: it would mean something else on the next machine.
func CheckTimeZone(name string) error {
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		return Errorf(CodeValidation, "time zone %q is unknown: use an IANA name such as Europe/Berlin or UTC", name)
	}
	return nil
}
