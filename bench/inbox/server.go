package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/bench/internal/fill"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	fillers = 512 // goroutines that store at the same time
	filled  = "filled"
)

// server is a running sandbox server with many chats.
type server struct {
	binary, dir string
	cmd         *exec.Cmd
	url         string
	enter       string // a one-time link; one more with link
}

// open builds the command, fills a data folder unless it is full already, and
// starts the server on it.
func open(ctx context.Context, dir string, o *options) (*server, error) {
	s := &server{binary: filepath.Join(dir, "tideline"), dir: filepath.Join(dir, "data")}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/tideline")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the server (run this in the repository): %w\n%s", err, out)
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	mark := filepath.Join(dir, filled)
	if _, err := os.Stat(mark); !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	if err := fillUp(ctx, filepath.Join(s.dir, config.DatabaseFile), o); err != nil {
		return nil, fmt.Errorf("fill the workspace: %w", err)
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

// start starts the server and waits for what it prints.
func (s *server) start(ctx context.Context) error {
	s.cmd = exec.CommandContext(ctx, s.binary, "serve", "--sandbox", "--json", "--listen", "127.0.0.1:0", "--data", s.dir, "--log-level", "error")
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGINT) }
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	var welcome struct{ URL, Inbox string }
	if err := json.NewDecoder(out).Decode(&welcome); err != nil {
		return errors.Join(fmt.Errorf("the server did not start: %w", err), s.stop())
	}
	s.url, s.enter = welcome.URL, welcome.Inbox
	return nil
}

func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(syscall.SIGINT)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	err = errors.Join(err, s.cmd.Wait())
	s.cmd = nil
	return err
}

// link makes another one-time link for the owner.
func (s *server) link(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, s.binary, "member", "link", "--data", s.dir).Output()
	return string(bytes.TrimSpace(out)), err
}

// fillUp makes chats with one message each, and the newest of them, which will be
// opened, with many.
func fillUp(ctx context.Context, database string, o *options) (err error) {
	st, err := sqlstore.Open(ctx, sqlstore.Options{Database: database})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	ws, err := st.WorkspaceBySlug(ctx, "sandbox")
	if err != nil {
		return err
	}
	accounts, _, err := st.AccountsOf(ctx, ws.ID)
	if err != nil {
		return err
	}
	began := time.Now()
	receive := func(chat, n int, at time.Time) error {
		uid, err := uuid.NewV7()
		if err != nil {
			return err
		}
		phone := tideline.Phone(fmt.Sprintf("+1484%07d", 2_000_000+chat))
		peer := tideline.Peer{JID: phone.JID(), Name: fmt.Sprintf("Customer %d", chat)}
		r := store.Reception{
			WorkspaceID: ws.ID, AccountID: accounts[0].ID, Chat: peer, Sender: peer, FromMe: n%2 == 1, At: at, ReceivedAt: began,
			Message: &store.NewInbound{UID: uid.String(), WhatsAppID: fmt.Sprintf("3EB0%06X%06X", chat, n), Kind: tideline.KindText,
				Text: fmt.Sprintf("Message %d of customer %d: what customers and shops say to each other, of some length.", n, chat)},
		}
		if r.FromMe {
			r.Sender = tideline.Peer{}
		}
		_, err = st.Receive(ctx, r)
		return err
	}
	// The oldest chat first; in those that are opened, the messages before the last.
	opened := min(o.Switches+1, o.Chats)
	if err := fill.InParallel(fillers, opened*(o.Messages-1), func(i int) error {
		chat, n := o.Chats-1-i%opened, i/opened
		return receive(chat, n, began.Add(-48*time.Hour+time.Duration(n)*time.Second))
	}); err != nil {
		return err
	}
	return fill.InParallel(fillers, o.Chats, func(chat int) error {
		return receive(chat, o.Messages, began.Add(time.Duration(chat-o.Chats)*time.Second))
	})
}
