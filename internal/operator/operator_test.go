package operator

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fakeAccounts struct {
	pair   func(ctx context.Context, workspaceID int64, by tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error)
	logout func(workspaceID, accountID int64) error
}

func (f fakeAccounts) Pair(ctx context.Context, workspaceID int64, by tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	return f.pair(ctx, workspaceID, by, r)
}

func (f fakeAccounts) Logout(_ context.Context, workspaceID, accountID int64) error {
	return f.logout(workspaceID, accountID)
}

func (f fakeAccounts) Remove(context.Context, int64, int64) error {
	return errors.New("disk on fire")
}

func (f fakeAccounts) Reconnect(context.Context, int64, int64) error { return nil }

// start runs a server on a folder until the test ends.
func start(t *testing.T, dir string, f fakeAccounts) (*Client, *Socket) {
	t.Helper()
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(s, Deps{
		Accounts: f, Status: func() Status { return Status{PID: 7, Version: "v", Queued: 3} },
		Versions: fakeVersions(),
		Logger:   slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if _, err := os.Stat(s.Path()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	c, err := Connect(t.Context(), s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestPairingIsStreamed(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	c, _ := start(t, t.TempDir(), fakeAccounts{
		pair: func(_ context.Context, workspaceID int64, by tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
			if workspaceID != 4 || by.Email != "o@example.com" || r.Phone != "+14840000000" {
				t.Errorf("asked for %d, %+v, %+v", workspaceID, by, r)
			}
			events := make(chan whatsapp.PairEvent)
			go func() {
				defer close(events)
				events <- whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@x", ValidFor: time.Minute}}
				<-seen // the first event arrives while the pairing goes on
				events <- whatsapp.PairEvent{Code: "ABCD1234"}
				events <- whatsapp.PairEvent{Paired: &whatsapp.Paired{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Shop"}}
			}()
			return events, nil
		},
	})
	var got []Event
	err := c.Pair(t.Context(), PairRequest{WorkspaceID: 4, MemberEmail: "o@example.com", Phone: "+14840000000"}, func(e Event) error {
		if len(got) == 0 {
			close(seen)
		}
		got = append(got, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{Kind: KindQR, QR: "2@x", ValidFor: 60},
		{Kind: KindCode, Code: "ABCD1234"},
		{Kind: KindPaired, AccountID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Shop"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPairingEndsWithTheCommand(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	c, _ := start(t, t.TempDir(), fakeAccounts{
		pair: func(ctx context.Context, _ int64, _ tideline.Member, _ whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
			events := make(chan whatsapp.PairEvent, 1)
			events <- whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@x"}}
			go func() {
				<-ctx.Done()
				close(events)
				close(ended)
			}()
			return events, nil
		},
	})
	enough := errors.New("enough")
	if err := c.Pair(t.Context(), PairRequest{}, func(Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Pair: %v", err)
	}
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Error("the pairing goes on")
	}
}

func TestErrorsCrossTheSocket(t *testing.T) {
	t.Parallel()
	c, _ := start(t, t.TempDir(), fakeAccounts{
		logout: func(workspaceID, accountID int64) error {
			if workspaceID != 1 || accountID != 2 {
				t.Errorf("log out %d, %d", workspaceID, accountID)
			}
			return tideline.Errorf(tideline.CodeNotFound, "no such account")
		},
	})
	if err := c.Logout(t.Context(), AccountRequest{1, 2}); !tideline.IsCode(err, tideline.CodeNotFound) || !strings.Contains(err.Error(), "no such account") {
		t.Errorf("Logout: %v", err)
	}
	if err := c.Remove(t.Context(), AccountRequest{1, 2}); !tideline.IsCode(err, tideline.CodeInternal) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("Remove: %v", err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.PID != 7 || s.Queued != 3 {
		t.Errorf("Status: %+v, %v", s, err)
	}
}

func TestOnlyTheOwnerMayConnect(t *testing.T) {
	t.Parallel()
	_, s := start(t, t.TempDir(), fakeAccounts{})
	if info, err := os.Stat(s.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
}

func TestALongPathFallsBack(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c, s := start(t, dir, fakeAccounts{})
	if strings.HasPrefix(s.Path(), dir) {
		t.Errorf("the socket is at %s", s.Path())
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWhatADeadServerLeftIsRemoved(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp(t.TempDir(), tempPrefix)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, socketFile)
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "precious.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	RemoveStale(left)
	RemoveStale(other)
	RemoveStale("")
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("another file was removed: %v", err)
	}
}

func TestASocketLeftBehindIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, socketFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(t.Context(), filepath.Join(dir, socketFile)); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Connect: %v", err)
	}
	c, _ := start(t, dir, fakeAccounts{})
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
