package connectortest

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var kinds = []scenario{
	{name: "SendVoiceNote", run: sendVoiceNote},
	{name: "SendPicturesWithAPreview", run: sendPictures},
	{name: "SendAnyFileAsADocument", run: sendDocuments},
	{name: "SendEveryKindToAGroup", run: sendKindsToGroup},
	{name: "AnswerAMemberInAGroup", run: answerInGroup},
	{name: "SendToAGroupThatIsNotOurs", run: sendToForeignGroup},
}

// voiceNote is a recording with a waveform that rises.
func voiceNote() (*whatsapp.Attachment, []byte) {
	data := voicetest.Opus(3 * time.Second)
	f := file("note.ogg", "audio/ogg; codecs=opus", data)
	f.Kind, f.Seconds, f.Waveform = tideline.KindVoice, 3, make([]byte, 64)
	for i := range f.Waveform {
		f.Waveform[i] = byte(i)
	}
	return f, data
}

func sendVoiceNote(t *testing.T, w *world) {
	device := w.pair(business)
	m := w.text(device, ana, "")
	var data []byte
	m.File, data = voiceNote()
	w.send(m)
	got := w.shown(ana, m.MessageID)
	checkVoiceNote(t, got, data)
	// Without a waveform it is one as well.
	m = w.text(device, ana, "")
	m.File, _ = voiceNote()
	m.File.Waveform = nil
	w.send(m)
	if got := w.shown(ana, m.MessageID).Media; got == nil || got.Kind != "voice" || got.Waveform != "" || got.Seconds != 3 {
		t.Errorf("without a waveform the phone shows %+v", got)
	}
}

func checkVoiceNote(t *testing.T, got wasim.Received, data []byte) {
	t.Helper()
	m := got.Media
	if m == nil || m.Kind != "voice" || m.MIME != "audio/ogg; codecs=opus" || m.Seconds != 3 || m.Error != "" || m.Size != int64(len(data)) {
		t.Fatalf("the phone shows %+v", m)
	}
	if wave, err := base64.StdEncoding.DecodeString(m.Waveform); err != nil || len(wave) != 64 || wave[63] != 63 {
		t.Errorf("the waveform is %v, %v", wave, err)
	}
}

func sendPictures(t *testing.T, w *world) {
	device := w.pair(business)
	red := image.NewPaletted(image.Rect(0, 0, 300, 200), color.Palette{color.RGBA{R: 250, A: 255}})
	var asGIF, asJPEG bytes.Buffer
	if err := gif.Encode(&asGIF, red, nil); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, red, nil); err != nil {
		t.Fatal(err)
	}
	webp := append([]byte("RIFF\x1e\x00\x00\x00WEBPVP8L\x11\x00\x00\x00\x2f\x2b\xc1\x31\x00"), make([]byte, 12)...)
	for _, tc := range []struct {
		mime      string
		data      []byte
		thumbnail bool
	}{{"image/gif", asGIF.Bytes(), true}, {"image/jpeg", asJPEG.Bytes(), true}, {"image/webp", webp, false}} {
		m := w.text(device, ana, "look")
		m.File = file("picture", tc.mime, tc.data)
		w.send(m)
		got := w.shown(ana, m.MessageID)
		checkMedia(t, got, "image", "", "look", tc.data)
		if got.Media.Width != 300 || got.Media.Height != 200 {
			t.Errorf("%s: the phone shows %d by %d", tc.mime, got.Media.Width, got.Media.Height)
		}
		small, err := base64.StdEncoding.DecodeString(got.Media.Thumbnail)
		if err != nil || !tc.thumbnail {
			if err != nil || len(small) > 0 {
				t.Errorf("%s: thumbnail of %d bytes, %v", tc.mime, len(small), err)
			}
			continue
		}
		picture, err := jpeg.Decode(bytes.NewReader(small))
		if err != nil {
			t.Fatalf("%s: the thumbnail is no picture: %v", tc.mime, err)
		}
		if r, g, b, _ := picture.At(48, 32).RGBA(); picture.Bounds() != image.Rect(0, 0, 96, 64) || r>>8 < 230 || g>>8 > 20 || b>>8 > 20 {
			t.Errorf("%s: the thumbnail is %s, of colour %d %d %d", tc.mime, picture.Bounds(), r>>8, g>>8, b>>8)
		}
	}
}

func sendDocuments(t *testing.T, w *world) {
	device := w.pair(business)
	for _, mime := range []string{"image/png", "audio/mpeg", "video/mp4", "audio/ogg; codecs=opus", "text/plain"} {
		for _, caption := range []string{"", "see inside"} {
			m := w.text(device, ana, caption)
			m.File = file("as it is", mime, []byte(mime))
			m.File.Kind = tideline.KindDocument
			w.send(m)
			checkMedia(t, w.shown(ana, m.MessageID), "document", "as it is", caption, []byte(mime))
		}
	}
}

const bruno = "+14840000003"

// choir makes a group of Ana's in which the business and Bruno are.
func (w *world) choir() tideline.JID {
	w.t.Helper()
	w.phone(wasim.PhoneOptions{Number: bruno, Name: "Bruno"})
	jid, err := w.owner(ana).CreateGroup(w.ctx(), "Choir", business, bruno)
	if err != nil {
		w.t.Fatal(err)
	}
	return tideline.JID(jid.String())
}

func sendKindsToGroup(t *testing.T, w *world) {
	device := w.pair(business)
	group := w.choir()
	text := w.text(device, ana, "hello all")
	picture := w.text(device, ana, "the programme")
	picture.File = file("programme.pdf", "application/pdf", []byte("%PDF"))
	note := w.text(device, ana, "")
	var data []byte
	note.File, data = voiceNote()
	for _, m := range []*whatsapp.Outgoing{&text, &picture, &note} {
		m.To = group
		w.send(*m)
	}
	for _, member := range []string{ana, bruno} {
		if got := w.shown(member, text.MessageID); got.Text != "hello all" || got.Group != string(group) || got.From != business {
			t.Errorf("the phone %s shows %+v", member, got)
		}
		checkMedia(t, w.shown(member, picture.MessageID), "document", "programme.pdf", "the programme", []byte("%PDF"))
		checkVoiceNote(t, w.shown(member, note.MessageID), data)
	}
}

func answerInGroup(t *testing.T, w *world) {
	device := w.pair(business)
	group := w.choir()
	id, err := w.owner(bruno).Send(w.ctx(), string(group), "who brings the music?")
	if err != nil {
		t.Fatal(err)
	}
	asked := w.told(id)
	if asked.Chat.JID != group || !asked.Sender.Is(w.contactPeer(bruno)) {
		t.Fatalf("told %+v", asked)
	}
	quote := &whatsapp.Quote{MessageID: id, Sender: asked.Sender, Text: "who brings the music?"}
	text := w.text(device, ana, "we do")
	with := w.text(device, ana, "")
	with.File = file("music.pdf", "application/pdf", []byte("%PDF"))
	for _, m := range []*whatsapp.Outgoing{&text, &with} {
		m.To, m.Quote = group, quote
		w.send(*m)
		for _, member := range []string{ana, bruno} {
			if got := w.shown(member, m.MessageID); got.Target != id || got.TargetFrom != bruno || got.Text != m.Text {
				t.Errorf("the phone %s shows %+v, want an answer to %s of Bruno", member, got, id)
			}
		}
	}
	// An answer to a message of our own names us.
	own := w.text(device, ana, "and so do you")
	own.To, own.Quote = group, &whatsapp.Quote{MessageID: text.MessageID, FromMe: true, Text: text.Text}
	w.send(own)
	if got := w.shown(bruno, own.MessageID); got.Target != text.MessageID || got.TargetFrom != business {
		t.Errorf("the phone shows %+v, want an answer to %s of the business", got, text.MessageID)
	}
}

func sendToForeignGroup(t *testing.T, w *world) {
	device := w.pair(business)
	jid, err := w.owner(ana).CreateGroup(w.ctx(), "Without you", second)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range []tideline.JID{tideline.JID(jid.String()), "120363999999999999@g.us"} {
		m := w.text(device, ana, "let me in")
		m.To = group
		if e := w.refused(m); e.Reason != tideline.ReasonInvalidRecipient {
			t.Errorf("%s: got %+v, want %s", group, e, tideline.ReasonInvalidRecipient)
		}
	}
}
