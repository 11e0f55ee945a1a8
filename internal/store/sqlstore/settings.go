package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
)

// Secret implements store.Settings.
func (s *Store) Secret(ctx context.Context, name string, size int) ([]byte, error) {
	const query = `SELECT value FROM secrets WHERE name = $1`
	var value []byte
	err := s.reader().one(ctx, query, []any{name}, &value)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return value, failed("secret", err)
	}
	err = s.write(ctx, "secret", func(ctx context.Context, t *tx) error {
		fresh := make([]byte, size)
		rand.Read(fresh) // never fails
		if _, err := t.exec(ctx, `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
			name, fresh); err != nil {
			return err
		}
		return t.one(ctx, query, []any{name}, &value)
	})
	return value, err
}
