package meow

import (
	"net/url"
	"testing"

	"github.com/tidelinehq/tideline/internal/testenv"
)

func TestKeysAreDurableAlthoughTheServerHasThatOff(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"off": "on", "remote_apply": "remote_apply"} {
		u, err := url.Parse(testenv.PostgreSQL(t))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("synchronous_commit", given)
		u.RawQuery = q.Encode()
		db, err := openPool("pgx", u.String(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		var mode string
		if err := db.QueryRowContext(t.Context(), "SHOW synchronous_commit").Scan(&mode); err != nil {
			t.Fatal(err)
		}
		if mode != want {
			t.Errorf("synchronous_commit %s becomes %s, want %s", given, mode, want)
		}
	}
}
