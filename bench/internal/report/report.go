// Package report prints what a benchmark measured as one flat JSON object.
package report

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Add puts the fields of row, a struct, into all. When a benchmark measures the
// same at several sizes, size is appended to each key: "durable_over_null_64";
// 0 appends nothing.
func Add(all map[string]any, row any, size int) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	for key, value := range fields {
		if size != 0 {
			key = fmt.Sprintf("%s_%d", key, size)
		}
		all[key] = value
	}
	return nil
}

// Write prints all with its keys in alphabetical order.
func Write(w io.Writer, all map[string]any) error {
	if err := json.MarshalWrite(w, all, jsontext.WithIndent("  "), json.Deterministic(true)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
