package meow_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

// listener is a handler that passes chunks on.
type listener struct {
	chunks chan whatsapp.HistoryChunk
}

func (listener) State(context.Context, whatsapp.StateEvent)              {}
func (listener) Name(context.Context, string, string)                    {}
func (listener) Message(context.Context, string, whatsapp.Inbound) error { return nil }
func (listener) Receipts(context.Context, string, []string, tideline.Status, time.Time) error {
	return nil
}

func (listener) News(context.Context, string, whatsapp.News) error { return nil }

func (listener) ReachOut(context.Context, string, whatsapp.ReachOutLimit) {}

func (listener) Composing(context.Context, string, whatsapp.ComposingEvent) {}

func (l listener) History(_ context.Context, _ string, c whatsapp.HistoryChunk) error {
	l.chunks <- c
	return nil
}

// TestAnAnnouncementThatNobodyHeardIsFoundAtTheNextLogin puts into the library's
// database what a process leaves there that dies after the announcement was
// decrypted, and perhaps acknowledged, and before it was noted.
func TestAnAnnouncementThatNobodyHeardIsFoundAtTheNextLogin(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	net, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = net.Close() })
	phone, err := net.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000100", Name: "Business"})
	if err != nil {
		t.Fatal(err)
	}
	o := quick(net)
	o.DataDir = t.TempDir()
	c := open(t, o)
	c.Handle(listener{make(chan whatsapp.HistoryChunk, 8)})
	steps, err := c.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := phone.ScanQR(ctx, (<-steps).QR.Text); err != nil {
		t.Fatal(err)
	}
	var device string
	for s := range steps {
		if s.Failed != nil {
			t.Fatal(s.Failed)
		}
		if s.Paired != nil {
			device = s.Paired.DeviceJID
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	var inline bytes.Buffer
	z := zlib.NewWriter(&inline)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	plaintext, err := proto.Marshal(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum(),
		HistorySyncNotification: &waE2E.HistorySyncNotification{
			SyncType: waE2E.HistorySyncType_INITIAL_BOOTSTRAP.Enum(), InitialHistBootstrapInlinePayload: inline.Bytes(), ChunkOrder: proto.Uint32(7),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(o.DataDir, "whatsapp.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for hash, text := range map[byte][]byte{1: append(plaintext, 2, 2), 2: []byte("no message\x01"), 3: {9}} { // padded as in message.go
		if _, err := db.ExecContext(ctx, `INSERT INTO whatsmeow_event_buffer (our_jid, ciphertext_hash, plaintext, server_timestamp, insert_timestamp) VALUES ($1, $2, $3, 1, $4)`,
			device, bytes.Repeat([]byte{hash}, 32), text, time.Now().UnixMilli()); err != nil {
			t.Fatal(err)
		}
	}

	c = open(t, o)
	l := listener{make(chan whatsapp.HistoryChunk, 8)}
	c.Handle(l)
	if err := c.Connect(ctx, device); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-l.chunks:
		if got.Order != 7 {
			t.Errorf("chunk %+v", got)
		}
	case <-ctx.Done():
		t.Fatal("nobody was told")
	}
	if err := c.Close(); err != nil { // waits for what is under way
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM whatsmeow_event_buffer WHERE plaintext IS NOT NULL`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 2 {
		t.Errorf("%d messages wait to be heard, want the 2 that are not ours to take", left)
	}
}
