package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

type filesCmd struct {
	Check filesCheckCmd `cmd:"" help:"Look whether the bytes of all files are there, and for bytes that no file has."`
	Move  filesMoveCmd  `cmd:"" help:"Copy all files to another place, and use that one."`
}

type filesCheckCmd struct {
	config.Files  `embed:""`
	RemoveOrphans bool `help:"Delete the bytes that no file has had for a day."`
}

// Help implements kong.HelpProvider.
func (filesCheckCmd) Help() string {
	return `Lists everything in the place where files are kept and holds it against the records in the database, while the server runs or not. The exit code is 1 when bytes are missing. Bytes that no file has are left by a crash between storing them and recording them; they cost room and nothing else.

    tideline files check
    tideline files check --json | jq .missing

Don't remove orphans from a place that another installation uses too, or after an old database was restored: then the files of the other, or those since the backup, are what is removed.`
}

// Run checks the files.
func (c *filesCheckCmd) Run(ctx context.Context, a *app) error {
	return a.onFiles(ctx, &c.Files, func(p *filesPlace) error {
		place, err := p.agreed(ctx)
		if err != nil {
			return err
		}
		return p.within(place, func(blobs openPlace) error {
			found, err := file.Inspect(ctx, p.store, blobs, time.Now(), c.RemoveOrphans)
			if err != nil {
				return err
			}
			if err := a.show(inspectionJSON(place, &found), func(w io.Writer) { printInspection(w, place, &found) }); err != nil {
				return err
			}
			return lacking(&found)
		})
	})
}

// lacking is the error for files whose bytes are not as recorded.
func lacking(found *file.Inspection) error {
	if found.Missing+found.WrongSize == 0 {
		return nil
	}
	return fmt.Errorf("the bytes of %d files are missing, and of %d have another size: put them back from a backup, under the keys that are shown", found.Missing, found.WrongSize)
}

// checkedJSON is how an inspection is shown.
type checkedJSON struct {
	Place       string        `json:"place"`
	Files       int64         `json:"files"`
	Missing     int64         `json:"missing"`
	WrongSize   int64         `json:"wrong_size"`
	Bad         []badFileJSON `json:"bad"`
	Blobs       int64         `json:"blobs"`
	Bytes       int64         `json:"bytes"`
	Orphans     int64         `json:"orphans"`
	OrphanBytes int64         `json:"orphan_bytes"`
	OrphanKeys  []string      `json:"orphan_keys"`
	Removed     int64         `json:"removed"`
}

type badFileJSON struct {
	UID  string `json:"uid"`
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

func inspectionJSON(place string, found *file.Inspection) checkedJSON {
	v := checkedJSON{
		Place: spoken(place), Files: found.Files, Missing: found.Missing, WrongSize: found.WrongSize, Bad: []badFileJSON{},
		Blobs: found.Blobs, Bytes: found.Bytes, Orphans: found.Orphans, OrphanBytes: found.OrphanBytes,
		OrphanKeys: append([]string{}, found.OrphanKeys...), Removed: found.Removed,
	}
	for _, f := range found.Bad {
		v.Bad = append(v.Bad, badFileJSON{UID: f.UID, Key: f.Blob, Size: f.Size})
	}
	return v
}

func printInspection(w io.Writer, place string, found *file.Inspection) {
	fmt.Fprintf(w, "%s: %d files in %d bytes; %d missing, %d of another size\n", spoken(place), found.Files, found.Bytes, found.Missing, found.WrongSize)
	for _, f := range found.Bad {
		fmt.Fprintf(w, "  not as recorded: %s (%d bytes)\n", f.Blob, f.Size)
	}
	if found.Orphans > 0 {
		fmt.Fprintf(w, "%d that no file has, %d bytes, %d removed\n", found.Orphans, found.OrphanBytes, found.Removed)
	}
	for _, key := range found.OrphanKeys {
		fmt.Fprintf(w, "  no file has: %s\n", key)
	}
}

type filesMoveCmd struct {
	config.Files  `embed:""`
	To            string `required:"" placeholder:"PLACE" help:"Where files are to be: a folder, or s3://bucket/prefix; data for the folder in the data folder."`
	Check         bool   `help:"Compare what is there already byte by byte, not only by its size."`
	AcceptMissing bool   `help:"Use the new place although the bytes of some files are in neither."`
}

// Help implements kong.HelpProvider.
func (filesMoveCmd) Help() string {
	return `Copies what the other place lacks, reads each copy back, and compares by SHA-256. While a server runs, that is all: so most of the work can be done before it has to be stopped. Without a server the command then makes sure that the bytes of every file are in the new place and has the server use it from its next start on. It can be interrupted and run again. Nothing is deleted from the old place.

    tideline files move --to s3://bucket/tideline     # while the server runs
    # stop the server
    tideline files move --to s3://bucket/tideline     # what came since; then the new place counts
    # start the server

The --s3 settings are those of the side that is in S3, and the server needs them too. From one service to another go by way of a folder.`
}

// Run moves the files.
func (c *filesMoveCmd) Run(ctx context.Context, a *app) error {
	return a.onFiles(ctx, &c.Files, func(p *filesPlace) (err error) {
		if c.To == "data" {
			c.To = p.folder.In(config.FilesFolder)
		}
		to, err := config.PlaceName(c.To, p.folder.Path)
		if err == nil {
			err = c.CheckPlace(a.config, to)
		}
		if err != nil {
			return err
		}
		from, err := p.agreed(ctx)
		if err != nil {
			return err
		}
		if from == to {
			return fmt.Errorf("files are in %s already", spoken(to))
		}
		alone, release, err := a.hold(ctx, p.folder)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
		done, found, err := c.move(ctx, a, p, from, to)
		if err != nil {
			return err
		}
		v := movedJSON{From: spoken(from), To: spoken(to), Copied: done.Copied, Bytes: done.Bytes, Same: done.Same, InUse: false, checkedJSON: inspectionJSON(to, &found)}
		var missing error
		if !c.AcceptMissing {
			missing = lacking(&found)
		}
		if alone && missing == nil {
			if err := p.store.SetSetting(ctx, placeSetting, to); err != nil {
				return err
			}
			v.InUse = true
		}
		if err := a.show(v, func(w io.Writer) { v.print(w, &found, to) }); err != nil {
			return err
		}
		return missing
	})
}

// move copies and then looks whether all is there.
func (c *filesMoveCmd) move(ctx context.Context, a *app, p *filesPlace, from, to string) (done file.Copied, found file.Inspection, err error) {
	err = p.within(from, func(source openPlace) error {
		return p.within(to, func(target openPlace) error {
			for _, place := range []openPlace{source, target} {
				if bucket, ok := place.(*s3.Store); ok {
					if err := bucket.Check(ctx); err != nil {
						return err
					}
				}
			}
			done, err = file.Copy(ctx, source, target, c.Check, func(now file.Copied) {
				a.note("tideline: copied %d files, %d bytes; %d were there", now.Copied, now.Bytes, now.Same)
			})
			if err != nil {
				return fmt.Errorf("%w: run it again, it goes on where it ended", err)
			}
			found, err = file.Inspect(ctx, p.store, target, time.Now(), false)
			return err
		})
	})
	return done, found, err
}

// movedJSON is how a move is shown.
type movedJSON struct {
	From        string `json:"from"`
	To          string `json:"to"`
	Copied      int64  `json:"copied"`
	Bytes       int64  `json:"copied_bytes"`
	Same        int64  `json:"same"`
	InUse       bool   `json:"in_use"` // the server uses the new place from its next start on
	checkedJSON        // of the new place
}

func (v *movedJSON) print(w io.Writer, found *file.Inspection, to string) {
	fmt.Fprintf(w, "copied %d files, %d bytes; %d were there\n", v.Copied, v.Bytes, v.Same)
	printInspection(w, to, found)
	switch {
	case v.InUse:
		fmt.Fprintf(w, "The server uses %s from its next start on. The old place, %s, has all it had: keep it until you are sure.\n", v.To, v.From)
	case found.Missing+found.WrongSize == 0:
		fmt.Fprintln(w, "A server is running. Stop it and run this again: then the rest is copied and the new place counts.")
	}
}

// onFiles runs do with the place where files are kept.
func (a *app) onFiles(ctx context.Context, settings *config.Files, do func(*filesPlace) error) (err error) {
	if err := settings.Check(a.config); err != nil {
		return err
	}
	folder, err := a.folder()
	if err != nil {
		return err
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(&filesPlace{settings: settings, common: a.config, folder: folder, store: s, log: slog.New(slog.DiscardHandler)})
}

// within opens a place for do.
func (p *filesPlace) within(place string, do func(openPlace) error) (err error) {
	opened, err := p.at(place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return do(opened)
}

// hold keeps servers away while no one runs; alone is false when one does.
func (a *app) hold(ctx context.Context, f datadir.Folder) (alone bool, release func() error, err error) {
	busy, err := f.Locked()
	if err != nil {
		return false, nil, err
	}
	if busy {
		return false, func() error { return nil }, nil
	}
	unlock, err := f.Lock(ctx, time.Second)
	if err != nil {
		return false, nil, err
	}
	claim, err := sqlstore.TakeClaim(ctx, sqlstore.Options{Database: a.config.DatabaseURL()}, fmt.Sprintf("tideline files, process %d", os.Getpid()), time.Second)
	if errors.Is(err, sqlstore.ErrClaimed) { // by a server with another data folder
		return false, unlock, nil
	}
	if err != nil {
		return false, nil, errors.Join(err, unlock())
	}
	return true, func() error { return errors.Join(claim.Release(), unlock()) }, nil
}
