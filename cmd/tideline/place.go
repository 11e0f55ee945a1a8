package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/sandbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

// placeSetting is the name under which the database remembers where files are
// (config.PlaceName). A server that is started with another place by mistake
// would find no file, and messages that wait with one would fail for good.
const placeSetting = "files-place"

// spoolFolder in the data folder has files on their way to S3.
const spoolFolder = "spool"

// placeCheck is how long a start waits for a service that does not answer.
const placeCheck = 10 * time.Second

// openPlace is a place where files are kept, opened.
type openPlace interface {
	blob.Store
	io.Closer
}

// filesPlace finds and opens the place where files are kept.
type filesPlace struct {
	settings *config.Files
	common   *config.Common
	folder   datadir.Folder
	store    *sqlstore.Store
	owner    bool               // the server's, which holds the data folder
	observer func() s3.Observer // nil = nobody counts; asked when files are in S3
	log      *slog.Logger       // nil = silent
}

// open opens the place that the settings name, else the one where files are. The
// server remembers a place as long as there is no file yet. Configuration that
// can't work is refused; a service that doesn't answer is only warned of: it may
// come back before the server is needed.
func (p *filesPlace) open(ctx context.Context) (openPlace, error) {
	place, err := p.agreed(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := p.at(place)
	if err != nil {
		return nil, err
	}
	bucket, ok := opened.(*s3.Store)
	if !ok || !p.owner {
		return opened, nil
	}
	bounded, cancel := context.WithTimeout(ctx, placeCheck)
	defer cancel()
	err = bucket.Check(bounded)
	fault, ok := errors.AsType[*s3.Error](err)
	if ok && fault.Advice == "" || err != nil && ctx.Err() == nil && bounded.Err() != nil {
		p.log.WarnContext(ctx, "files in s3 can't be reached; starting all the same", "place", place, "err", err)
		return opened, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("files in %s: %w", place, err), bucket.Close())
	}
	return opened, nil
}

// agreed is the place where files are, which the settings may name and not change.
func (p *filesPlace) agreed(ctx context.Context) (string, error) {
	kept, err := p.store.Setting(ctx, placeSetting)
	if err != nil {
		return "", err
	}
	want, err := p.wanted(kept)
	if err != nil || want == kept {
		return want, err
	}
	some, err := p.store.AllFiles(ctx, 0, 1)
	if err != nil {
		return "", err
	}
	if len(some) > 0 || !p.owner {
		return "", p.elsewhere(kept, want)
	}
	return want, p.store.SetSetting(ctx, placeSetting, want)
}

// wanted is the place that the settings name, else the one that is remembered.
func (p *filesPlace) wanted(kept string) (string, error) {
	if p.settings.Place == "" {
		return kept, p.settings.CheckPlace(p.common, kept)
	}
	if err := p.settings.Check(p.common); err != nil {
		return "", err
	}
	return config.PlaceName(p.settings.Place, p.folder.Path)
}

// elsewhere refuses a place that files are not in.
func (p *filesPlace) elsewhere(kept, want string) error {
	return fmt.Errorf("files are kept in %s, and --files names %s: run tideline files move --to %s first, or leave --files out",
		spoken(kept), spoken(want), p.settings.Place)
}

// openKept opens the place that a database remembers which need not be opened as a
// store, because it may have the tables of another version.
func (p *filesPlace) openKept(kept string) (openPlace, error) {
	want, err := p.wanted(kept)
	if err != nil {
		return nil, err
	}
	if want != kept {
		return nil, p.elsewhere(kept, want)
	}
	return p.at(want)
}

// keptPlace reads from rows which place is remembered.
func keptPlace(ctx context.Context, rows store.RowReader) (string, error) {
	for _, t := range rows.Tables() {
		if t.Name != settingsTable {
			continue
		}
		name, value := settingColumns(t)
		for row, err := range rows.Rows(ctx, t.Name) {
			if err != nil {
				return "", err
			}
			if row[name] == placeSetting {
				place, _ := row[value].(string)
				return place, nil
			}
		}
	}
	return "", nil
}

// settingsTable has the settings that the database remembers.
const settingsTable = "settings"

// settingColumns says where the table of settings has a setting's name and value.
func settingColumns(t store.Table) (name, value int) {
	at := func(column string) int {
		return slices.IndexFunc(t.Columns, func(c store.Column) bool { return c.Name == column })
	}
	return at("name"), at("value")
}

// spoken is how a place is shown.
func spoken(place string) string {
	if place == "" {
		return "the data folder"
	}
	return place
}

// at opens a place by its name (config.PlaceName).
func (p *filesPlace) at(place string) (openPlace, error) {
	if config.IsS3(place) {
		return p.bucket(place)
	}
	open := local.Join
	if p.owner {
		open = local.Open
	}
	s, err := open(config.PlaceFolder(place, p.folder.Path))
	if err != nil {
		return nil, fmt.Errorf("open the folder of files: %w", err)
	}
	return s, nil
}

func (p *filesPlace) bucket(place string) (openPlace, error) {
	bucket, prefix, err := s3.ParsePlace(place)
	if err != nil {
		return nil, err
	}
	f := p.settings
	o := s3.Options{
		Bucket: bucket, Prefix: prefix, Endpoint: f.S3Endpoint, Region: f.S3Region, Addressing: f.S3Addressing,
		AccessKey: f.S3AccessKey, SecretKey: f.S3SecretKey, Credentials: s3.Credentials(f.S3Credentials),
		SpoolDir: p.folder.In(spoolFolder), Logger: p.log,
	}
	if f.S3CA != "" {
		if o.CA, err = os.ReadFile(f.S3CA); err != nil {
			return nil, fmt.Errorf("read the certificates of --s3-ca: %w", err)
		}
	}
	if p.folder.Kind == datadir.Sandbox {
		o.Control = sandbox.Control
	}
	if p.observer != nil {
		o.Observer = p.observer()
	}
	if p.owner { // what an earlier process left on its way
		if err := os.RemoveAll(o.SpoolDir); err != nil {
			return nil, fmt.Errorf("empty the folder of files on their way: %w", err)
		}
	}
	if err := os.MkdirAll(o.SpoolDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of files on their way: %w", err)
	}
	return s3.Open(o)
}
