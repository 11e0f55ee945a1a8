package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
)

func TestConversationsBeginWithWhatWasSentBefore(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, database string) {
		o := Options{Database: database, Conns: 4}
		db, provider, err := openProvider(o)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := provider.UpTo(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`INSERT INTO workspaces (id, slug, display_name, time_zone, plan, gap_min_ms, gap_max_ms, created_at) VALUES (1, 'a', 'A', 'UTC', 'self-hosted', 0, 0, 1)`,
			`INSERT INTO accounts (id, workspace_id, jid, device_jid, phone, name, state, state_reason, owner_name, owner_email, created_at)
				VALUES (1, 1, '1@s.whatsapp.net', '', '+1', '', 'active', '', '', '', 1)`,
			`INSERT INTO chats (id, workspace_id, account_id, jid, phone, name, created_at) VALUES (1, 1, 1, '2@s.whatsapp.net', '+2', 'Ana', 1), (2, 1, 1, '3@s.whatsapp.net', '+3', 'Bob', 1)`,
			`INSERT INTO messages (id, uid, workspace_id, account_id, chat_id, whatsapp_id, from_me, text, origin, status, reason, credits, accepted_at, sent_at) VALUES
				(1, 'u1', 1, 1, 1, 'w1', TRUE, 'sent late', '', 'Sent', '', 1, 10, 900),
				(2, 'u2', 1, 1, 1, 'w2', TRUE, 'failed', '', 'Failed', '', 1, 20, NULL),
				(3, 'u3', 1, 1, 1, 'w3', TRUE, 'read', '', 'Read', '', 1, 30, 400),
				(4, 'u4', 1, 1, 1, 'w4', TRUE, 'queued', '', 'Pending', '', 1, 500, NULL),
				(5, 'u5', 1, 1, 2, 'w5', TRUE, 'queued', '', 'Pending', '', 1, 600, NULL)`,
			`INSERT INTO outbox (message_id, account_id, gap_ms, attempts, note) VALUES (4, 1, 0, 0, ''), (5, 1, 0, 0, '')`,
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
		messages, _, err := s.ChatMessages(t.Context(), 1, 1, store.MessageFilter{}, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, m := range messages {
			texts = append(texts, m.Message.Text)
		}
		if diff := cmp.Diff([]string{"sent late", "queued", "read", "failed"}, texts); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		chats, _, err := s.ListChats(t.Context(), 1, store.ChatFilter{}, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(chats) != 2 || chats[0].Chat.Name != "Ana" || chats[0].LastMessageUID != "u1" || chats[1].LastMessageUID != "" {
			t.Errorf("chats %+v", chats)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "tideline.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, testenv.PostgreSQL(t))
	})
}
