package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// show prints a result: v as JSON with --json, else what human writes.
func (a *app) show(v any, human func(w io.Writer)) error {
	if !a.config.JSON {
		human(a.out)
		return nil
	}
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes rows in columns below a head.
func table(w io.Writer, head []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // as with Print, a closed output is not worth a word
}

// pairs writes names and values in two columns. Values that are "" are left out.
func pairs(w io.Writer, namesAndValues ...string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", namesAndValues[i], namesAndValues[i+1])
		}
	}
	_ = t.Flush()
}

// stamp shows an instant in a time zone; "" when there is none.
func stamp(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(loc).Format("2006-01-02 15:04:05 -0700")
}

// jsonTime is an instant in JSON: RFC 3339 in UTC, null when there is none.
type jsonTime struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t jsonTime) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().Round(time.Millisecond).MarshalJSON()
}

// limit shows a figure of which -1 means no limit.
func limit[N ~int | ~int64](n N) string {
	if n < 0 {
		return "unlimited"
	}
	return fmt.Sprint(int64(n))
}

// spendable shows what can be spent from a balance.
func spendable(b tideline.Balance) string { return limit(b.Available()) }
