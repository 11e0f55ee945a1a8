package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// backedUp is what tideline backup --json prints.
type backedUp struct {
	File      string
	Rows      int64
	Files     int64
	LostFiles []string `json:"lost_files"`
	Verified  bool
}

// restored restores a backup to a new site.
func (s site) restored(t *testing.T, file string, onPostgres bool) site {
	t.Helper()
	to := site{dir: filepath.Join(t.TempDir(), "restored"), sandbox: s.sandbox}
	if onPostgres {
		to.database = testenv.PostgreSQL(t)
	}
	to.must(t, "restore", file)
	return to
}

// liveOn gives a site the phones of another one as they are now: the world outside
// does not go back in time with a server.
func (s site) liveOn(t *testing.T, other site) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "network")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(s.dir, "network"), os.DirFS(filepath.Join(other.dir, "network"))); err != nil {
		t.Fatal(err)
	}
}

// talk has a text go each way between the site's account and a customer, alone and in
// a group, and waits until each is read.
func (s *server) talk(t *testing.T, group, word string) {
	t.Helper()
	s.send(t, client.Message{Phone: quiet, Text: word + " to you"})
	s.awaitText(t, quiet, word+" to you")
	if _, err := s.api.SendToJID(t.Context(), group, client.Message{Text: word + " to all"}); err != nil {
		t.Fatal(err)
	}
	s.awaitText(t, singer, word+" to all")
	if err := s.says(t.Context(), quiet, word+" from me"); err != nil {
		t.Fatal(err)
	}
	s.mustCall(t, http.MethodPost, "/sandbox/phones/"+singer+"/messages", map[string]string{"to": group, "text": word + " from one"}, nil)
	s.awaitShown(t, quiet, word+" from me")
	eventually(t, "the group shows what came", func(ctx context.Context) (bool, string) {
		var chats struct {
			Data struct{ Chats []shownGroup }
		}
		if err := s.apiCall(ctx, http.MethodGet, "/chats?group=true", nil, &chats); err != nil || len(chats.Data.Chats) != 1 {
			return false, fmt.Sprintf("%d groups, %v", len(chats.Data.Chats), err)
		}
		messages, _, err := s.api.ChatMessages(ctx, chats.Data.Chats[0].ID, client.MessageFilter{})
		return slices.ContainsFunc(messages, func(m client.MessageInfo) bool { return m.Text == word+" from one" }), fmt.Sprintf("%d messages, %v", len(messages), err)
	})
}

// singer is in a group with the account, and says nothing elsewhere.
const singer = "+14840000078"

// people makes a customer who doesn't answer, and the singer's group with the account
// in it.
func (s *server) people(t *testing.T) (group string) {
	t.Helper()
	s.addPhone(t, quiet)
	s.addPhone(t, singer)
	var made struct{ JID string }
	s.mustCall(t, http.MethodPost, "/sandbox/phones/"+singer+"/groups", map[string]any{"subject": "Choir", "members": []string{accountNumber}}, &made)
	return made.JID
}

// onlyOnce fails the test unless a phone shows each text once.
func (s *server) onlyOnce(t *testing.T, number string, texts []string) {
	t.Helper()
	all, err := s.received(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]int{}
	for _, m := range all {
		shown[m.Text]++
	}
	for _, text := range texts {
		if shown[text] != 1 {
			t.Errorf("%q is on the phone %d times", text, shown[text])
		}
	}
}

// TestPromise3ARestoredServerSaysNothingTwice makes a backup while messages wait, has
// them sent and more said in both directions, kills the server and restores the
// backup, each database's to the other one, while the phones remember all of it. What
// waited then is sent again under its id and shown once; what was said since the
// backup is lost on the server; and both sides can read what they say from then on,
// although the phones' ratchets are ahead of the server's.
func TestPromise3ARestoredServerSaysNothingTwice(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		group := srv.people(t)
		srv.talk(t, group, "before")
		upload, err := srv.api.Upload(t.Context(), "menu.txt", "text/plain", bytes.NewReader([]byte("soup\n")))
		if err != nil {
			t.Fatal(err)
		}
		s.must(t, "queue", "pause", accountNumber)
		var waiting, uids []string
		for i := range 5 {
			waiting = append(waiting, fmt.Sprintf("queued %d", i))
			uids = append(uids, srv.send(t, client.Message{Phone: quiet, Text: waiting[i]}))
		}
		got := query[backedUp](t, s, "backup", t.TempDir(), "--verify")
		if !got.Verified || got.Files != 1 || got.Rows < 100 || len(got.LostFiles) > 0 {
			t.Fatalf("the backup has %+v", got)
		}
		lost := srv.send(t, client.Message{Phone: quiet, Text: "accepted after the backup"})
		s.must(t, "queue", "resume", accountNumber)
		for _, uid := range append(uids, lost) {
			srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
		}
		for _, word := range []string{"later", "later still"} { // the ratchets turn
			srv.talk(t, group, word)
		}
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}

		after := s.restored(t, got.File, s.database == "")
		after.liveOn(t, s)
		srv = after.start(t)
		if lines := query[listed](t, after, "queue", "list"); lines.uids() != strings.Join(uids, " ") {
			t.Errorf("the queue is %s, it was %v", lines.uids(), uids)
		}
		after.must(t, "queue", "resume", accountNumber)
		for _, uid := range uids {
			// The phone told of delivery and reading before, and need not do so again.
			eventually(t, uid+" was sent", func(ctx context.Context) (bool, string) {
				history, err := srv.api.StatusHistory(ctx, uid)
				return err == nil && len(history) > 0 && history[0].Status == "Sent", fmt.Sprint(history, err)
			})
		}
		srv.talk(t, group, "afterwards")
		srv.talk(t, group, "in the end")
		srv.onlyOnce(t, singer, []string{"before to all", "later to all", "in the end to all"})
		srv.onlyOnce(t, quiet, append(waiting, "before to you", "later to you", "afterwards to you", "in the end to you", "accepted after the backup"))
		if _, err := srv.api.Message(t.Context(), lost); !refusedWith(err, "not_found") {
			t.Errorf("what was accepted after the backup: %v", err)
		}
		if _, err := srv.api.File(t.Context(), upload.UID); err != nil {
			t.Errorf("the upload: %v", err)
		}
		if text, err := os.ReadFile(filepath.Join(after.dir, "files", "files", upload.UID[len(upload.UID)-2:], upload.UID)); err != nil || string(text) != "soup\n" {
			t.Errorf("the upload's bytes: %q, %v", text, err)
		}
		srv.stop(t)
		after.healthy(t)
	})
}

// TestAServerMovesToPostgreSQLAndBack moves a server with everything in it. Its
// account stays paired, its history is the same through the API, and what waited
// goes out once.
func TestAServerMovesToPostgreSQLAndBack(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	group := srv.people(t)
	srv.talk(t, group, "before")
	s.must(t, "queue", "pause", accountNumber)
	var waiting, uids []string
	for i := range 3 {
		waiting = append(waiting, fmt.Sprintf("queued %d", i))
		uids = append(uids, srv.send(t, client.Message{Phone: quiet, Text: waiting[i]}))
	}
	devices := srv.companions(t)
	_, before, err := srv.conversation(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	postgres := testenv.PostgreSQL(t)
	if r := s.run(t, "migrate-data", "--to", postgres); r.code != 1 || !strings.Contains(r.notes, "in use by process") {
		t.Errorf("beside a server: %d %s", r.code, r.notes)
	}
	srv.stop(t)

	moved := s
	moved.database = postgres
	if out := s.must(t, "migrate-data", "--to", postgres); !strings.Contains(out, "whatsmeow_sessions") || !strings.Contains(out, "the ledger adds up") {
		t.Errorf("printed\n%s", out)
	}
	if r := s.run(t, "migrate-data", "--to", postgres); r.code != 1 || !strings.Contains(r.notes, "no database yet") {
		t.Errorf("a second time: %d %s", r.code, r.notes)
	}
	srv = moved.start(t)
	if now := srv.companions(t); now != devices {
		t.Errorf("the account was paired again: %s, before %s", now, devices)
	}
	if _, now, err := srv.conversation(t.Context(), quiet); err != nil || fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("the chat is\n%v\nand was\n%v, %v", now, before, err)
	}
	moved.must(t, "queue", "resume", accountNumber)
	for _, uid := range uids {
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
	}
	srv.talk(t, group, "on PostgreSQL")
	srv.onlyOnce(t, quiet, append(waiting, "before to you", "on PostgreSQL to you"))
	srv.stop(t)
	moved.healthy(t)

	file := filepath.Join(s.dir, "tideline.db")
	s.must(t, "migrate-data", "--from", postgres, "--to", file)
	if r := s.run(t, "migrate-data", "--from", file, "--to", postgres); r.code != 1 || !strings.Contains(r.notes, "not empty") {
		t.Errorf("into a database with rows: %d %s", r.code, r.notes)
	}
	srv = s.start(t)
	srv.talk(t, group, "on SQLite again")
	srv.onlyOnce(t, quiet, append(waiting, "on PostgreSQL to you", "on SQLite again to you"))
	srv.stop(t)
	s.healthy(t)
}
