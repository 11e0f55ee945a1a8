package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/tidelinehq/tideline/bench/internal/goals"
)

// The generated part of docs/performance.md is between these lines.
const (
	begin = "<!-- table: written by make bench; what is above and below is written by hand -->"
	end   = "<!-- end of the table -->"
)

// writeTable puts the table into a page.
func writeTable(path string, b *book) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	next, err := replace(string(page), render(b))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(next), 0o644) //nolint:gosec // it is a document
}

// replace puts text between the marks of a page.
func replace(page, text string) (string, error) {
	before, rest, found := strings.Cut(page, begin+"\n")
	_, after, foundEnd := strings.Cut(rest, end+"\n")
	if !found || !foundEnd {
		return "", fmt.Errorf("the lines %q and %q are not there", begin, end)
	}
	return before + begin + "\n" + text + end + "\n" + after, nil
}

// cell is what the table says of a figure on one database.
type cell struct {
	text    string
	verdict string // "", met or missed
}

const (
	met    = "met"
	missed = "**missed**"
)

func (b *book) cell(g goals.Goal, d goals.Database) cell {
	if !g.On(d) {
		return cell{text: "–"}
	}
	r := b.Results[key(g.Run, d)]
	value, measured := r.figure(g.Key)
	switch {
	case r == nil:
		return cell{text: "not measured"}
	case !measured && r.Error != "":
		return cell{text: "the run failed"}
	case !measured:
		return cell{text: "not told"}
	case r.Quick:
		return cell{text: g.Show(value) + " (quick)"}
	case g.Met(value):
		return cell{g.Show(value), met}
	default:
		return cell{"**" + g.Show(value) + "**", missed}
	}
}

// render makes the table, what it was measured with, and what explains misses.
func render(b *book) string {
	var s strings.Builder
	m := b.Machine
	if m.Date != "" {
		fmt.Fprintf(&s, "Machine: %d cores (%s), %.0f GiB, %.0f fsyncs of 4 KiB a second; %s, Go %s", m.Cores, orUnknown(m.CPU), m.MemoryGiB, m.Fsyncs, m.OS, m.Go)
		if m.PostgreSQL != "" {
			fmt.Fprintf(&s, ", PostgreSQL %s", m.PostgreSQL)
		}
		fmt.Fprintf(&s, "; looked at on %s.\n\n", m.Date)
	}
	s.WriteString("| figure | goal | SQLite | PostgreSQL | verdict | run |\n|---|---|---|---|---|---|\n")
	var misses []string
	for _, g := range goals.List() {
		lite, pg := b.cell(g, goals.SQLite), b.cell(g, goals.PostgreSQL)
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s | %s |\n", g.Text, g.Bound(), lite.text, pg.text, verdict(lite, pg), g.Run)
		if lite.verdict == missed {
			misses = append(misses, missLine(g, goals.SQLite))
		}
		if pg.verdict == missed {
			misses = append(misses, missLine(g, goals.PostgreSQL))
		}
	}
	s.WriteString("\nThe runs:\n\n| run | command | SQLite | PostgreSQL |\n|---|---|---|---|\n")
	for _, r := range goals.Runs() {
		fmt.Fprintf(&s, "| %s | `%s` | %s | %s |\n", r.ID, r.Command(), b.when(r, goals.SQLite), b.when(r, goals.PostgreSQL))
	}
	if len(misses) > 0 {
		s.WriteString("\nWhy what is missed is missed:\n\n")
		for _, line := range misses {
			s.WriteString(line)
		}
	}
	return s.String()
}

// verdict is that of both databases, SQLite's first.
func verdict(lite, pg cell) string {
	switch {
	case lite.verdict == pg.verdict || pg.verdict == "":
		return lite.verdict
	case lite.verdict == "":
		return pg.verdict
	default:
		return lite.verdict + " / " + pg.verdict
	}
}

func missLine(g goals.Goal, d goals.Database) string {
	why := goals.Misses()[g.ID+"/"+string(d)]
	if why == "" {
		why = "not explained yet; see bench/internal/goals/misses.go."
	}
	name := map[goals.Database]string{goals.SQLite: "SQLite", goals.PostgreSQL: "PostgreSQL"}[d]
	return fmt.Sprintf("- %s, on %s (%s): %s\n", g.Text, name, g.ID, why)
}

// muchOther is how many cores others may use without being mentioned.
const muchOther = 0.2

// when says when and on what sources a run was made.
func (b *book) when(run goals.Run, d goals.Database) string {
	if !run.On(d) {
		return "–"
	}
	r := b.Results[key(run.ID, d)]
	if r == nil {
		return "not yet"
	}
	text := fmt.Sprintf("%s, %s, %.0f s", r.Date, r.Commit, r.Seconds)
	if r.Quick {
		text += ", quick"
	}
	// A machine with other work to do shows what it had left.
	if r.Busy >= muchOther {
		text += fmt.Sprintf(", beside other work (%.1f cores)", r.Busy)
	}
	if r.Error != "" {
		text += ", **failed**: " + strings.ReplaceAll(strings.ReplaceAll(r.Error, "\n", " "), "|", "/")
	}
	return text
}

func orUnknown(s string) string {
	if s == "" {
		return "of unknown make"
	}
	return s
}
