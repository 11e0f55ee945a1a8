package meow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// voiceType is what phones call their own recordings.
const voiceType = "audio/ogg; codecs=opus"

// kind is how WhatsApp shows an attachment.
type kind int

const (
	kindDocument kind = iota
	kindImage
	kindVideo
	kindAudio
	kindVoice
)

// kindFor chooses how a file is shown: as was asked for, else by its type.
func kindFor(f *whatsapp.Attachment, caption bool) kind {
	switch f.Kind {
	case tideline.KindVoice:
		return kindVoice
	case tideline.KindDocument:
		return kindDocument
	}
	return kindOf(f.MIMEType, caption)
}

// kindOf chooses how a file is shown. Types that phones can't show inline are
// documents, which carry any file unchanged. An audio message has no caption, so
// audio that comes with a text is a document too.
func kindOf(mimeType string, caption bool) kind {
	base, _, err := mime.ParseMediaType(mimeType)
	if err != nil {
		return kindDocument
	}
	switch base {
	case "image/jpeg", "image/png", "image/webp", "image/gif":
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
	case kindAudio, kindVoice:
		return whatsmeow.MediaAudio
	}
	return whatsmeow.MediaDocument
}

// attachment uploads a file and builds the message that refers to it. The file
// is streamed; its encrypted copy goes through a temporary file, since its hash
// must be known before the upload begins.
func (s *session) attachment(ctx context.Context, f *whatsapp.Attachment, caption string) (_ *waE2E.Message, err error) {
	k := kindFor(f, caption != "")
	var p preview
	if k == kindImage {
		p = s.c.look(ctx, f)
	}
	r, err := f.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open attachment: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	up, err := s.cli.UploadReader(ctx, bufio.NewReaderSize(r, 64<<10), nil, k.media())
	if err != nil {
		return nil, fmt.Errorf("upload attachment: %w", timedOut(ctx, err))
	}
	msg := describe(k, f, caption, up)
	if img := msg.GetImageMessage(); img != nil && p.width > 0 {
		img.Width, img.Height, img.JPEGThumbnail = &p.width, &p.height, p.thumbnail
	}
	return msg, nil
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
	case kindVoice:
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
			Mimetype: proto.String(voiceType), PTT: proto.Bool(true), Seconds: &f.Seconds, Waveform: f.Waveform,
			URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey,
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
