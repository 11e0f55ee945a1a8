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

// Setting implements store.Settings.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	var value string
	err := s.reader().one(ctx, `SELECT value FROM settings WHERE name = $1`, []any{name}, &value)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return value, failed("setting", err)
}

// SetSetting implements store.Settings.
func (s *Store) SetSetting(ctx context.Context, name, value string) error {
	return s.write(ctx, "set setting", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}
