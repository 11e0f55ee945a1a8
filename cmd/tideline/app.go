package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/workspace"
)

// app is what every command works with.
type app struct {
	config *config.Common
	out    io.Writer // results
	notes  io.Writer // everything else
}

// note tells the operator something that is not a result.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.notes, format+"\n", args...) }

// folder opens the data folder of a server that has run before.
func (a *app) folder() (datadir.Folder, error) {
	f, err := datadir.Open(a.config.Folder())
	if errors.Is(err, fs.ErrNotExist) {
		return f, a.noFolder()
	}
	if err == nil && a.config.Sandbox && f.Kind != datadir.Sandbox {
		return f, fmt.Errorf("%s belongs to a production server: leave --sandbox out", f.Path)
	}
	return f, err
}

// noFolderError says that no server has ever run on a folder.
type noFolderError struct{ path, advice string }

func (e *noFolderError) Error() string {
	return fmt.Sprintf("there is no data folder at %s: %s", e.path, e.advice)
}

// noFolder describes the folder that isn't there. Whoever tries the sandbox forgets
// --sandbox sooner or later.
func (a *app) noFolder() *noFolderError {
	e := &noFolderError{path: a.config.Folder(), advice: "start a server with tideline serve, or name its folder with --data"}
	if a.config.Data == "" && !a.config.Sandbox {
		if f, err := datadir.Open(config.DefaultSandbox); err == nil && f.Kind == datadir.Sandbox {
			e.advice += "; for the sandbox in " + config.DefaultSandbox + " add --sandbox"
		}
	}
	return e
}

// openStore opens the database for a command. It neither makes nor migrates
// one: a server of another version may be at work.
func (a *app) openStore(ctx context.Context) (*sqlstore.Store, error) {
	if err := a.config.Check(); err != nil {
		return nil, err
	}
	if !a.config.OnPostgres() {
		if a.config.Database == "" {
			if _, err := a.folder(); err != nil {
				return nil, err
			}
		}
		if _, err := os.Stat(a.config.DatabaseURL()); err != nil {
			return nil, fmt.Errorf("there is no database yet: start the server once with tideline serve, or look at --database: %w", err)
		}
	}
	options := sqlstore.Options{Database: a.config.DatabaseURL(), Conns: 2}
	current, known, err := sqlstore.SchemaVersion(ctx, options)
	switch {
	case err != nil:
		return nil, err
	case current == 0:
		return nil, errors.New("the database is empty: start the server once with tideline serve")
	case current < known:
		return nil, fmt.Errorf("the database has version %d, this program needs %d: restart the server with this program, or stop it and run tideline migrate", current, known)
	}
	return sqlstore.Open(ctx, options)
}

// desk is an open database and the workspace that a command is about.
type desk struct {
	store      *sqlstore.Store
	workspaces *workspace.Service
	workspace  tideline.Workspace
}

// open opens the database and finds the workspace. Close the desk.
func (a *app) open(ctx context.Context) (*desk, error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	d := &desk{store: s, workspaces: workspace.New(s, nil)}
	if d.workspace, err = d.workspaces.Pick(ctx, a.config.Workspace); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return d, nil
}

// with runs do on an open desk.
func (a *app) with(ctx context.Context, do func(d *desk) error) (err error) {
	d, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.store.Close()) }()
	return do(d)
}

// operator connects to the running server.
func (a *app) operator(ctx context.Context) (*operator.Client, error) {
	f, err := a.folder()
	if err != nil {
		return nil, err
	}
	s, err := f.Server()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, operator.ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	return operator.Connect(ctx, s.Operator)
}
