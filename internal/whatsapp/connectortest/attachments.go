package connectortest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var attachments = []scenario{
	{name: "SendAttachment", run: sendAttachment},
	{name: "SendAttachmentWithoutText", run: sendBareAttachment},
	{name: "AttachmentGone", run: attachmentGone},
	{name: "AttachmentRefused", run: attachmentRefused},
}

// file makes an attachment with some bytes in it.
func file(name, mimeType string, data []byte) *whatsapp.Attachment {
	return &whatsapp.Attachment{
		Name: name, MIMEType: mimeType, Size: int64(len(data)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sendAttachment(t *testing.T, w *world) {
	device := w.pair(business)
	big := bytes.Repeat([]byte("0123456789abcde\n"), 40_000)
	for _, tc := range []struct {
		file *whatsapp.Attachment
		data []byte
		kind string
		name string
	}{
		{file("photo.png", "image/png", picture(t)), picture(t), "image", ""},
		{file("clip.mp4", "video/mp4", []byte("not really a clip")), []byte("not really a clip"), "video", ""},
		{file("report.pdf", "application/pdf", big), big, "document", "report.pdf"},
		{file("logo.svg", "image/svg+xml", []byte("<svg/>")), []byte("<svg/>"), "document", "logo.svg"},
		// Audio has no caption, so it goes as a document.
		{file("song.mp3", "audio/mpeg", []byte("la la")), []byte("la la"), "document", "song.mp3"},
		{file("", "", nil), nil, "document", "file"},
	} {
		m := w.text(device, ana, "have a look")
		m.File = tc.file
		w.send(m)
		checkMedia(t, w.shown(ana, m.MessageID), tc.kind, tc.name, "have a look", tc.data)
	}
}

func sendBareAttachment(t *testing.T, w *world) {
	device := w.pair(business)
	for _, tc := range []struct{ name, mime, kind, shown string }{
		{"photo.jpg", "image/jpeg", "image", ""},
		{"song.mp3", "audio/mpeg; charset=binary", "audio", ""},
		{"report.pdf", "application/pdf", "document", "report.pdf"},
	} {
		data := []byte(tc.name)
		m := w.text(device, ana, "")
		m.File = file(tc.name, tc.mime, data)
		w.send(m)
		checkMedia(t, w.shown(ana, m.MessageID), tc.kind, tc.shown, "", data)
	}
}

func checkMedia(t *testing.T, got wasim.Received, kind, name, caption string, data []byte) {
	t.Helper()
	if got.Media == nil {
		t.Fatalf("the phone shows no attachment: %+v", got)
	}
	sum := sha256.Sum256(data)
	want := wasim.Media{
		Kind: kind, MIME: got.Media.MIME, FileName: name, Caption: caption,
		Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
		Width: got.Media.Width, Height: got.Media.Height, Thumbnail: got.Media.Thumbnail, // see sendPictures
	}
	if *got.Media != want {
		t.Errorf("the phone shows %+v, want %+v", *got.Media, want)
	}
}

func attachmentGone(t *testing.T, w *world) {
	device := w.pair(business)
	for _, tc := range []struct {
		name string
		err  error
		want tideline.Reason
	}{
		{"no such file", fmt.Errorf("blob: %w", fs.ErrNotExist), tideline.ReasonAttachmentMissing},
		{"not found", tideline.Errorf(tideline.CodeNotFound, "file not found"), tideline.ReasonAttachmentMissing},
		{"storage away", errors.New("connection refused"), ""},
	} {
		m := w.text(device, ana, "x")
		m.File = &whatsapp.Attachment{
			Name: "a.pdf", MIMEType: "application/pdf",
			Open: func(context.Context) (io.ReadCloser, error) { return nil, tc.err },
		}
		if e := w.refused(m); e.Reason != tc.want || e.Unknown || e.Offline {
			t.Errorf("%s: got %+v, want reason %q", tc.name, e, tc.want)
		}
	}
}

func attachmentRefused(t *testing.T, w *world) {
	device := w.pair(business)
	for code, want := range map[int]tideline.Reason{413: tideline.ReasonAttachmentRefused, 415: tideline.ReasonAttachmentRefused, 500: "", 429: ""} {
		hosts := 2 // are asked, unless the first says that no other will do better
		if want != "" {
			hosts = 1
		}
		w.fault(wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: code, Count: hosts})
		m := w.text(device, ana, "x")
		m.File = file("a.pdf", "application/pdf", []byte("a"))
		if e := w.refused(m); e.Reason != want || e.Unknown || e.Offline {
			t.Errorf("status %d: got %+v, want reason %q", code, e, want)
		}
	}
	m := w.text(device, ana, "x")
	m.File = file("a.pdf", "application/pdf", []byte("a"))
	w.send(m)
	w.shown(ana, m.MessageID)
}
