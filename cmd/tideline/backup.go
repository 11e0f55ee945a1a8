package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/tidelinehq/tideline/internal/backup"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

type backupCmd struct {
	config.Files `embed:""`
	To           string `arg:"" type:"path" help:"The file to write, or an existing folder for a file with the time in its name."`
	NoFiles      bool   `help:"Leave the bytes of files out: for who keeps them by other means, such as versions in a bucket."`
	Verify       bool   `help:"Read the backup once more when it is written, every row and every byte."`
	Replace      bool   `help:"Replace the file if it is there."`
}

// Help implements kong.HelpProvider.
func (backupCmd) Help() string {
	return `Writes all that the server keeps to one file: the database, the sessions of the paired accounts, files, and the settings in the data folder. The server may run and take messages meanwhile; the backup holds one instant. It appears under its name when it is whole and on disk, never before. Whoever has it can act as the paired accounts: keep it like a password.

    tideline backup /backups/tideline.tar --replace --verify
    tideline backup /backups --data /var/lib/tideline --json
    tideline backup /backups --no-files

Files are taken from where they are. When that is S3, the command needs the --s3 settings that the server has.

A backup of either database can be restored to either: tideline restore.`
}

// Run writes a backup.
func (c *backupCmd) Run(ctx context.Context, a *app) (err error) {
	if err := a.config.Check(); err != nil {
		return err
	}
	folder, err := a.folder()
	if err != nil {
		return err
	}
	to, err := c.target(folder.Kind)
	if err != nil {
		return err
	}
	b, err := c.open(ctx, a, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	began := time.Now()
	yieldToServers()
	v, err := b.writeTo(ctx, to, c.Verify)
	if err != nil {
		return err
	}
	v.Seconds = time.Since(began).Seconds()
	if err := b.afterwards(ctx, &v); err != nil {
		a.note("tideline: the backup is whole, but %s", explain(err))
	}
	return a.show(v, v.print)
}

// target says which file to write.
func (c *backupCmd) target(kind datadir.Kind) (string, error) {
	info, err := os.Stat(c.To)
	switch {
	case err == nil && info.IsDir():
		return filepath.Join(c.To, fmt.Sprintf("tideline-%s-%s.tar", kind, time.Now().UTC().Format("20060102T150405Z"))), nil
	case err == nil && !c.Replace:
		return "", tideline.Errorf(tideline.CodeValidation, "%s is there already: name another file, or add --replace", c.To)
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return c.To, nil
	default:
		return "", err
	}
}

// backupJSON is what backup prints.
type backupJSON struct {
	File      string   `json:"file"`
	Bytes     int64    `json:"bytes"`
	Kind      string   `json:"kind"`
	Database  string   `json:"database"`
	Schema    int64    `json:"schema"`
	MadeAt    jsonTime `json:"made_at"`
	Rows      int64    `json:"rows"`
	Files     int64    `json:"files"`
	FileBytes int64    `json:"file_bytes"`
	NoFiles   bool     `json:"no_files"`
	// LostFiles are files that are known and whose bytes are gone.
	LostFiles []string `json:"lost_files"`
	Verified  bool     `json:"verified"`
	Seconds   float64  `json:"seconds"`
}

func (v *backupJSON) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d rows and %d files, %d bytes, as of %s\n", v.File, v.Rows, v.Files, v.Bytes, stamp(v.MadeAt.Time, time.UTC))
	if v.NoFiles {
		fmt.Fprintln(w, "The bytes of files are not in it.")
	}
	if v.Verified {
		fmt.Fprintln(w, "It was read back, and every part is what was written.")
	}
}

// backupOf is what a backup is made of, held at one instant.
type backupOf struct {
	app     *app
	source  backup.Source
	options sqlstore.Options
	missing []string
	closers []func() error
}

// open holds everything as it is now. What is held first is the database, then
// the sessions, then a sandbox's network, and the files last: see backup.Source and
// sqlstore.OpenSnapshot.
func (c *backupCmd) open(ctx context.Context, a *app, folder datadir.Folder) (_ *backupOf, err error) {
	b := &backupOf{app: a, options: sqlstore.Options{Database: a.config.DatabaseURL(), Conns: 2}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	rows, err := a.rowsOf(ctx, folder)
	if err != nil {
		return nil, err
	}
	snapshot, err := sqlstore.OpenSnapshot(ctx, rows)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, snapshot.Close)
	b.source = backup.Source{
		Header: backup.Header{Program: buildVersion(), Kind: string(folder.Kind), Database: "sqlite", MadeAt: time.Now().UTC(), NoFiles: c.NoFiles},
		Rows:   snapshot, Progress: a.progress(),
	}
	if a.config.OnPostgres() {
		b.source.Header.Database = "postgres"
	}
	if folder.Kind == datadir.Sandbox {
		if err := b.network(ctx, folder); err != nil {
			return nil, err
		}
		b.source.Folder = append(b.source.Folder, fileOf(folder, tokenFile)...)
	}
	b.source.Folder = append(b.source.Folder, fileOf(folder, config.DefaultFile)...)
	if c.NoFiles {
		return b, nil
	}
	kept, err := keptPlace(ctx, snapshot)
	if err != nil {
		return nil, err
	}
	place := &filesPlace{settings: &c.Files, common: a.config, folder: folder, log: slog.New(slog.DiscardHandler)}
	blobs, err := place.openKept(kept)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, blobs.Close)
	b.source.Blobs = blobs
	return b, nil
}

// rowsOf names the database of a folder and its sessions, and looks whether they are
// there.
func (a *app) rowsOf(ctx context.Context, folder datadir.Folder) (sqlstore.RowOptions, error) {
	rows := sqlstore.RowOptions{Database: a.config.DatabaseURL()}
	if !a.config.OnPostgres() {
		if _, err := os.Stat(rows.Database); err != nil {
			return rows, fmt.Errorf("there is no database yet: start the server once with tideline serve, or look at --database: %w", err)
		}
		if _, err := os.Stat(folder.In(meow.SessionsFile)); err == nil {
			rows.Sessions = folder.In(meow.SessionsFile)
		}
	}
	current, known, err := sqlstore.SchemaVersion(ctx, sqlstore.Options{Database: rows.Database})
	switch {
	case err != nil:
		return rows, err
	case current == 0:
		return rows, errors.New("the database is empty: start the server once with tideline serve")
	case current > known:
		return rows, fmt.Errorf("the database has version %d, this program knows up to %d: use the server's own program", current, known)
	}
	return rows, nil
}

// network copies the state of the sandbox's network, which is small.
func (b *backupOf) network(ctx context.Context, folder datadir.Folder) error {
	const name = "network/wasim.db"
	if _, err := os.Stat(folder.In(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, err := os.MkdirTemp("", "tideline-backup-")
	if err != nil {
		return err
	}
	b.closers = append(b.closers, func() error { return os.RemoveAll(dir) })
	if err := sqlstore.CopyFile(ctx, folder.In(name), filepath.Join(dir, "wasim.db")); err != nil {
		return err
	}
	b.source.Folder = append(b.source.Folder, backup.FolderFile{Name: name, Open: func() (io.ReadSeekCloser, error) {
		return os.Open(filepath.Join(dir, "wasim.db"))
	}})
	return nil
}

// fileOf gives a file of the folder, if it is there.
func fileOf(folder datadir.Folder, name string) []backup.FolderFile {
	if _, err := os.Stat(folder.In(name)); err != nil {
		return nil
	}
	return []backup.FolderFile{{Name: name, Open: func() (io.ReadSeekCloser, error) { return os.Open(folder.In(name)) }}}
}

func (b *backupOf) close() error {
	var errs []error
	for _, c := range b.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// writeTo writes the backup beside its name and gives it that when it is on disk.
func (b *backupOf) writeTo(ctx context.Context, to string, verify bool) (v backupJSON, err error) {
	tmp, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.tmp")
	if err != nil {
		return v, fmt.Errorf("write backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // it may have its name already
		}
	}()
	out := bufio.NewWriterSize(tmp, 1<<20)
	written, err := backup.Write(ctx, out, b.source)
	err = errors.Join(err, out.Flush())
	if err == nil {
		err = tmp.Sync()
	}
	info, failed := tmp.Stat()
	if err = errors.Join(err, failed, tmp.Close()); err != nil {
		return v, err
	}
	if verify {
		if err := verifyFile(ctx, tmp.Name()); err != nil {
			return v, err
		}
	}
	if err = errors.Join(os.Rename(tmp.Name(), to)); err == nil {
		err = datadir.SyncDir(filepath.Dir(to))
	}
	if err != nil {
		return v, err
	}
	b.missing = written.Missing
	return backupJSON{
		File: to, Bytes: info.Size(), Kind: written.Header.Kind, Database: written.Header.Database, Schema: written.Header.Schema,
		MadeAt: jsonTime{written.Header.MadeAt}, Rows: written.Rows, Files: written.Files, FileBytes: written.Bytes, NoFiles: written.Header.NoFiles,
		LostFiles: []string{}, Verified: verify,
	}, nil
}

func verifyFile(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = backup.Verify(ctx, bufio.NewReaderSize(f, 1<<20))
	return errors.Join(err, f.Close())
}

// afterwards notes the backup in the database, and tells files that were deleted
// while it was made from those whose bytes are lost.
func (b *backupOf) afterwards(ctx context.Context, v *backupJSON) (err error) {
	current, known, err := sqlstore.SchemaVersion(ctx, b.options)
	if err != nil {
		return fmt.Errorf("it is not noted in the database: %w", err)
	}
	if current != known {
		return nil // opening it would migrate it
	}
	s, err := sqlstore.Open(ctx, b.options)
	if err != nil {
		return fmt.Errorf("it is not noted in the database: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := backup.NoteLast(ctx, s, backup.Last{At: v.MadeAt.Time, File: v.File, Bytes: v.Bytes}); err != nil {
		return fmt.Errorf("it is not noted in the database: %w", err)
	}
	for _, key := range b.missing {
		_, err := s.FileForLink(ctx, path.Base(key))
		if tideline.IsCode(err, tideline.CodeNotFound) {
			continue
		}
		v.LostFiles = append(v.LostFiles, key)
	}
	if n := len(v.LostFiles); n > 0 {
		b.app.note("tideline: the bytes of %d files are gone and not in the backup, such as %s. Whoever asks for one is told so.", n, v.LostFiles[0])
	}
	return nil
}

// progress tells on standard error how far something is, at most once a second.
func (a *app) progress() func(what string, done int64) {
	last := time.Now()
	return func(what string, done int64) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		a.note("%d %s", done, what)
	}
}
