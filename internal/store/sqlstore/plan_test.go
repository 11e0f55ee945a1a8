package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestBatchesNeverScanATable asks SQLite how it runs the statements over many
// rows. A scan would be invisible in a small test and ruinous on a large table.
func TestBatchesNeverScanATable(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, m := range map[string]*multi{
		"account workspaces": selectAccountWorkspaces, "file workspaces": selectFileWorkspaces, "balances": selectBalances,
		"used keys": selectUsedKeys, "chats": selectChatIDs, "chat names": selectChatNames, "labels": selectLabels,
		"queued": selectQueued, "charges": selectCharges, "sent": selectSent, "early": selectEarly,
		"update settled": updateSettled, "update latest": updateLatest, "update unread": updateUnread, "update status": updateStatus,
		"delete queued": deleteQueued, "delete early": deleteEarly,
		"chat views": selectChatViews, "labels of chats": selectLabelsOfChats, "message views": selectMessageViews,
		"delete grams": deleteGrams, "reactions": selectReactions, "files of messages": selectMessageFiles, "members of messages": selectMessageMembers,
	} {
		for log := range m.texts[dialectSQLite] {
			args := make([]any, m.cols<<log)
			for i := range args {
				args[i] = 1
			}
			rows, err := s.pool.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+m.texts[dialectSQLite][log], args...)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					t.Fatal(err)
				}
				isValues := strings.Contains(detail, "CONSTANT ROW") || detail == "SCAN v" || strings.HasSuffix(detail, "-ROW VALUES CLAUSE")
				if strings.HasPrefix(detail, "SCAN") && !isValues || strings.Contains(detail, "AUTOMATIC") {
					t.Errorf("%s, %d rows: %s", name, 1<<log, detail)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			_ = rows.Close() //nolint:sqlclosecheck // one of many in a loop; after an error the test is over
		}
	}
}
