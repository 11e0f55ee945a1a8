package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/voice"
)

type templateCmd struct {
	Add  templateAddCmd  `cmd:"" help:"Keep a file under a number, to be sent again and again."`
	List templateListCmd `cmd:"" help:"List attachment templates."`
}

type templateAddCmd struct {
	config.Files `embed:""`

	File string `arg:"" type:"existingfile" help:"The file."`
	Name string `help:"Name of the template. Default: the file's name."`
}

// Help implements kong.HelpProvider.
func (templateAddCmd) Help() string {
	return `Programs send the file by its number, as attachment_template_id, without uploading it. Run this on the server's machine: the file is copied to where files are kept.

    tideline template add price-list.pdf --name "Price list"`
}

// Run adds a template.
func (c *templateAddCmd) Run(ctx context.Context, a *app) error {
	folder, err := a.folder()
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *desk) (err error) {
		in, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer in.Close()
		owner, err := d.workspaces.Member(ctx, d.workspace, "")
		if err != nil {
			return err
		}
		kept, err := (&filesPlace{settings: &c.Files, common: a.config, folder: folder, store: d.store}).open(ctx)
		if err != nil {
			return err
		}
		files, err := openFiles(ctx, d.store, kept, nil, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, files.close()) }()
		name := filepath.Base(c.File)
		if c.Name == "" {
			c.Name = name
		}
		t, f, err := files.CreateTemplate(ctx, d.workspace, owner, c.Name, file.Upload{
			Body:     in,
			Describe: func() (file.Description, error) { return file.Description{SentName: name}, nil },
		})
		if err != nil {
			return err
		}
		v := templateJSON{ID: t.ID, Name: t.Name, FileUID: f.UID, MIMEType: f.MIMEType, Size: f.Size, CreatedAt: jsonTime{t.CreatedAt}}
		return a.show(v, func(w io.Writer) {
			fmt.Fprintf(w, "Template %d is %s (%s, %d bytes). Send it with \"attachment_template_id\": %d.\n", t.ID, t.Name, f.MIMEType, f.Size, t.ID)
		})
	})
}

type templateListCmd struct{}

// Help implements kong.HelpProvider.
func (templateListCmd) Help() string {
	return "Lists the workspace's attachment templates.\n\n    tideline template list"
}

// Run lists templates.
func (templateListCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		all, err := d.store.ListTemplates(ctx, d.workspace.ID)
		if err != nil {
			return err
		}
		views := make([]templateJSON, len(all))
		rows := make([][]string, len(all))
		for i, t := range all {
			_, f, err := d.store.Template(ctx, d.workspace.ID, t.ID)
			if err != nil {
				return err
			}
			views[i] = templateJSON{ID: t.ID, Name: t.Name, FileUID: f.UID, MIMEType: f.MIMEType, Size: f.Size, CreatedAt: jsonTime{t.CreatedAt}}
			rows[i] = []string{fmt.Sprint(t.ID), t.Name, f.MIMEType, fmt.Sprint(f.Size), stamp(t.CreatedAt, d.workspace.Location())}
		}
		return a.show(views, func(w io.Writer) { table(w, []string{"ID", "NAME", "TYPE", "BYTES", "CREATED"}, rows) })
	})
}

// templateJSON is how an attachment template is shown.
type templateJSON struct {
	ID        int64    `json:"id"`
	Name      string   `json:"name"`
	FileUID   string   `json:"file_uid"`
	MIMEType  string   `json:"mimetype"`
	Size      int64    `json:"size"`
	CreatedAt jsonTime `json:"created_at"`
}

// voiceFolder in the data folder has audio while it is converted.
const voiceFolder = "voice"

// openedFiles is the file service with the place that it keeps bytes in.
type openedFiles struct {
	*file.Service
	blobs openPlace
}

func (f openedFiles) close() error { return f.blobs.Close() }

// openFiles opens the file service on a database and a place. notes may be nil
// when nobody sends through the service. With a fetcher it takes files by their
// URLs too.
func openFiles(ctx context.Context, s *sqlstore.Store, blobs openPlace, notes *voice.Converter, fetcher file.Fetcher, log *slog.Logger) (openedFiles, error) {
	key, err := s.Secret(ctx, file.LinkSecret, file.LinkSecretSize)
	if err != nil {
		return openedFiles{}, errors.Join(err, blobs.Close())
	}
	return openedFiles{file.New(file.Config{LinkKey: key}, file.Deps{Storage: s, Blobs: blobs, Log: log, Voice: notes, Fetcher: fetcher}), blobs}, nil
}
