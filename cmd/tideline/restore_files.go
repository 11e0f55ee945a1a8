package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"

	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store"
)

// placeIn finds places for files of a data folder that is the restore's own.
func (p *place) placeIn(folder datadir.Folder) *filesPlace {
	return &filesPlace{settings: p.files, common: p.app.config, folder: folder, owner: true, log: slog.New(slog.DiscardHandler)}
}

// checkFiles refuses a bucket that can't be used, before anything is touched.
func (p *place) checkFiles(ctx context.Context) (err error) {
	if err := p.files.Check(p.app.config); err != nil {
		return err
	}
	if p.header.NoFiles || !p.files.InS3() {
		return nil
	}
	dir, err := os.MkdirTemp("", "tideline-restore-") // there is no data folder yet
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name, err := config.PlaceName(p.files.Place, dir)
	if err != nil {
		return err
	}
	return p.placeIn(datadir.Folder{Path: dir, Kind: datadir.Kind(p.header.Kind)}).within(name, func(opened openPlace) error {
		bucket, ok := opened.(*s3.Store)
		if !ok {
			return fmt.Errorf("%s is no bucket: %w", name, fs.ErrInvalid)
		}
		if err := bucket.Check(ctx); err != nil {
			return fmt.Errorf("files in %s: %w; nothing was touched", name, err)
		}
		return nil
	})
}

// placing is a loader that has the database remember the place of its files.
type placing struct {
	store.Loader
	place string
	keep  bool // the place stays as it was
}

// Load implements store.Loader. The number of rows is that of the backup's.
func (l *placing) Load(ctx context.Context, t store.Table, rows iter.Seq2[store.Row, error]) (int64, error) {
	if l.keep || t.Name != settingsTable {
		return l.Loader.Load(ctx, t, rows)
	}
	name, value := settingColumns(t)
	if name < 0 || value < 0 {
		return 0, fmt.Errorf("the table %s has not the columns that it should have", t.Name)
	}
	n, found := int64(0), false
	loaded, err := l.Loader.Load(ctx, t, func(yield func(store.Row, error) bool) {
		for row, err := range rows {
			if err == nil && row[name] == placeSetting {
				row[value], found = l.place, true
			}
			if n++; !yield(row, err) {
				return
			}
		}
		if found || l.place == "" {
			return
		}
		row := make(store.Row, len(t.Columns))
		row[name], row[value] = placeSetting, l.place
		yield(row, nil)
	})
	return min(n, loaded), err
}
