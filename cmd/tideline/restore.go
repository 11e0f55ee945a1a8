package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/backup"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

type restoreCmd struct {
	config.Files `embed:""`
	From         string `arg:"" type:"existingfile" help:"The file that tideline backup wrote."`
	Check        bool   `help:"Only read the backup to its end and say what it holds."`
	Replace      bool   `help:"Move what is in the data folder aside, to a folder before-restore-… in it."`
	KeepRatchets bool   `help:"Go on with the sessions as they are. Only when nothing was sent or received after the backup was made."`
}

// Help implements kong.HelpProvider.
func (restoreCmd) Help() string {
	return `Makes a data folder, and a database, of a backup. The backup is read to its end first: nothing is touched when any of it is damaged or of a newer version. The folder must be empty, and so must a PostgreSQL database; a backup of either database can go to either.

    tideline restore /backups/tideline.tar --check
    tideline restore /backups/tideline.tar --data /var/lib/tideline
    tideline restore /backups/tideline.tar --data /var/lib/tideline --database postgres://tideline@localhost/tideline

Files go to where --files says, by default into the data folder, and the server looks for them there from then on. A backup that was made with --no-files has none: the server looks where it did before, or where --files says.

What was accepted or received after the backup is lost. What was queued then is sent (again) under the same WhatsApp id, so that no phone shows it twice. Never start the old server again: two with the same sessions throw each other out.`
}

// Run restores.
func (c *restoreCmd) Run(ctx context.Context, a *app) error {
	if err := a.config.Check(); err != nil {
		return err
	}
	found, err := c.read(ctx)
	if err != nil {
		return err
	}
	v := restoredJSON{
		Backup: c.From, Kind: found.Header.Kind, Database: found.Header.Database, Program: found.Header.Program, Schema: found.Header.Schema,
		MadeAt: jsonTime{found.Header.MadeAt}, Rows: found.Rows, Files: found.Files, FileBytes: found.Bytes, NoFiles: found.Header.NoFiles, MissingFiles: len(found.Missing),
	}
	if c.Check {
		return a.show(v, v.print)
	}
	began := time.Now()
	if err := c.restore(ctx, a, found.Header, &v); err != nil {
		return err
	}
	v.Seconds = time.Since(began).Seconds()
	return a.show(v, v.print)
}

// read reads the backup to its end.
func (c *restoreCmd) read(ctx context.Context) (backup.Summary, error) {
	f, err := os.Open(c.From)
	if err != nil {
		return backup.Summary{}, err
	}
	defer f.Close()
	found, err := backup.Verify(ctx, bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return found, fmt.Errorf("%s: %w; nothing was touched", c.From, err)
	}
	if k := datadir.Kind(found.Header.Kind); k != datadir.Production && k != datadir.Sandbox {
		return found, fmt.Errorf("%s is a backup of a %q server, which this program doesn't know", c.From, k)
	}
	return found, nil
}

// restoredJSON is what restore prints.
type restoredJSON struct {
	Backup       string   `json:"backup"`
	Kind         string   `json:"kind"`
	Database     string   `json:"database"` // of the server that was backed up
	Program      string   `json:"program"`
	Schema       int64    `json:"schema"`
	MadeAt       jsonTime `json:"made_at"`
	Rows         int64    `json:"rows"`
	Files        int64    `json:"files"`
	FileBytes    int64    `json:"file_bytes"`
	NoFiles      bool     `json:"no_files"`      // the bytes of files were left out on purpose
	MissingFiles int      `json:"missing_files"` // their bytes were gone when the backup was made
	Data         string   `json:"data,omitempty"`
	Audited      bool     `json:"audited"`
	Seconds      float64  `json:"seconds"`
}

func (v *restoredJSON) print(w io.Writer) {
	fmt.Fprintf(w, "A whole backup of a %s server (%s, version %s), as of %s: %d rows and %d files.\n", v.Kind, v.Database, v.Program, stamp(v.MadeAt.Time, time.UTC), v.Rows, v.Files)
	if v.NoFiles {
		fmt.Fprintln(w, "The bytes of files were left out of it: see that they are where the server looks for them (tideline files check).")
	}
	switch {
	case v.Data == "":
	case v.Audited:
		fmt.Fprintf(w, "It is restored to %s, and its ledger adds up. Start it with tideline serve, and never the old one again.\n", v.Data)
	default:
		fmt.Fprintf(w, "It is restored to %s. Start it with tideline serve, which brings its tables up to date, and then run tideline doctor. Never start the old one again.\n", v.Data)
	}
}

// place is where a backup is restored to.
type place struct {
	app      *app
	files    *config.Files
	header   backup.Header
	folder   datadir.Folder
	database string
	rows     sqlstore.RowOptions
	sessions meow.Options
	known    int64 // version of our tables in this program
	closers  []func() error
}

func (p *place) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

func (c *restoreCmd) restore(ctx context.Context, a *app, h backup.Header, v *restoredJSON) (err error) {
	p := &place{app: a, files: &c.Files, header: h}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.check(ctx); err != nil {
		return err
	}
	if err := p.claim(ctx, c.Replace); err != nil {
		return err
	}
	if err := p.fill(ctx, c.From); err != nil {
		return err
	}
	if h.Sessions > 0 && !c.KeepRatchets {
		if err := meow.RenewRatchets(ctx, p.sessions); err != nil {
			return err
		}
	}
	if v.Audited, err = p.audit(ctx); err != nil {
		return err
	}
	v.Data = p.folder.Path
	if text, err := os.ReadFile(p.folder.In(config.DefaultFile)); err == nil && strings.Contains(string(text), `"database"`) {
		a.note("tideline: %s names a database: see whether it is the one that you restored to.", p.folder.In(config.DefaultFile))
	}
	return p.folder.EndRestore()
}

// check refuses what this program can't restore, before anything is touched.
func (p *place) check(ctx context.Context) error {
	kind := datadir.Kind(p.header.Kind)
	if p.app.config.Sandbox && kind != datadir.Sandbox {
		return tideline.Errorf(tideline.CodeValidation, "this is the backup of a production server: leave --sandbox out")
	}
	p.app.config.Sandbox = kind == datadir.Sandbox // says which folder is meant when none is named
	if err := p.checkFiles(ctx); err != nil {
		return err
	}
	p.database = p.app.config.DatabaseURL()
	p.rows.Database = p.database
	p.sessions.Database = p.database
	if !p.app.config.OnPostgres() {
		p.rows.Sessions = filepath.Join(p.app.config.Folder(), meow.SessionsFile)
		p.sessions = meow.Options{DataDir: p.app.config.Folder()}
		if p.header.Sessions == 0 {
			p.rows.Sessions = ""
		}
	}
	var err error
	if p.known, err = sqlstore.KnownVersion(); err != nil {
		return err
	}
	if p.header.Schema > p.known {
		return fmt.Errorf("the backup has version %d of the tables, this program knows up to %d: use the tideline that made it (%s) or a newer one", p.header.Schema, p.known, p.header.Program)
	}
	if !p.app.config.OnPostgres() {
		if _, err := os.Stat(p.database); err == nil && p.app.config.Database != "" {
			return fmt.Errorf("there is a database at %s already: name another file with --database", p.database)
		}
		return nil
	}
	current, _, err := sqlstore.SchemaVersion(ctx, sqlstore.Options{Database: p.database})
	if err != nil {
		return err
	}
	if current > p.header.Schema {
		return fmt.Errorf("the database has tables of version %d, the backup of version %d: name an empty database with --database", current, p.header.Schema)
	}
	return p.checkEmpty(ctx)
}

// checkEmpty refuses a PostgreSQL database that holds something.
func (p *place) checkEmpty(ctx context.Context) (err error) {
	l, err := sqlstore.OpenLoader(ctx, p.rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	empty, err := l.Empty(ctx)
	if err == nil && !empty {
		err = fmt.Errorf("%w: make an empty one and name it with --database", backup.ErrNotEmpty)
	}
	return err
}

// claim gets hold of the folder and the database, and makes the tables.
func (p *place) claim(ctx context.Context, aside bool) error {
	var release func() error
	var err error
	p.folder, release, err = datadir.BeginRestore(ctx, p.app.config.Folder(), datadir.Kind(p.header.Kind), aside, claimWait)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, release)
	claim, err := takeClaim(ctx, p.database)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, claim.Release)
	if _, err := sqlstore.MigrateTo(ctx, sqlstore.Options{Database: p.database}, p.header.Schema); err != nil {
		return err
	}
	if p.header.Sessions == 0 {
		return nil
	}
	own, err := meow.PrepareSessions(ctx, p.sessions)
	if err == nil && own != p.header.Sessions {
		err = fmt.Errorf("the backup's sessions with WhatsApp have version %d, this program has %d: restore it with the tideline that made it (%s), and start this one afterwards", p.header.Sessions, own, p.header.Program)
	}
	return err
}

// takeClaim keeps servers from a database for as long as a command fills or moves it.
func takeClaim(ctx context.Context, database string) (*sqlstore.Claim, error) {
	claim, err := sqlstore.TakeClaim(ctx, sqlstore.Options{Database: database}, fmt.Sprintf("a restore or a move, process %d", os.Getpid()), claimWait)
	if errors.Is(err, sqlstore.ErrClaimed) {
		return nil, fmt.Errorf("%w: stop that server first, or name another database", err)
	}
	return claim, err
}

// fill writes rows, files and settings.
func (p *place) fill(ctx context.Context, from string) (err error) {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := sqlstore.OpenLoader(ctx, p.rows)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	place, err := config.PlaceName(p.files.Place, p.folder.Path)
	if err != nil {
		return err
	}
	var blobs openPlace
	if !p.header.NoFiles {
		if blobs, err = p.placeIn(p.folder).at(place); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, blobs.Close()) }()
	}
	root, err := os.OpenRoot(p.folder.Path)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = backup.Restore(ctx, bufio.NewReaderSize(f, 1<<20), backup.Target{
		Rows: &placing{Loader: rows, place: place, keep: p.header.NoFiles && p.files.Place == ""}, Blobs: blobs, Progress: p.app.progress(),
		Put: func(name string, r io.Reader) error { return p.put(root, name, r) },
	})
	return err
}

// put writes a file of the data folder. Settings that are there already stay.
func (p *place) put(root *os.Root, name string, r io.Reader) error {
	if dir := filepath.Dir(filepath.FromSlash(name)); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) && name == config.DefaultFile {
		p.app.note("tideline: %s stays as it is.", p.folder.In(name))
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// audit looks whether every credit is explained, unless the tables must be brought
// up to date before.
func (p *place) audit(ctx context.Context) (bool, error) {
	if p.header.Schema < p.known {
		return false, nil
	}
	return true, auditLedger(ctx, p.database)
}

// auditLedger reports what is wrong with the ledger of a database.
func auditLedger(ctx context.Context, database string) (err error) {
	s, err := sqlstore.Open(ctx, sqlstore.Options{Database: database, Conns: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	faults, err := s.AuditLedger(ctx)
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("the ledger does not add up: %s: this is a fault in Tideline or in what was copied; keep a copy and report it", strings.Join(faults, "; "))
	}
	return err
}
