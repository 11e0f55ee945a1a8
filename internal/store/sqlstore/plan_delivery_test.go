package sqlstore

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What is asked for every event and delivery must cost the same however many of
// them are kept: SQLite is asked how it would answer.
func TestDeliveriesNeverScanTheLog(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	queries := map[string]string{
		"waiting":    selectWithBodies + waitingInLine,
		"aside":      selectWithBodies + asideNow,
		"aside next": asideNext,
		"events":     `SELECT ` + eventColumns + ` FROM events e WHERE ` + eventsOfWorkspace,
		"next page":  `SELECT ` + eventColumns + ` FROM events e WHERE ` + eventsBehindCursor,
	}
	for name, m := range map[string]*multi{
		"event workspaces": selectEventWorkspaces, "event accounts": selectEventAccounts, "aliases": selectChatAliases,
		"event reactions": selectEventReactions, "kept reactions": selectKeptReactions, "webhooks": selectEnabledWebhooks,
		"endpoints": selectEndpoints, "in delivery": selectInDelivery, "update deliveries": updateDeliveries, "update delivered": updateDelivered,
		"announced downloads": announcedDownloads,
	} {
		queries[name] = m.texts[dialectSQLite][3]
	}
	for name, query := range queries {
		for _, detail := range explain(t, s.pool, query) {
			isValues := strings.Contains(detail, "CONSTANT ROW") || detail == "SCAN v" || strings.HasSuffix(detail, "-ROW VALUES CLAUSE")
			switch {
			case strings.HasPrefix(detail, "SCAN") && !isValues, strings.Contains(detail, "AUTOMATIC"):
				t.Errorf("%s: %s", name, detail)
			case name == "waiting" && strings.Contains(detail, "SEARCH d") && !strings.Contains(detail, "deliveries_waiting"),
				name == "aside" && strings.Contains(detail, "SEARCH d") && !strings.Contains(detail, "deliveries_aside"),
				strings.HasPrefix(name, "aside") && strings.Contains(detail, "TEMP B-TREE"):
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}

// explain gives the steps by which SQLite would answer a query.
func explain(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	n := strings.Count(query, "?")
	for strings.Contains(query, fmt.Sprintf("$%d", n+1)) {
		n++
	}
	args := make([]any, n)
	for i := range args {
		args[i] = 1
	}
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
