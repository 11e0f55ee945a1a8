package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/retention"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type archiveCmd struct {
	List   archiveListCmd   `cmd:"" help:"List the parts of the archive."`
	Show   archiveShowCmd   `cmd:"" help:"Show the messages of a part."`
	Export archiveExportCmd `cmd:"" help:"Write archived messages as lines of JSON."`
}

type archiveListCmd struct {
	Month string `placeholder:"YYYY-MM" help:"Only this month."`
}

// Help implements kong.HelpProvider.
func (archiveListCmd) Help() string {
	return `Lists the parts of a workspace's archive. Messages come into it before they are deleted because of their age, when tideline workspace set --archive says so; each is in the part of the month it was sent or received in (UTC).

    tideline archive list
    tideline archive list --month 2026-11 --json`
}

// Run lists parts.
func (c *archiveListCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		parts, err := archived(ctx, d, c.Month)
		if err != nil {
			return err
		}
		views := make([]partJSON, len(parts))
		rows := make([][]string, len(parts))
		for i, p := range parts {
			views[i] = partJSON{Part: partName(p), Messages: p.Messages, Bytes: p.Bytes, SHA256: hex.EncodeToString(p.SHA256[:]), Key: p.Blob, WrittenAt: jsonTime{p.WrittenAt}}
			rows[i] = []string{views[i].Part, fmt.Sprint(p.Messages), fmt.Sprint(p.Bytes), stamp(p.WrittenAt, d.workspace.Location()), p.Blob}
		}
		return a.show(views, func(w io.Writer) { table(w, []string{"PART", "MESSAGES", "BYTES", "WRITTEN", "KEY"}, rows) })
	})
}

// partJSON is how a part of the archive is shown.
type partJSON struct {
	Part      string   `json:"part"`
	Messages  int      `json:"messages"`
	Bytes     int64    `json:"bytes"`
	SHA256    string   `json:"sha256"`
	Key       string   `json:"key"`
	WrittenAt jsonTime `json:"written_at"`
}

// partName is how commands name a part: "2026-11/3".
func partName(p store.ArchivePart) string { return p.Month + "/" + strconv.Itoa(p.Number) }

// archived gives the parts of a month; of all when month is "".
func archived(ctx context.Context, d *desk, month string) ([]store.ArchivePart, error) {
	all, err := d.store.ListParts(ctx, d.workspace.ID)
	if err != nil || month == "" {
		return all, err
	}
	var parts []store.ArchivePart
	for _, p := range all {
		if p.Month == month {
			parts = append(parts, p)
		}
	}
	return parts, nil
}

type archiveShowCmd struct {
	config.Files `embed:""`
	Part         string `arg:"" help:"Which part, such as 2026-11/1: see tideline archive list."`
}

// Help implements kong.HelpProvider.
func (archiveShowCmd) Help() string {
	return `Shows the messages of a part of the archive, a line each; with --json all that is archived of them.

    tideline archive show 2026-11/1`
}

// Run shows a part.
func (c *archiveShowCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		month, _, _ := strings.Cut(c.Part, "/")
		parts, err := archived(ctx, d, month)
		if err != nil {
			return err
		}
		for _, p := range parts {
			if partName(p) != c.Part {
				continue
			}
			var text bytes.Buffer
			if err := a.export(ctx, d, &c.Files, []store.ArchivePart{p}, &text); err != nil {
				return err
			}
			return showRecords(a, d, &text)
		}
		return tideline.Errorf(tideline.CodeNotFound, "the archive has no part %s; tideline archive list shows them", c.Part)
	})
}

// showRecords shows archived messages.
func showRecords(a *app, d *desk, lines io.Reader) error {
	records := []retention.Record{}
	var rows [][]string
	for in := json.NewDecoder(lines); ; {
		var r retention.Record
		err := in.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read a line of the archive: %w", err)
		}
		records = append(records, r)
		at, who := r.AcceptedAt, "us"
		if r.SentAt != "" {
			at = r.SentAt
		}
		if r.Sender != nil {
			who = r.Sender.Name
		}
		rows = append(rows, []string{at, r.Chat.Name, who, r.Status, r.Text, r.UID})
	}
	return a.show(records, func(w io.Writer) { table(w, []string{"WHEN", "CHAT", "WHO", "STATUS", "TEXT", "UID"}, rows) })
}

type archiveExportCmd struct {
	config.Files `embed:""`
	Month        string `placeholder:"YYYY-MM" help:"Only this month."`
	Output       string `short:"o" placeholder:"FILE" type:"path" help:"Write to this file, which must not be there yet. Default: standard output."`
}

// Help implements kong.HelpProvider.
func (archiveExportCmd) Help() string {
	return `Writes archived messages as lines of JSON, one message a line, oldest month first. docs/operations.md says what the fields are. A part that is damaged stops it.

    tideline archive export --month 2026-11 > november.jsonl
    tideline archive export | jq -r 'select(.chat.phone == "+15550001111") | .text'`
}

// Run exports.
func (c *archiveExportCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) (err error) {
		parts, err := archived(ctx, d, c.Month)
		if err != nil {
			return err
		}
		out := a.out
		if c.Output != "" {
			f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("write the export: %w", err)
			}
			if err := errors.Join(a.export(ctx, d, &c.Files, parts, f), f.Close()); err != nil {
				return err
			}
			a.note("%d parts written to %s", len(parts), c.Output)
			return nil
		}
		return a.export(ctx, d, &c.Files, parts, out)
	})
}

// export writes the lines of parts, which it reads beside a server that runs.
func (a *app) export(ctx context.Context, d *desk, settings *config.Files, parts []store.ArchivePart, w io.Writer) (err error) {
	if len(parts) == 0 {
		return nil
	}
	folder, err := a.folder()
	if err != nil {
		return err
	}
	place := &filesPlace{settings: settings, common: a.config, folder: folder, store: d.store, log: slog.New(slog.DiscardHandler)}
	blobs, err := place.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	for _, p := range parts {
		if err := retention.Export(ctx, blobs, p, w); err != nil {
			return err
		}
	}
	return nil
}
