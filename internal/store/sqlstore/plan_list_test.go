package sqlstore

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// A page of chats is read from the index of lists alone, or from the few chats
// that a filter names, and SQLite doesn't have to guess which. It would go by the
// values: it takes 1 for one that nearly everything has.
func TestListsOfChatsKeepToTheirIndexes(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w, owner, err := s.CreateWorkspace(t.Context(), tideline.Workspace{Slug: "a", DisplayName: "A", TimeZone: "UTC",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, CreatedAt: time.UnixMilli(1)}, tideline.Member{Email: "a@example.com", CreatedAt: time.UnixMilli(1)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.PutAccount(t.Context(), tideline.Account{WorkspaceID: w.ID, JID: "14840000001@s.whatsapp.net", CreatedAt: time.UnixMilli(1)})
	if err != nil {
		t.Fatal(err)
	}
	err = s.write(t.Context(), "labels", func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO labels (id, workspace_id, name) VALUES (1, 1, 'rare'), (2, 1, 'common')`); err != nil {
			return err
		}
		_, err := t.exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= `+strconv.Itoa(fewChats)+`)
			INSERT INTO chat_labels (chat_id, label_id) SELECT i, 2 FROM n`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	walk := []string{"SEARCH c USING COVERING INDEX chats_list (workspace_id=?)"}
	start := []string{"SEARCH c USING INTEGER PRIMARY KEY (rowid=?)", "USE TEMP B-TREE FOR ORDER BY"}
	yes, no := true, false
	for name, c := range map[string]struct {
		filter store.ChatFilter
		want   []string
	}{
		"all":            {store.ChatFilter{}, walk},
		"flags":          {store.ChatFilter{Group: &no, Read: &yes, Closed: &yes, AutoReply: &no}, walk},
		"group":          {store.ChatFilter{Group: &yes}, walk},
		"account":        {store.ChatFilter{Accounts: []tideline.JID{a.JID}}, walk},
		"name":           {store.ChatFilter{Names: []string{"ana", "é"}}, start},
		"part of a name": {store.ChatFilter{Names: []string{"ana", "zoë"}, Closed: &yes}, start},
		"little of it":   {store.ChatFilter{Search: "an"}, start},
		"part of number": {store.ChatFilter{Phone: "123"}, start},
		"national":       {store.ChatFilter{ContactPhones: []string{"0123", "44"}}, walk},
		"search":         {store.ChatFilter{Search: "123 456", Unassigned: true}, start},
		"time":           {store.ChatFilter{CreatedAfter: time.UnixMilli(1), CreatedBefore: time.UnixMilli(2)}, walk},
		"visible":        {store.ChatFilter{VisibleTo: &store.Viewer{MemberID: owner.ID, Accounts: []int64{1, 2}}}, walk},
		"common label":   {store.ChatFilter{Labels: []string{"common"}}, walk},
		"rare label":     {store.ChatFilter{Labels: []string{"rare"}}, start},
		"responsible":    {store.ChatFilter{Responsible: []string{owner.Email}}, start},
		"both":           {store.ChatFilter{Responsible: []string{owner.Email}, Labels: []string{"common"}, Closed: &yes}, start},
		"whole number":   {store.ChatFilter{Phone: "+14840000001"}, start},
		"contact":        {store.ChatFilter{ContactPhones: []string{"14840000001"}, Read: &no}, start},
	} {
		err := s.read(t.Context(), func(tx *tx) error {
			q, err := tx.chatQuery(t.Context(), w.ID, c.filter)
			if err != nil {
				return err
			}
			text := q.text(store.Page{Limit: 51})
			for i := len(q.args); i > 1; i-- {
				text = strings.ReplaceAll(text, fmt.Sprint("$", i), "77")
			}
			for _, workspace := range []string{"1", "77"} {
				steps := explain(t, s.pool, strings.ReplaceAll(text, "$1", workspace))
				for _, want := range c.want {
					if !slices.Contains(steps, want) {
						t.Errorf("%s: %q is not among the steps:\n%s", name, want, strings.Join(steps, "\n"))
					}
				}
				for _, step := range steps {
					if strings.HasPrefix(step, "SCAN") && step != "SCAN few" || strings.Contains(step, "AUTOMATIC") ||
						len(c.want) == 1 && strings.Contains(step, "ORDER BY") {
						t.Errorf("%s: %s", name, step)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
