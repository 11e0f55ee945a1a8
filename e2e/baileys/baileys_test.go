package baileys

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite" // the database driver of whatsmeow's sessions

	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/wasim"
	"github.com/tidelinehq/tideline/wasim/wasimtest"
)

// A whatsmeow client whose connection ends while a frame comes in leaves its reader behind for good
// (whatsmeow socket/framesocket.go, frameComplete).
func TestMain(m *testing.M) {
	testenv.Main(m, goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"))
}

const (
	ours   = "+14840000100" // the number whose companion is whatsmeow
	theirs = "+14840000200" // the number whose companion is Baileys
)

func jidOf(number string) string { return strings.TrimPrefix(number, "+") + "@s.whatsapp.net" }

// meow is a whatsmeow client and what it has received.
type meow struct {
	*whatsmeow.Client
	t      testing.TB
	events chan any
}

// link starts a whatsmeow client and links it to a phone.
func link(t *testing.T, srv *wasim.Server, p *wasim.Phone) *meow {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wa.db")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	sessions := sqlstore.NewWithDB(db, "sqlite", nil)
	if err := sessions.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	whatsmeow.WACertPubKey = srv.RootKey()
	c := &meow{Client: whatsmeow.NewClient(sessions.NewDevice(), nil), t: t, events: make(chan any, 4096)}
	hc := srv.HTTPClient()
	c.SetPreLoginHTTPClient(hc)
	c.SetWebsocketHTTPClient(hc)
	c.SetMediaHTTPClient(hc)
	c.AddEventHandler(func(e any) { c.events <- e })
	t.Cleanup(func() {
		c.Disconnect()
		hc.CloseIdleConnections()
	})
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	if err := p.ScanQR(t.Context(), next[*events.QR](c, nil).Codes[0]); err != nil {
		t.Fatal(err)
	}
	next[*events.Connected](c, nil)
	return c
}

// next waits for the next event of a type that matches, and drops those before it.
func next[T any](c *meow, match func(T) bool) T {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-c.events:
			if got, ok := e.(T); ok && (match == nil || match(got)) {
				return got
			}
		case <-deadline:
			var want T
			c.t.Fatalf("whatsmeow: no %T", want)
		}
	}
}

func (c *meow) receipt(id string, typ types.ReceiptType) {
	c.t.Helper()
	next(c, func(r *events.Receipt) bool { return r.Type == typ && r.MessageIDs[0] == id && r.Sender.Device != 0 })
}

func (c *meow) send(m *waE2E.Message) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sent, err := c.SendMessage(ctx, types.NewJID(theirs[1:], types.DefaultUserServer), m)
	if err != nil {
		c.t.Fatal(err)
	}
	return sent.ID
}

// pair starts Baileys and links it to a phone by the given way of scanning.
func pair(t *testing.T, n wasim.Network, sessions string, scan func(qr string)) *program {
	t.Helper()
	b := start(t, n, sessions)
	scan(b.await("QR code", 0, func(e event) bool { return e.Event == "qr" }).QR)
	if e := b.opened(0); !strings.HasPrefix(e.JID, theirs[1:]+":") || !strings.HasSuffix(e.LID, "@lid") {
		t.Fatalf("logged in as %+v", e)
	}
	return b
}

// TestTwoIndependentClientsTalk lets Baileys and whatsmeow send each other texts and files. Each decrypts
// with its own implementation of everything.
func TestTwoIndependentClientsTalk(t *testing.T) {
	// Not parallel: link sets the key that all whatsmeow clients of a process check.
	srv := wasimtest.Start(t, wasim.Options{TLSListen: "127.0.0.1:0"})
	wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: ours, Name: "Shop", NoDeliver: true})
	phone := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: theirs, Name: "Bea", NoDeliver: true, History: wasim.HistoryInline})
	shop, _ := srv.Phone(ours)
	m := link(t, srv, shop)
	sessions := t.TempDir()
	b := pair(t, srv.Network(), sessions, func(qr string) {
		if err := phone.ScanQR(t.Context(), qr); err != nil {
			t.Fatal(err)
		}
	})

	// Text, from each to the other twice, so that both kinds of Signal messages occur.
	for _, text := range []string{"hello from Baileys", "and once more"} {
		id := b.send(map[string]any{"do": "text", "to": jidOf(ours), "text": text})
		got := next(m, func(e *events.Message) bool { return e.Info.ID == id })
		if words := got.Message.GetConversation() + got.Message.GetExtendedTextMessage().GetText(); words != text || got.Info.IsFromMe {
			t.Errorf("whatsmeow received %q: %+v", words, got.Info)
		}
		if err := m.MarkRead(t.Context(), []types.MessageID{id}, time.Now(), got.Info.Chat, got.Info.Sender); err != nil {
			t.Fatal(err)
		}
		b.status(id, "READ")
	}
	for _, text := range []string{"olá de whatsmeow 👋", "e outra vez"} {
		id := m.send(&waE2E.Message{Conversation: proto.String(text)})
		got := b.message(0, text)
		if got.id() != id || got.Name != "Shop" {
			t.Errorf("Baileys received %+v", got)
		}
		m.receipt(id, types.ReceiptTypeInactive)
		b.do(map[string]any{"do": "read", "chat": got.Chat, "message": id}, nil)
		m.receipt(id, types.ReceiptTypeRead)
	}

	// A document from Baileys.
	data := strings.Repeat("Ten thousand lines of invoice.\n", 10_000)
	path := filepath.Join(t.TempDir(), "invoice.txt")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	id := b.send(map[string]any{
		"do": "file", "to": jidOf(ours), "kind": "document", "path": path, "mime": "text/plain", "name": "invoice.txt", "text": "as promised",
	})
	got := next(m, func(e *events.Message) bool { return e.Info.ID == id })
	doc := got.Message.GetDocumentMessage()
	if doc == nil {
		doc = got.Message.GetDocumentWithCaptionMessage().GetMessage().GetDocumentMessage()
	}
	if doc.GetFileName() != "invoice.txt" || doc.GetMimetype() != "text/plain" || doc.GetCaption() != "as promised" {
		t.Errorf("whatsmeow received %v", got.Message)
	}
	plain, err := m.Download(t.Context(), doc)
	if err != nil || string(plain) != data {
		t.Errorf("whatsmeow downloaded %d bytes, %v", len(plain), err)
	}

	// An image to Baileys, which doesn't look into it.
	image := []byte("\x89PNG\r\n\x1a\n" + data)
	up, err := m.Upload(t.Context(), image, whatsmeow.MediaImage)
	if err != nil {
		t.Fatal(err)
	}
	m.send(&waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: proto.String("image/png"), Caption: proto.String("look"),
	}})
	sum := sha256.Sum256(image)
	if e := b.message(0, "look"); e.Media == nil || e.Media.Kind != "image" || e.Media.MIME != "image/png" || e.Media.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("Baileys received %+v", e)
	}

	// A new process logs in with the session that it finds, and gets what was sent meanwhile.
	b.stop()
	m.send(&waE2E.Message{Conversation: proto.String("while you were away")})
	b = start(t, srv.Network(), sessions)
	b.opened(0)
	b.message(0, "while you were away")
	id = b.send(map[string]any{"do": "text", "to": jidOf(ours), "text": "back again"})
	next(m, func(e *events.Message) bool { return e.Info.ID == id })
	if n := srv.Stats(); n.Retries != 0 {
		t.Errorf("phones asked for %d messages again", n.Retries)
	}
}
