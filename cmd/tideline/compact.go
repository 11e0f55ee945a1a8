package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

type compactCmd struct{}

// Help implements kong.HelpProvider.
func (compactCmd) Help() string {
	return `Rewrites an SQLite database without the space that deleted rows left, and so makes its file smaller. There is no need to do it now and then: new rows use that space. Do it once after much was deleted, for example when --keep-messages was set on an old workspace. The server must be stopped, and the folder for temporary files (TMPDIR) and the disk of the database need room for a copy each meanwhile. On PostgreSQL use VACUUM FULL instead.

    tideline compact`
}

// Run compacts.
func (compactCmd) Run(ctx context.Context, a *app) (err error) {
	if a.config.OnPostgres() {
		return errors.New("the database is PostgreSQL, which cleans up by itself: to give space back to the disk, run VACUUM FULL in it while the server is stopped")
	}
	s, err := a.openStore(ctx) // says what is wrong with the database
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	options := sqlstore.Options{Database: a.config.DatabaseURL()}
	claim, err := sqlstore.TakeClaim(ctx, options, fmt.Sprintf("tideline compact, process %d", os.Getpid()), time.Second)
	if errors.Is(err, sqlstore.ErrClaimed) {
		return fmt.Errorf("%w: stop the server first", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claim.Release()) }()
	before, after, err := sqlstore.Compact(ctx, options)
	if err != nil {
		return err
	}
	return a.show(compactJSON{before, after}, func(w io.Writer) {
		fmt.Fprintf(w, "The database took %d bytes and takes %d now.\n", before, after)
	})
}

// compactJSON is in bytes.
type compactJSON struct {
	Before int64 `json:"bytes_before"`
	After  int64 `json:"bytes_after"`
}
