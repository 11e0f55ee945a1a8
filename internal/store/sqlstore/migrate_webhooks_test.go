package sqlstore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// An update of the program tells nobody that numbers are connected that were so
// before, nor of messages that are years old.
func TestEventsBeginWithWhatHappensAfterTheUpdate(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, database string) {
		o := Options{Database: database, Conns: 4}
		db, provider, err := openProvider(o)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := provider.UpTo(t.Context(), 6); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`INSERT INTO workspaces (id, slug, display_name, time_zone, plan, gap_min_ms, gap_max_ms, created_at) VALUES (1, 'a', 'A', 'UTC', 'self-hosted', 0, 0, 1)`,
			`INSERT INTO accounts (id, workspace_id, jid, device_jid, phone, name, state, state_reason, owner_name, owner_email, created_at, connected_on) VALUES
				(1, 1, '1@s.whatsapp.net', '', '+1', '', 'disconnected', '', '', '', 1, 5),
				(2, 1, '2@s.whatsapp.net', '', '+2', '', 'logged_out', '', '', '', 1, 5),
				(3, 1, '3@s.whatsapp.net', '', '+3', '', 'connecting', '', '', '', 1, NULL)`,
			`INSERT INTO chats (id, workspace_id, account_id, jid, phone, name, created_at) VALUES (1, 1, 1, '2@s.whatsapp.net', '+2', 'Ana', 1)`,
			`INSERT INTO messages (id, uid, workspace_id, account_id, chat_id, whatsapp_id, from_me, text, origin, status, reason, credits, accepted_at, sent_at, at) VALUES
				(1, 'u1', 1, 1, 1, 'w1', FALSE, 'a picture', '', 'Delivered', '', 0, 10, 900, 900)`,
		} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.ExecContext(t.Context(), `INSERT INTO downloads (message_id, workspace_id, account_id, name, mime_type, size, ref,
			attempts, due_at, note) VALUES (1, 1, 1, '', '', 1, $1, 0, 1, '')`, []byte("ref")); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.AbandonDownload(t.Context(), 1, 1, tideline.AttachmentGone); err != nil {
			t.Fatal(err)
		}
		for id := range int64(3) {
			if err := s.SetAccountState(t.Context(), id+1, tideline.AccountActive, "", time.UnixMilli(7)); err != nil {
				t.Fatal(err)
			}
		}
		views, _, err := s.ListEvents(t.Context(), 1, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var connected []int64
		for _, v := range views {
			if v.Event.Kind != tideline.EventAccountConnected {
				t.Errorf("there is an event %s", v.Event.Kind)
			}
			connected = append(connected, v.Event.AccountID)
		}
		if diff := cmp.Diff([]int64{2, 3}, connected); diff != "" {
			t.Errorf("announced accounts (-want +got):\n%s", diff)
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
