package sqlstore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestOlderChatsFollowWhatsAppUnlessSomebodyChoseTheirNames(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, database string) {
		o := Options{Database: database, Conns: 4}
		db, provider, err := openProvider(o)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := provider.UpTo(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`INSERT INTO workspaces (id, slug, display_name, time_zone, plan, gap_min_ms, gap_max_ms, created_at) VALUES (1, 'a', 'A', 'UTC', 'self-hosted', 0, 0, 1)`,
			`INSERT INTO balances (workspace_id, granted, used, period_credits, extra_credits, unmetered) VALUES (1, 0, 0, 0, 0, 0)`,
			`INSERT INTO accounts (id, workspace_id, jid, device_jid, phone, name, state, state_reason, owner_name, owner_email, created_at)
				VALUES (1, 1, '1@s.whatsapp.net', '1:1@s.whatsapp.net', '+1', '', 'active', '', '', '', 1)`,
			`INSERT INTO chats (id, workspace_id, account_id, jid, phone, name, created_at) VALUES
				(1, 1, 1, '2@s.whatsapp.net', '+2', 'Ana', 1), (2, 1, 1, '3@s.whatsapp.net', '+3', 'Doctor Bob', 1), (3, 1, 1, '4@s.whatsapp.net', '+4', 'Carla', 1),
				(4, 1, 1, '5@g.us', '', 'Choir', 1), (5, 1, 1, '6@g.us', '', 'Our group', 1)`,
			`INSERT INTO messages (id, uid, workspace_id, account_id, chat_id, whatsapp_id, member_id, from_me, sender_name, text, origin, status, reason, credits, accepted_at, sent_at, at) VALUES
				(1, 'u1', 1, 1, 1, 'w1', NULL, FALSE, 'Ana', '', '', 'Delivered', '', 0, 10, 10, 10),
				(2, 'u2', 1, 1, 2, 'w2', NULL, FALSE, 'bobby', '', '', 'Delivered', '', 0, 10, 10, 10),
				(3, 'u3', 1, 1, 3, 'w3', 1, TRUE, '', '', '', 'Sent', '', 1, 10, 10, 10),
				(4, 'u4', 1, 1, 4, 'w4', NULL, FALSE, 'Ana', '', '', 'Delivered', '', 0, 10, 10, 10),
				(5, 'u5', 1, 1, 5, 'w5', 1, TRUE, '', '', '', 'Sent', '', 1, 10, 10, 10)`,
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
		due, err := s.DueProfiles(t.Context(), time.UnixMilli(1000), nil, 10)
		if err != nil {
			t.Fatal(err)
		}
		var asked []int64
		for _, p := range due {
			asked = append(asked, p.ChatID)
		}
		if diff := cmp.Diff([]int64{1, 2, 4, 5}, asked); diff != "" {
			t.Errorf("chats to ask about (-want +got):\n%s", diff)
		}
		if err := s.NameContacts(t.Context(), 1, 1, []tideline.Peer{{JID: "2@s.whatsapp.net", Name: "Ana Lima"}, {JID: "3@s.whatsapp.net", Name: "Bob"}, {JID: "4@s.whatsapp.net", Name: "C."}}); err != nil {
			t.Fatal(err)
		}
		for id, subject := range map[int64]string{4: "Band", 5: "Their group"} {
			if err := s.PutGroup(t.Context(), 1, id, tideline.Group{Subject: subject}); err != nil {
				t.Fatal(err)
			}
		}
		chats, _, err := s.ListChats(t.Context(), 1, store.ChatFilter{}, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		names := map[int64]string{}
		for _, c := range chats {
			names[c.Chat.ID] = c.Chat.Name
		}
		want := map[int64]string{1: "Ana Lima", 2: "Doctor Bob", 3: "Carla", 4: "Band", 5: "Our group"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
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
