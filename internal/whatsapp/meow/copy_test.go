package meow

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestRenewedRatchetsAreTheOnesThatSend fills the tables as the library does and looks
// at what is left: the device, and the keys with which others write in groups.
func TestRenewedRatchetsAreTheOnesThatSend(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"sqlite": {DataDir: t.TempDir()}, "postgres": {Database: testenv.PostgreSQL(t)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := PrepareSessions(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			s, err := openSessions(t.Context(), o, libraryLogger{log: o.withDefaults().Logger})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.close(); err != nil {
					t.Error(err)
				}
			}()
			const us, lid = "14840000000:7@s.whatsapp.net", "900000000000000:7@lid"
			key := make([]byte, 64)
			exec := func(query string, args ...any) {
				t.Helper()
				if _, err := s.db.ExecContext(t.Context(), query, args...); err != nil {
					t.Fatal(err)
				}
			}
			exec(`INSERT INTO whatsmeow_device (jid, lid, registration_id, noise_key, identity_key, signed_pre_key, signed_pre_key_id,
				signed_pre_key_sig, adv_key, adv_details, adv_account_sig, adv_account_sig_key, adv_device_sig)
				VALUES ($1, $2, 1, $3, $3, $3, 1, $4, $3, $3, $4, $3, $4)`, us, lid, key[:32], key)
			exec(`INSERT INTO whatsmeow_sessions (our_jid, their_id, session) VALUES ($1, '14840000001:0', $2)`, us, key)
			exec(`INSERT INTO whatsmeow_identity_keys (our_jid, their_id, identity) VALUES ($1, '14840000001:0', $2)`, us, key[:32])
			for _, sender := range []string{"14840000000:7", "900000000000000_1:7", "14840000001:0", "900000000000001_1:0"} {
				exec(`INSERT INTO whatsmeow_sender_keys (our_jid, chat_id, sender_id, sender_key) VALUES ($1, 'g@g.us', $2, $3)`, us, sender, key)
			}
			if err := RenewRatchets(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			left := func(query string) (all []string) {
				t.Helper()
				rows, err := s.db.QueryContext(t.Context(), query)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				for rows.Next() {
					var v string
					if err := rows.Scan(&v); err != nil {
						t.Fatal(err)
					}
					all = append(all, v)
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				slices.Sort(all)
				return all
			}
			got := map[string][]string{
				"devices": left(`SELECT jid FROM whatsmeow_device`), "sessions": left(`SELECT their_id FROM whatsmeow_sessions`),
				"identities": left(`SELECT their_id FROM whatsmeow_identity_keys`), "senders": left(`SELECT sender_id FROM whatsmeow_sender_keys`),
			}
			want := map[string][]string{
				"devices": {us}, "sessions": nil, "identities": {"14840000001:0"}, "senders": {"14840000001:0", "900000000000001_1:0"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}
