package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// sampled is how many of the latest files doctor looks for.
const sampled = 200

// folderTakesFiles tries whether the data folder takes a file: a full disk or lost
// permissions stop everything.
func (e *examination) folderTakesFiles(f datadir.Folder) {
	tmp, err := os.CreateTemp(f.Path, "doctor.*.tmp")
	if err == nil {
		_, err = tmp.WriteString("x")
		err = errors.Join(err, tmp.Sync(), tmp.Close(), os.Remove(tmp.Name()))
	}
	if err != nil {
		e.ill("disk", "Check the free space of the disk and who owns the folder.", "%s: %v", f.Path, err)
		return
	}
	e.well("disk", "%s can be written", f.Path)
}

// files puts a file where files are kept, reads it, deletes it, and looks for the
// bytes of the latest files.
func (e *examination) files(ctx context.Context, p *filesPlace) {
	place, err := p.agreed(ctx)
	if err != nil {
		e.ill("files", "Name the place that the server uses, or move the files.", "%s", explain(err))
		return
	}
	blobs, err := p.at(place)
	if err != nil {
		e.ill("files", "Correct the settings of the place.", "%s: %s", spoken(place), explain(err))
		return
	}
	defer func() { _ = blobs.Close() }() // it was only looked at
	if err := probe(ctx, blobs); err != nil {
		e.ill("files", placeAdvice(err), "%s: %s", spoken(place), explain(err))
		return
	}
	looked, bad, err := e.latest(ctx, p, blobs)
	switch {
	case err != nil:
		e.ill("files", placeAdvice(err), "%s: %s", spoken(place), explain(err))
	case len(bad) > 0:
		e.ill("files", "Restore the place from a backup, or put the files back by hand: tideline files check lists all that are missing. Where files were moved, see --files.",
			"the bytes of %d of the latest %d files are not in %s, such as %s", len(bad), looked, spoken(place), bad[0].Blob)
	default:
		e.well("files", "%s takes, gives and deletes files; the latest %d are there", spoken(place), looked)
	}
}

// placeAdvice says what to do when a place does not work.
func placeAdvice(err error) string {
	fault, ok := errors.AsType[*s3.Error](err)
	switch {
	case ok && fault.Advice != "":
		return "As it says: " + fault.Advice + "."
	case errors.Is(err, blob.ErrUnavailable):
		return "Check that the service answers, and the network on the way to it. Messages with files wait meanwhile."
	}
	return "Check the free space of the disk and who owns the folder."
}

// latest looks for the bytes of the latest files.
func (e *examination) latest(ctx context.Context, p *filesPlace, blobs blob.Store) (looked int, bad []tideline.File, err error) {
	files, err := p.store.LatestFiles(ctx, sampled)
	if err != nil {
		return 0, nil, err
	}
	for _, f := range files {
		state, err := file.Compare(ctx, p.store, blobs, f)
		if err != nil {
			return looked, bad, err
		}
		if state != file.StateFine {
			bad = append(bad, f)
		}
		looked++
	}
	return looked, bad, nil
}

// probe puts, gets and deletes a blob of its own.
func probe(ctx context.Context, blobs blob.Store) (err error) {
	key, content := "probe/"+uuid.NewString(), []byte("written by tideline doctor, to be deleted at once")
	defer func() { err = errors.Join(err, blobs.Delete(ctx, key)) }()
	if _, err := blobs.Put(ctx, key, bytes.NewReader(content)); err != nil {
		return err
	}
	r, err := blobs.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, content) {
		err = blob.ErrDamaged
	}
	return err
}
