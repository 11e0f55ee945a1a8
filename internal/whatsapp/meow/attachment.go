package meow

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for the size of pictures
	_ "image/png"
	"mime"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// kind is how WhatsApp shows an attachment.
type kind int

const (
	kindDocument kind = iota
	kindImage
	kindVideo
	kindAudio
)

// kindOf chooses how a file is shown. Types that phones can't show inline are
// documents, which carry any file unchanged. An audio message has no caption, so
// audio that comes with a text is a document too.
func kindOf(mimeType string, caption bool) kind {
	base, _, err := mime.ParseMediaType(mimeType)
	if err != nil {
		return kindDocument
	}
	switch base {
	case "image/jpeg", "image/png":
		return kindImage
	case "video/mp4", "video/3gpp":
		return kindVideo
	case "audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg":
		if !caption {
			return kindAudio
		}
	}
	return kindDocument
}

// media is the library's word for the kind; it decides the keys and the path.
func (k kind) media() whatsmeow.MediaType {
	switch k {
	case kindImage:
		return whatsmeow.MediaImage
	case kindVideo:
		return whatsmeow.MediaVideo
	case kindAudio:
		return whatsmeow.MediaAudio
	}
	return whatsmeow.MediaDocument
}

// attachment uploads a file and builds the message that refers to it. The file
// is streamed; its encrypted copy goes through a temporary file, since its hash
// must be known before the upload begins.
func (s *session) attachment(ctx context.Context, f *whatsapp.Attachment, caption string) (_ *waE2E.Message, err error) {
	r, err := f.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open attachment: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	k := kindOf(f.MIMEType, caption != "")
	br := bufio.NewReaderSize(r, 64<<10)
	var width, height uint32
	if k == kindImage {
		width, height = dimensions(br)
	}
	up, err := s.cli.UploadReader(ctx, br, nil, k.media())
	if err != nil {
		return nil, fmt.Errorf("upload attachment: %w", timedOut(ctx, err))
	}
	msg := describe(k, f, caption, up)
	if img := msg.GetImageMessage(); img != nil && width > 0 {
		img.Width, img.Height = &width, &height
	}
	return msg, nil
}

// dimensions reads a picture's size from its beginning, without taking anything
// from r; zero when it can't be told.
func dimensions(r *bufio.Reader) (width, height uint32) {
	head, _ := r.Peek(r.Size()) // a short file gives what there is
	c, _, err := image.DecodeConfig(bytes.NewReader(head))
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return 0, 0
	}
	return uint32(c.Width), uint32(c.Height)
}

// describe builds the message for an uploaded file.
func describe(k kind, f *whatsapp.Attachment, caption string, up whatsmeow.UploadResponse) *waE2E.Message {
	mimeType := strings.TrimSpace(f.MIMEType)
	if mimeType == "" {
		mimeType = "application/octet-stream"
	}
	var text *string
	if caption != "" {
		text = &caption
	}
	switch k {
	case kindImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
			Caption: text, Mimetype: &mimeType,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey,
			FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength,
		}}
	case kindVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
			Caption: text, Mimetype: &mimeType,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey,
			FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength,
		}}
	case kindAudio:
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
			Mimetype: &mimeType,
			URL:      &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey,
			FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength,
		}}
	}
	name := f.Name
	if name == "" {
		name = "file"
	}
	doc := &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		Caption: text, Mimetype: &mimeType, FileName: &name, Title: proto.String(name),
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey,
		FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength,
	}}
	if text == nil {
		return doc
	}
	// The form in which phones send a document with a caption.
	return &waE2E.Message{DocumentWithCaptionMessage: &waE2E.FutureProofMessage{Message: doc}}
}
