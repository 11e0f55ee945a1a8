package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// Chats that were there before the update are found like new ones, and only in
// their own workspace.
func TestChatsFromBeforeSearchAreFound(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, database string) {
		o := Options{Database: database, Conns: 4}
		db, provider, err := openProvider(o)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := provider.UpTo(t.Context(), gramsMigration-1); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`INSERT INTO workspaces (id, slug, display_name, time_zone, plan, gap_min_ms, gap_max_ms, created_at) VALUES
				(1, 'a', 'A', 'UTC', 'self-hosted', 0, 0, 1), (2, 'b', 'B', 'UTC', 'self-hosted', 0, 0, 1)`,
			`INSERT INTO accounts (id, workspace_id, jid, device_jid, phone, name, state, state_reason, owner_name, owner_email, created_at) VALUES
				(1, 1, '1@s.whatsapp.net', '', '+1', '', 'active', '', '', '', 1), (2, 2, '2@s.whatsapp.net', '', '+2', '', 'active', '', '', '', 1)`,
			`INSERT INTO chats (id, workspace_id, account_id, jid, phone, name, created_at) VALUES
				(1, 1, 1, '14840000100@s.whatsapp.net', '+14840000100', 'Σοφία Lima', 1), (2, 1, 1, '120363000000000484@g.us', '', 'Ab', 1),
				(3, 2, 2, '14840000100@s.whatsapp.net', '+14840000100', 'Σοφία Lima', 1)`,
		} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for name, c := range map[string]struct {
			filter store.ChatFilter
			want   []int64
		}{
			"name":          {store.ChatFilter{Names: []string{"ΟΦΊΑ L"}}, []int64{1}},
			"short name":    {store.ChatFilter{Names: []string{"aB"}}, []int64{2}},
			"number":        {store.ChatFilter{Phone: "4840"}, []int64{1}},
			"looked for":    {store.ChatFilter{Search: "lima"}, []int64{1}},
			"by its number": {store.ChatFilter{Search: "484 000"}, []int64{1}},
			"nothing":       {store.ChatFilter{Search: "limo"}, nil},
		} {
			views, _, err := s.ListChats(t.Context(), 1, c.filter, store.Page{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for _, v := range views {
				ids = append(ids, v.Chat.ID)
			}
			if diff := cmp.Diff(c.want, ids); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "tideline.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, testenv.PostgreSQL(t))
	})
}

// The numbers of grams are stored, so they must stay as they are.
func TestGramsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	s := searched{name: "Ana Ł", jid: "1484@s.whatsapp.net"}
	if diff := cmp.Diff([]int64{
		137459990528, 210456805432, 223338299392, 223341969460, 240521576448, 279174971713, 279177986113, 335011708960, 1378684502016,
	}, s.grams()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(gramsOf("ana ł"), gramsOf("ANA Ł")); diff != "" {
		t.Errorf("cases differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff((&searched{name: "ab", jid: "1484@g.us"}).grams(), (&searched{name: "ab"}).grams()); diff != "" {
		t.Errorf("the id of a group has grams (-want +got):\n%s", diff)
	}
}
