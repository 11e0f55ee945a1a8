package sqlstore

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryTablesGrowthIsDocumented fails when the schema has a table about which
// operators are not told what bounds it.
func TestEveryTablesGrowthIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "### What grows, and what bounds it")
	if !found {
		t.Fatal("docs/operations.md does not say what grows")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]bool{}
	name := regexp.MustCompile("`([a-z_]+)`")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			told[m[1]] = true
		}
	}
	s, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.pool.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		if !told[table] {
			t.Errorf("the table %s is not in docs/operations.md: say what it grows with and what bounds it", table)
		}
		delete(told, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for table := range told {
		t.Errorf("docs/operations.md tells of a table %s that is not there", table)
	}
}

// TestRetentionNeverScansATable asks SQLite how it finds what is old: by indexes, in
// whatever size of tables.
func TestRetentionNeverScansATable(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	queries := map[string]string{"old chats": oldChats, "old in a chat": oldInChat, "unused files": unusedFiles}
	for name, m := range map[string]*multi{
		"dropped": selectDropped, "statuses": deleteStatuses, "downloads": deleteDownloads, "keys": deleteKeys, "messages": deleteMessages,
		"reactions": deleteReactions, "charges": selectCarriedCharges, "refunds": selectRefunds, "entries": deleteEntries,
		"histories": selectStatuses, "accounts": selectAccountsOf, "chats": selectChatsOf,
	} {
		queries[name] = m.texts[dialectSQLite][3]
	}
	for name, query := range queries {
		args := make([]any, max(strings.Count(query, "?"), 7))
		for i := range args {
			args[i] = 1
		}
		if n := strings.Count(query, "?"); n > 0 {
			args = args[:n]
		} else {
			n := 0
			for strings.Contains(query, "$"+string(rune('1'+n))) {
				n++
			}
			args = args[:n]
		}
		rows, err := s.pool.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			isValues := strings.Contains(detail, "CONSTANT ROW") || detail == "SCAN v" || strings.HasSuffix(detail, "-ROW VALUES CLAUSE") || strings.HasPrefix(detail, "SCAN (") || detail == "SCAN received"
			if strings.HasPrefix(detail, "SCAN") && !isValues || strings.Contains(detail, "AUTOMATIC") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s", name, detail)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		_ = rows.Close() //nolint:sqlclosecheck // one of many in a loop; after an error the test is over
	}
}
