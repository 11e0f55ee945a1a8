package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

type migrateCmd struct{}

// Help implements kong.HelpProvider.
func (migrateCmd) Help() string {
	return `Brings the database's tables up to the version that this program knows. The server does so by itself when it starts; use this where another user than the server's may change tables. It is safe to run several at once. There is no way back: make a copy first.

    tideline migrate --database postgres://tideline@localhost/tideline`
}

// Run migrates.
func (migrateCmd) Run(ctx context.Context, a *app) error {
	if err := a.config.Check(); err != nil {
		return err
	}
	if a.config.Database == "" {
		if _, err := datadir.Create(a.config.Folder(), datadir.KindOf(a.config.Sandbox)); err != nil {
			return err
		}
	}
	m, err := sqlstore.Migrate(ctx, sqlstore.Options{Database: a.config.DatabaseURL()})
	if err != nil {
		return err
	}
	return a.show(migrationJSON{m.From, m.To}, func(w io.Writer) {
		if m.From == m.To {
			fmt.Fprintf(w, "The database has version %d already.\n", m.To)
			return
		}
		fmt.Fprintf(w, "The database went from version %d to %d.\n", m.From, m.To)
	})
}

type migrationJSON struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}
