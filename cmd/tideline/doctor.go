package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/backup"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice"
)

type doctorCmd struct {
	config.Voice `embed:""`
	config.Files `embed:""`

	BackupAge time.Duration `placeholder:"TIME" help:"Say that something is wrong when the last backup is older than this, such as 48h, or there is none. Default: only say when it was."`
}

// Help implements kong.HelpProvider.
func (doctorCmd) Help() string {
	return `Checks the data folder, whether the server runs and answers, the database and its version, that every credit is explained by the ledger, that files can be stored, read and deleted where they are kept, that those of the latest files are there, whether ffmpeg is there to convert voice notes, the state of every account, when the last backup was made, and whether the receivers of webhooks take what they are sent. Says what is wrong and what to do. Changes nothing, and can be run at any time. The exit code is 1 when something is wrong.

    tideline doctor
    tideline doctor --json | jq '.checks[] | select(.ok | not)'`
}

// errUnwell is what the command ends with when a check has failed.
var errUnwell = errors.New("something is wrong: see what to do above")

// Run checks the installation.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	if err := errors.Join(a.config.Check(), c.Check(a.config)); err != nil {
		return err
	}
	var e examination
	folder, ok := e.folder(a)
	if ok {
		e.server(ctx, a, folder)
		e.folderTakesFiles(folder)
	}
	e.voice(ctx, c.FFmpeg)
	if ok || a.config.Database != "" { // else it would be in the folder
		e.database(ctx, a, func(s *sqlstore.Store) {
			if ok {
				e.files(ctx, &filesPlace{settings: &c.Files, common: a.config, folder: folder, store: s})
			}
		}, c.BackupAge)
	}
	v := doctorJSON{OK: true, Checks: e.checks}
	for _, c := range e.checks {
		v.OK = v.OK && c.OK
	}
	if err := a.show(v, func(w io.Writer) { e.print(w) }); err != nil {
		return err
	}
	if !v.OK {
		return errUnwell
	}
	return nil
}

// doctorJSON is what doctor prints.
type doctorJSON struct {
	OK     bool    `json:"ok"`
	Checks []check `json:"checks"`
}

type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do; only when not OK
}

// examination collects checks.
type examination struct{ checks []check }

func (e *examination) well(name, format string, args ...any) {
	e.checks = append(e.checks, check{Name: name, OK: true, Found: fmt.Sprintf(format, args...)})
}

func (e *examination) ill(name, advice, format string, args ...any) {
	e.checks = append(e.checks, check{Name: name, Found: fmt.Sprintf(format, args...), Advice: advice})
}

func (e *examination) folder(a *app) (datadir.Folder, bool) {
	f, err := a.folder()
	if none, ok := errors.AsType[*noFolderError](err); ok {
		advice := strings.ToUpper(none.advice[:1]) + none.advice[1:] + "."
		e.ill("data folder", advice, "there is none at %s", none.path)
		return f, false
	}
	if err != nil {
		e.ill("data folder", "Name the folder that the server uses with --data, or start a server.", "%s", explain(err))
		return f, false
	}
	if info, err := os.Stat(f.Path); err == nil && info.Mode().Perm()&0o077 != 0 {
		e.ill("data folder", "Run: chmod 700 "+f.Path, "%s can be read by other users of this machine", f.Path)
		return f, true
	}
	e.well("data folder", "%s, of a %s server", f.Path, f.Kind)
	return f, true
}

func (e *examination) server(ctx context.Context, a *app, f datadir.Folder) {
	locked, err := f.Locked()
	if err != nil {
		e.ill("server", "Look at the folder's permissions.", "%v", err)
		return
	}
	if !locked {
		e.well("server", "not running")
		return
	}
	o, err := a.operator(ctx)
	if err != nil {
		e.ill("server", "It may be starting or stopping; otherwise look at its log and restart it.", "a process owns the folder, and does not answer: %s", explain(err))
		return
	}
	s, err := o.Status(ctx)
	if err != nil {
		e.ill("server", "Look at its log and restart it.", "it does not answer: %s", explain(err))
		return
	}
	if s.Version != buildVersion() {
		e.ill("server", "Restart the server, or use its own program for commands.", "it runs version %s, this program is %s", s.Version, buildVersion())
		return
	}
	e.well("server", "process %d at %s, %d messages queued, %d pairings waiting for a phone", s.PID, s.URL, s.Queued, s.Pairings)
}

// voice tells whether audio can be converted. That it can't is no fault: a server
// may never be asked to.
func (e *examination) voice(ctx context.Context, ffmpeg string) {
	path, version, err := voice.New(voice.Config{FFmpeg: ffmpeg}).Version(ctx)
	switch {
	case err == nil:
		e.well("voice notes", "audio is converted by %s (%s)", path, version)
	case ffmpeg != "":
		e.ill("voice notes", "Name a program that runs with --ffmpeg, or leave it out to use the one on PATH.", "ffmpeg was asked for, and %v", err)
	default:
		e.well("voice notes", "no ffmpeg on PATH: only Opus in Ogg can be sent; install ffmpeg to send other audio, such as MP3")
	}
}

// database checks the database, and with it open more.
func (e *examination) database(ctx context.Context, a *app, more func(s *sqlstore.Store), backupAge time.Duration) {
	const start = "Start the server once, which makes or migrates it; for a PostgreSQL database check that it runs and that --database is right."
	options := sqlstore.Options{Database: a.config.DatabaseURL(), Logger: slog.New(slog.DiscardHandler), Conns: 2}
	if !a.config.OnPostgres() {
		if _, err := os.Stat(options.Database); err != nil {
			e.ill("database", start, "%v", err)
			return
		}
	}
	current, known, err := sqlstore.SchemaVersion(ctx, options)
	switch {
	case err != nil:
		e.ill("database", start, "%v", err)
		return
	case current < known:
		e.ill("database", "Restart the server with this program, or stop it and run tideline migrate.", "version %d, this program needs %d", current, known)
		return
	case current > known:
		e.ill("database", "Use the newer program that migrated it.", "version %d, this program knows %d", current, known)
		return
	}
	s, err := sqlstore.Open(ctx, options)
	if err != nil {
		e.ill("database", start, "%v", err)
		return
	}
	defer s.Close()
	e.well("database", "reachable, version %d", current)
	e.nodes(ctx, a, s)
	e.ledger(ctx, s)
	more(s)
	e.accounts(ctx, a, s)
	e.webhooks(ctx, s)
	e.backup(ctx, s, backupAge)
}

// backup tells how old the last backup is. Others than tideline backup are not known.
func (e *examination) backup(ctx context.Context, s *sqlstore.Store, most time.Duration) {
	last, err := backup.LastOf(ctx, s)
	age := time.Since(last.At).Round(time.Second)
	switch {
	case err != nil:
		e.ill("backup", "Look at the database.", "when it was can't be read: %v", err)
	case last.At.IsZero() && most > 0:
		e.ill("backup", "Run: tideline backup", "none was made")
	case last.At.IsZero():
		e.well("backup", "none was made with tideline backup")
	case most > 0 && age > most:
		e.ill("backup", "See why tideline backup does not run.", "the last one is %s old: %s", age, last.File)
	default:
		e.well("backup", "the last one is %s old: %s, %d bytes", age, last.File, last.Bytes)
	}
}

func (e *examination) ledger(ctx context.Context, s *sqlstore.Store) {
	wrong, err := s.AuditLedger(ctx)
	if err != nil {
		e.ill("ledger", "Look at the database.", "it can't be read: %v", err)
		return
	}
	if len(wrong) == 0 {
		e.well("ledger", "every credit is explained")
	}
	for _, w := range wrong {
		e.ill("ledger", "This is a fault in Tideline or in the database: keep a copy of it and report this.", "%s", w)
	}
}

func (e *examination) accounts(ctx context.Context, a *app, s *sqlstore.Store) {
	accounts, err := s.AllAccounts(ctx)
	if err != nil {
		e.ill("accounts", "Look at the database.", "they can't be read: %v", err)
		return
	}
	if len(accounts) == 0 {
		e.ill("accounts", "Run: tideline account pair", "no number is paired")
	}
	a.correct(accounts)
	for _, acc := range accounts {
		name := "account " + string(acc.Phone)
		found := string(acc.State)
		if why := whyAccount(acc, time.Now(), time.UTC); why != "" {
			found += ": " + why
		}
		switch acc.State {
		case tideline.AccountActive, tideline.AccountConnecting:
			e.well(name, "%s", found)
		case tideline.AccountDisconnected:
			e.well(name, "%s; a running server keeps trying", found)
		case tideline.AccountLoggedOut:
			e.ill(name, "Run: tideline account pair", "%s", found)
		case tideline.AccountBanned:
			e.ill(name, "The server connects again when it is over. Open WhatsApp on the phone to see why, and send less and slower afterwards.", "%s", found)
		case tideline.AccountOutdated:
			e.ill(name, "Update Tideline: WhatsApp refuses this version of the client library. Until there is a newer one, announce another version: tideline whatsapp-version", "%s", found)
		}
	}
}

// webhooks tells which receivers take nothing. Those that somebody disabled are no
// fault, and those that work are counted only.
func (e *examination) webhooks(ctx context.Context, s *sqlstore.Store) {
	all, err := s.ListWorkspaces(ctx)
	if err != nil {
		e.ill("webhooks", "Look at the database.", "they can't be read: %v", err)
		return
	}
	working, broken := 0, 0
	for _, w := range all {
		hooks, err := s.ListWebhooks(ctx, w.ID)
		if err != nil {
			e.ill("webhooks", "Look at the database.", "they can't be read: %v", err)
			return
		}
		for i := range hooks {
			h := &hooks[i]
			name := fmt.Sprintf("webhook %d of %s", h.ID, w.Slug)
			look := fmt.Sprintf("tideline webhook log %d --workspace %s", h.ID, w.Slug)
			switch {
			case h.Trouble != "":
				broken++
				e.ill(name, "Mend the receiver, see "+look+", and enable it: tideline webhook add with the same event type and URL.", "disabled: %s", h.Trouble)
			case h.Enabled && h.Circuit.Open():
				broken++
				e.ill(name, "Look at what it answers: "+look+". Its deliveries wait for three days.", "its receiver is down since %s", stamp(h.Circuit.OpenSince, w.Location()))
			case h.Enabled:
				working++
			}
		}
	}
	if working > 0 || broken == 0 {
		e.well("webhooks", "%d, whose receivers work", working)
	}
}

func (e *examination) print(w io.Writer) {
	mark := map[bool]string{true: "ok   ", false: "WRONG"}
	for _, c := range e.checks {
		fmt.Fprintf(w, "%s  %s: %s\n", mark[c.OK], c.Name, c.Found)
		if c.Advice != "" {
			fmt.Fprintf(w, "       %s\n", c.Advice)
		}
	}
}
