package meow

import (
	"encoding/json"
	"strconv"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// fileMessage is what the kinds of messages with a file have in common.
type fileMessage interface {
	whatsmeow.DownloadableMessage
	GetMimetype() string
	GetFileLength() uint64
}

// convertMedia converts a message with a file.
func convertMedia(m *waE2E.Message) *whatsapp.Content {
	video := m.GetVideoMessage()
	if video == nil {
		video = m.GetPtvMessage() // a video note
	}
	switch {
	case m.GetImageMessage() != nil:
		i := m.GetImageMessage()
		return withFile(tideline.KindImage, i, whatsmeow.MediaImage, "", i.GetCaption(), 0)
	case video != nil:
		return withFile(tideline.KindVideo, video, whatsmeow.MediaVideo, "", video.GetCaption(), video.GetSeconds())
	case m.GetAudioMessage() != nil:
		a := m.GetAudioMessage()
		kind := tideline.KindAudio
		if a.GetPTT() {
			kind = tideline.KindVoice
		}
		return withFile(kind, a, whatsmeow.MediaAudio, "", "", a.GetSeconds())
	case m.GetDocumentMessage() != nil:
		d := m.GetDocumentMessage()
		name := d.GetFileName()
		if name == "" {
			name = d.GetTitle()
		}
		return withFile(tideline.KindDocument, d, whatsmeow.MediaDocument, name, d.GetCaption(), 0)
	case m.GetStickerMessage() != nil:
		return withFile(tideline.KindSticker, m.GetStickerMessage(), whatsmeow.MediaImage, "", "", 0)
	}
	return nil
}

func withFile(kind tideline.Kind, f fileMessage, media whatsmeow.MediaType, name, caption string, seconds uint32) *whatsapp.Content {
	c := &whatsapp.Content{Kind: kind, Text: caption}
	if seconds > 0 {
		c.Data = map[string]string{tideline.DataDuration: strconv.FormatUint(uint64(seconds), 10)}
	}
	ref, err := json.Marshal(mediaRef{
		Media: media, Path: f.GetDirectPath(), Key: f.GetMediaKey(), SHA256: f.GetFileSHA256(), EncSHA256: f.GetFileEncSHA256(),
	})
	if err != nil { // of strings and bytes: can't be
		return c
	}
	c.Media = &whatsapp.Media{Name: name, MIMEType: f.GetMimetype(), Size: int64(min(f.GetFileLength(), 1<<62)), Ref: ref}
	return c
}

// mediaRef is what fetching a file needs. It is stored, so that a file can be
// fetched by a later version of the program.
type mediaRef struct {
	Media     whatsmeow.MediaType `json:"media"`
	Path      string              `json:"path"`
	Key       []byte              `json:"key,omitempty"`
	SHA256    []byte              `json:"sha256,omitempty"`
	EncSHA256 []byte              `json:"enc_sha256,omitempty"`
}
