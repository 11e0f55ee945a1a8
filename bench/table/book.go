package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/bench/internal/goals"
)

// book is docs/performance.json: the figures of the last run of each benchmark.
type book struct {
	Machine machine            `json:"machine"` // on which a benchmark was last run
	Results map[string]*result `json:"results"` // by key
}

// result is one run of one benchmark.
type result struct {
	Date    string  `json:"date"`   // 2026-11-23
	Commit  string  `json:"commit"` // with "+" when files had been changed since
	Command string  `json:"command"`
	Quick   bool    `json:"quick,omitzero"`
	Seconds float64 `json:"seconds"`
	// Busy is how many cores worked during the second before: what else the machine
	// was doing.
	Busy    float64        `json:"busy_before"`
	Error   string         `json:"error,omitzero"` // "" = it ended well
	Figures map[string]any `json:"figures,omitzero"`
}

// key is a result's place in the book.
func key(run string, d goals.Database) string { return run + "/" + string(d) }

// figure gives what a benchmark printed under a key; false when it didn't.
func (r *result) figure(key string) (float64, bool) {
	if r == nil {
		return 0, false
	}
	v, ok := r.Figures[key].(float64)
	return v, ok
}

func readBook(path string) (*book, error) {
	b := &book{Results: map[string]*result{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal(text, b)
	}
	if err != nil {
		return nil, fmt.Errorf("read the figures: %w", err)
	}
	return b, nil
}

// put enters a result, unless that would replace a whole run by a quick one.
func (b *book) put(run string, d goals.Database, r *result) {
	old := b.Results[key(run, d)]
	if r.Quick && old != nil && !old.Quick && old.Error == "" {
		return
	}
	b.Results[key(run, d)] = r
}

// write replaces the file.
func (b *book) write(path string) error {
	text, err := json.Marshal(b, jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil { //nolint:gosec // it is a document
		return err
	}
	return os.Rename(next, path)
}
