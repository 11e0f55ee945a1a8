package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/wasim"
)

const (
	shop     = "+14840000100"
	customer = "+14840000001"
)

// live is an emulated network with two phones, and everything between it and a
// database.
type live struct {
	t     *testing.T
	net   *wasim.Server
	dir   string
	files *file.Service
	blobs *local.Store
	store *sqlstore.Store
	con   *meow.Connector
	accs  *account.Service
	acc   tideline.Account
	ws    tideline.Workspace
	owner tideline.Member
	stop  func()

	history time.Duration // how much of a phone's history is taken in
}

func newLive(t *testing.T) *live {
	t.Helper()
	return newLiveAfter(t, func(*live) {})
}

// newLiveAfter prepares the network before the shop is paired.
func newLiveAfter(t *testing.T, prepare func(l *live)) *live {
	t.Helper()
	net, err := wasim.Start(t.Context(), wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got := net.Unhandled(); len(got) > 0 {
			t.Errorf("stanzas that the network does not know: %+v", got)
		}
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &live{t: t, net: net, dir: t.TempDir()}
	for number, name := range map[string]string{shop: "Shop", customer: "Ana"} {
		if _, err := net.AddPhone(t.Context(), wasim.PhoneOptions{Number: number, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if l.blobs, err = local.Open(filepath.Join(l.dir, "files")); err != nil {
		t.Fatal(err)
	}
	l.files = file.New(file.Config{LinkKey: []byte("key")}, file.Deps{Blobs: l.blobs, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = l.blobs.Close() })
	l.openStore()
	l.ws, l.owner, err = l.store.CreateWorkspace(t.Context(), tideline.Workspace{
		Slug: "shop", DisplayName: "Shop", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now(),
	}, tideline.Member{Email: "a@example.com", DisplayName: "A", CreatedAt: time.Now()})
	l.must(err)
	prepare(l)
	l.start()
	t.Cleanup(func() { l.stop() })
	l.pair()
	return l
}

func (l *live) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) openStore() {
	l.t.Helper()
	var err error
	l.store, err = sqlstore.Open(l.t.Context(), sqlstore.Options{Database: filepath.Join(l.dir, "tideline.db")})
	l.must(err)
}

// start starts everything over what is stored.
func (l *live) start() {
	l.t.Helper()
	log := slog.New(slog.NewTextHandler(l.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	con, err := meow.Open(l.t.Context(), meow.Options{
		Logger: log, DataDir: l.dir, Endpoint: &meow.Endpoint{Addr: l.net.Addr(), RootKey: l.net.RootKey()},
		RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond, RedeliverAfter: 50 * time.Millisecond,
		History: l.history,
	})
	l.must(err)
	l.con = con
	profiles := profile.New(profile.Deps{Store: l.store, Connector: con, Files: l.files, Logger: log}, profile.Config{
		Pause: 10 * time.Millisecond, FailurePause: 20 * time.Millisecond, ChatPause: 10 * time.Millisecond, RetryFirst: 20 * time.Millisecond, Poll: 20 * time.Millisecond,
	})
	in := inbox.New(inbox.Deps{Store: l.store, Connector: con, Files: l.files, Looker: profiles, Logger: log}, inbox.Config{RetryFirst: 20 * time.Millisecond})
	accounts := account.New(account.Deps{Store: l.store, Connector: con, Inbox: in, Profiles: profiles, Logger: log}, account.Config{Refresh: 50 * time.Millisecond})
	l.accs = accounts
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	done := make(chan error, 3)
	go func() { done <- accounts.Run(ctx) }()
	go func() { done <- in.Run(ctx) }()
	go func() { done <- profiles.Run(ctx) }()
	st := l.store
	l.stop = func() {
		l.stop = func() {}
		cancel()
		for range 3 {
			if err := <-done; err != nil {
				l.t.Errorf("run: %v", err)
			}
		}
		if err := con.Close(); err != nil {
			l.t.Error(err)
		}
		if err := st.Close(); err != nil {
			l.t.Error(err)
		}
	}
	if l.acc.ID != 0 {
		return
	}
	l.link(shop)
}

// link pairs a phone with the workspace.
func (l *live) link(number string) {
	l.t.Helper()
	steps, err := l.accs.Pair(l.ctx(), l.ws.ID, l.owner, whatsapp.PairRequest{})
	l.must(err)
	l.must(l.phone(number).ScanQR(l.ctx(), (<-steps).QR.Text))
	for ev := range steps {
		if ev.Failed != nil {
			l.t.Fatal(ev.Failed)
		}
	}
}

// pair waits until the shop's account, which start began to pair, is active.
func (l *live) pair() {
	l.t.Helper()
	l.until("an active account", func() bool {
		all, err := l.store.AllAccounts(l.ctx())
		l.must(err)
		if len(all) == 1 {
			l.acc = all[0]
		}
		return l.acc.State == tideline.AccountActive
	})
}

func (l *live) ctx() context.Context {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), time.Minute)
	l.t.Cleanup(cancel)
	return ctx
}

func (l *live) phone(number string) *wasim.Phone {
	l.t.Helper()
	p, ok := l.net.Phone(number)
	if !ok {
		l.t.Fatalf("no phone %s", number)
	}
	return p
}

// until waits for a condition.
func (l *live) until(what string, done func() bool) {
	l.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatalf("there is no %s", what)
		}
	}
}

// messages lists the messages of the only chat, the oldest first.
func (l *live) messages() []store.MessageView {
	l.t.Helper()
	chats, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
	l.must(err)
	if len(chats) == 0 {
		return nil
	}
	if len(chats) > 1 {
		l.t.Fatalf("%d chats, want one", len(chats))
	}
	views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, chats[0].Chat.ID, store.MessageFilter{OldestFirst: true}, store.Page{Limit: 100})
	l.must(err)
	return views
}

// stored waits until the message with a WhatsApp id is stored and fits.
func (l *live) stored(id string, fits func(store.MessageView) bool) (found store.MessageView) {
	l.t.Helper()
	l.until("message "+id+" as wanted", func() bool {
		i := slices.IndexFunc(l.messages(), func(v store.MessageView) bool { return v.Message.WhatsAppID == id && fits(v) })
		if i >= 0 {
			found = l.messages()[i]
		}
		return i >= 0
	})
	return found
}

func anything(store.MessageView) bool { return true }

// sends has a phone send a message to the other one.
func (l *live) sends(from, to string, m *waE2E.Message) string {
	l.t.Helper()
	id, err := l.phone(from).SendMessage(l.ctx(), to, m)
	l.must(err)
	return id
}

func said(s string) *waE2E.Message { return &waE2E.Message{Conversation: &s} }

func messageKey(id string, fromMe bool) *waCommon.MessageKey {
	return &waCommon.MessageKey{ID: &id, FromMe: &fromMe}
}

func picturePNG(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	img.Set(3, 3, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEveryKindArrivesInBothDirections(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	for name, c := range map[string]struct {
		message *waE2E.Message
		kind    tideline.Kind
		text    string
		data    map[string]string
	}{
		"text": {message: said("Olá 👋"), kind: tideline.KindText, text: "Olá 👋"},
		"poll": {message: &waE2E.Message{PollCreationMessage: &waE2E.PollCreationMessage{Name: proto.String("Lunch?"),
			Options: []*waE2E.PollCreationMessage_Option{{OptionName: proto.String("Pizza")}}}}, kind: tideline.KindPoll, text: "Poll: Lunch?\n- Pizza"},
		"contact": {message: &waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String("Bob"), Vcard: proto.String("TEL:+1 484")}},
			kind: tideline.KindContact, text: "Bob: +1 484", data: map[string]string{"vcard": "TEL:+1 484"}},
		"location": {message: &waE2E.Message{LocationMessage: &waE2E.LocationMessage{DegreesLatitude: proto.Float64(52.5), DegreesLongitude: proto.Float64(13), Name: proto.String("Here")}},
			kind: tideline.KindLocation, text: "Here\nhttps://www.google.com/maps?q=52.5,13", data: map[string]string{"latitude": "52.5", "longitude": "13"}},
		"other": {message: &waE2E.Message{OrderMessage: &waE2E.OrderMessage{Message: proto.String("two of these")}}, kind: tideline.KindOther},
	} {
		for _, fromMe := range []bool{false, true} {
			from, to := customer, shop
			if fromMe {
				from, to = shop, customer
			}
			m := l.stored(l.sends(from, to, c.message), anything).Message
			if m.FromMe != fromMe || m.Kind != c.kind || c.text != "" && m.Text != c.text || m.Text == "" || m.Origin != tideline.OriginWhatsApp {
				t.Errorf("%s, from me %v: got %+v", name, fromMe, m)
			}
			for k, v := range c.data {
				if m.Data[k] != v {
					t.Errorf("%s: data %v, want %q to be %q", name, m.Data, k, v)
				}
			}
			if fromMe && m.Sender != (tideline.Peer{}) || !fromMe && m.Sender.Phone() != customer {
				t.Errorf("%s, from me %v: sender %+v", name, fromMe, m.Sender)
			}
		}
	}
}

func TestEveryKindOfFileArrivesInBothDirections(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	picture := picturePNG(t)
	for _, c := range []struct {
		kind     string
		sent     wasim.File
		want     tideline.Kind
		mimeType string
		name     string // "" = made up, with the extension
		ext      string
	}{
		{"image", wasim.File{MIME: "image/jpeg", Data: picture, Caption: "look"}, tideline.KindImage, "image/png", "", ".png"},
		{"video", wasim.File{MIME: "video/mp4", Data: []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), Caption: "look"}, tideline.KindVideo, "video/mp4", "", ".mp4"},
		{"audio", wasim.File{MIME: "audio/mpeg", Data: []byte("ID3\x04\x00\x00\x00\x00\x00\x00")}, tideline.KindAudio, "audio/mpeg", "", ".mp3"},
		{"voice", wasim.File{MIME: "audio/ogg; codecs=opus", Data: append([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x13OpusHead"), make([]byte, 64)...)}, tideline.KindVoice, "", "", ""},
		{"document", wasim.File{MIME: "application/x-evil", Name: "../../of\u202efer.pdf", Data: []byte("%PDF-1.7\n"), Caption: "look"}, tideline.KindDocument, "application/pdf", "offer.pdf", ".pdf"},
	} {
		for _, fromMe := range []bool{false, true} {
			c.sent.Kind = c.kind
			from, to := customer, shop
			if fromMe {
				from, to = shop, customer
			}
			id, err := l.phone(from).SendFile(l.ctx(), to, c.sent)
			l.must(err)
			v := l.stored(id, func(v store.MessageView) bool { return v.File != nil })
			r, err := l.blobs.Open(l.ctx(), v.File.Blob)
			l.must(err)
			data, err := io.ReadAll(r)
			l.must(err)
			l.must(r.Close())
			if v.Message.Kind != c.want || v.Message.FromMe != fromMe || v.Message.Text != c.sent.Caption || !bytes.Equal(data, c.sent.Data) || v.File.Size != int64(len(data)) {
				t.Errorf("%s, from me %v: message %+v with %d bytes", c.kind, fromMe, v.Message, len(data))
			}
			if c.mimeType != "" && v.File.MIMEType != c.mimeType || c.name != "" && v.File.Name != c.name || !strings.HasSuffix(v.File.Name, c.ext) {
				t.Errorf("%s: file %+v", c.kind, v.File)
			}
			if _, waiting := v.Message.Data[tideline.DataAttachment]; waiting {
				t.Errorf("%s: data %v", c.kind, v.Message.Data)
			}
		}
	}
}

func TestChangesArriveInBothDirections(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	for _, fromMe := range []bool{false, true} {
		from, to := customer, shop
		if fromMe {
			from, to = shop, customer
		}
		first := l.sends(from, to, said("first"))
		answer := l.sends(from, to, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("second"),
			ContextInfo: &waE2E.ContextInfo{StanzaID: &first, QuotedMessage: said("first")}}})
		target := l.stored(first, anything)
		if v := l.stored(answer, anything); v.ReplyToUID != target.Message.UID {
			t.Errorf("from me %v: the answer is to %q, want %q", fromMe, v.ReplyToUID, target.Message.UID)
		}
		for _, emoji := range []string{"👍", "❤️", ""} { // set, change, clear
			l.sends(from, to, &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Key: messageKey(first, fromMe), Text: &emoji, SenderTimestampMS: proto.Int64(time.Now().UnixMilli())}})
			l.stored(first, func(v store.MessageView) bool {
				if emoji == "" {
					return len(v.Reactions) == 0
				}
				return len(v.Reactions) == 1 && v.Reactions[0].Emoji == emoji && v.Reactions[0].Own == fromMe
			})
		}
		l.sends(from, to, &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: messageKey(first, true), EditedMessage: said("better")}}}})
		l.stored(first, func(v store.MessageView) bool { return v.Message.Text == "better" && !v.Message.EditedAt.IsZero() })
		l.sends(from, to, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: messageKey(first, true)}})
		l.stored(first, func(v store.MessageView) bool { return v.Message.Text == "" && !v.Message.DeletedAt.IsZero() })
	}
	if n := len(l.messages()); n != 4 {
		t.Errorf("%d messages are shown, want the 4 that are some", n)
	}
}

func TestAStickerArrives(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	// The file of an image, which has the same keys, sent as a sticker.
	id, err := l.phone(customer).SendFile(l.ctx(), shop, wasim.File{Kind: "image", MIME: "image/png", Data: picturePNG(t)})
	l.must(err)
	if v := l.stored(id, func(v store.MessageView) bool { return v.File != nil }); v.File.MIMEType != "image/png" {
		t.Errorf("file %+v", v.File)
	}
	sticker := l.sends(customer, shop, &waE2E.Message{StickerMessage: &waE2E.StickerMessage{Mimetype: proto.String("image/webp")}})
	v := l.stored(sticker, func(v store.MessageView) bool {
		return v.Message.Data[tideline.DataAttachment] == string(tideline.AttachmentBroken)
	})
	if v.Message.Kind != tideline.KindSticker {
		t.Errorf("message %+v", v.Message)
	}
}

func TestAContactIsOneChatByNumberAndByHiddenID(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	for _, byNumber := range []bool{true, false, true} {
		if _, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: customer, Name: "Ana", AddressByNumber: byNumber}); err != nil {
			t.Fatal(err)
		}
		l.stored(l.sends(customer, shop, said("hi")), anything) // fails when there are two chats
	}
	chats, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
	l.must(err)
	c := chats[0].Chat
	if c.Phone != customer || c.Name != "Ana" || c.Unread != 3 || string(c.LID) != l.phone(customer).LID().String() {
		t.Errorf("chat %+v", c)
	}
}

func TestNothingIsLostOrDoubledOverRestarts(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	var ids []string
	for range 3 {
		ids = append(ids, l.sends(customer, shop, said("before")))
		l.stop() // perhaps before it was stored, perhaps after
		ids = append(ids, l.sends(customer, shop, said("while away")))
		l.openStore()
		l.start()
		l.stored(ids[len(ids)-1], anything)
	}
	for _, id := range ids {
		l.stored(id, anything)
	}
	if n := len(l.messages()); n != len(ids) {
		t.Errorf("%d messages are stored, want %d", n, len(ids))
	}
}

func TestAnUndecryptableMessageAppearsWhenItComesAgain(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.stored(l.sends(customer, shop, said("one")), anything)
	l.stop()
	forgetSessions(t, l.dir) // as after restoring an old backup
	l.openStore()
	l.start()
	id := l.sends(customer, shop, said("two"))
	if v := l.stored(id, anything); v.Message.Text != "two" {
		t.Errorf("message %+v", v.Message)
	}
	if !slices.ContainsFunc(l.phone(customer).Receipts(), func(r wasim.Receipt) bool { return r.Type == "retry" && r.MessageID == id }) {
		t.Error("it was not asked for again; the test shows nothing")
	}
}

// forgetSessions deletes the account's encryption sessions with other phones.
func forgetSessions(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "whatsapp.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "DELETE FROM whatsmeow_sessions"); err != nil {
		t.Fatal(err)
	}
}
