package sqlstore

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The health of a webhook is asked for by an open page every few seconds, also
// while a million deliveries wait: each question reads from one end of one index.
func TestTheHealthOfAWebhookReadsEndsOfIndexes(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for index, queries := range map[string][]string{
		"deliveries_waiting": {countPending + `'waiting' LIMIT $3) AS p`, firstWaiting},
		"deliveries_aside":   {countPending + `'aside' LIMIT $3) AS p`, firstAside},
		"deliveries_log":     {lastArrived},
	} {
		for _, query := range queries {
			steps := explain(t, s.pool, query)
			if !slices.ContainsFunc(steps, func(step string) bool {
				return strings.Contains(step, "SEARCH d USING") && strings.Contains(step, index+" ")
			}) {
				t.Errorf("%s is not read from %s: %q", query, index, steps)
			}
			if slices.ContainsFunc(steps, func(step string) bool { return strings.Contains(step, "TEMP B-TREE") }) {
				t.Errorf("%s is sorted: %q", query, steps)
			}
		}
	}
}
