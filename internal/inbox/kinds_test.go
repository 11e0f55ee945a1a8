package inbox_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/wasim"
)

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
