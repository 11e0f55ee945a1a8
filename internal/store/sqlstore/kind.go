package sqlstore

import "context"

const kindName = "kind" // among the server's own values

// Kind gives the kind of server that the database belongs to ("production",
// "sandbox"), making it want's for good when it belongs to none yet. Concurrent
// first calls agree.
func (s *Store) Kind(ctx context.Context, want string) (string, error) {
	var kind []byte
	err := s.write(ctx, "kind", func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
			kindName, []byte(want)); err != nil {
			return err
		}
		return t.one(ctx, `SELECT value FROM secrets WHERE name = $1`, []any{kindName}, &kind)
	})
	return string(kind), err
}
