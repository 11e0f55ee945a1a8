package wasim

import (
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/tidelinehq/tideline/wasim/internal/attachment"
)

// content is what a person makes of a message.
type content struct {
	kind   string
	text   string
	target string
	author string // who wrote the target of a reply: a JID, as the reply says
	file   *fileRef
}

// fileRef is an attachment as a message refers to it.
type fileRef struct {
	kind, mime, name, caption string
	info                      string // separates the keys of kinds of files
	path                      string
	key, encSHA256, sha256    []byte
	size                      uint64
	shown                     shown
}

// shown is what a message says about its attachment, to be shown before the file was fetched.
type shown struct {
	seconds, width, height uint32
	waveform, thumbnail    []byte
}

// unwrap removes the envelopes that carry a message without being one.
func unwrap(m *waE2E.Message) *waE2E.Message {
	for range 8 {
		var inner *waE2E.Message
		switch {
		case m.GetDeviceSentMessage().GetMessage() != nil:
			inner = m.GetDeviceSentMessage().GetMessage()
		case m.GetEphemeralMessage().GetMessage() != nil:
			inner = m.GetEphemeralMessage().GetMessage()
		case m.GetViewOnceMessage().GetMessage() != nil:
			inner = m.GetViewOnceMessage().GetMessage()
		case m.GetViewOnceMessageV2().GetMessage() != nil:
			inner = m.GetViewOnceMessageV2().GetMessage()
		case m.GetDocumentWithCaptionMessage().GetMessage() != nil:
			inner = m.GetDocumentWithCaptionMessage().GetMessage()
		case m.GetEditedMessage().GetMessage() != nil:
			inner = m.GetEditedMessage().GetMessage()
		default:
			return m
		}
		m = inner
	}
	return m
}

// describe reads a message. ok is false for messages that phones process without showing them.
func describe(m *waE2E.Message) (c content, ok bool) {
	m = unwrap(m)
	if file := fileOf(m); file != nil {
		reply := contextOf(m)
		return content{kind: "media", text: file.caption, target: reply.GetStanzaID(), author: reply.GetParticipant(), file: file}, true
	}
	switch {
	case m.GetConversation() != "":
		return content{kind: "text", text: m.GetConversation()}, true
	case m.GetExtendedTextMessage() != nil:
		e := m.GetExtendedTextMessage()
		reply := e.GetContextInfo()
		return content{kind: "text", text: e.GetText(), target: reply.GetStanzaID(), author: reply.GetParticipant()}, true
	case m.GetReactionMessage() != nil:
		r := m.GetReactionMessage()
		return content{kind: "reaction", text: r.GetText(), target: r.GetKey().GetID()}, true
	case m.GetProtocolMessage() != nil:
		p := m.GetProtocolMessage()
		switch p.GetType() {
		case waE2E.ProtocolMessage_REVOKE:
			return content{kind: "revoke", target: p.GetKey().GetID()}, p.GetKey() != nil
		case waE2E.ProtocolMessage_MESSAGE_EDIT:
			edited, _ := describe(p.GetEditedMessage())
			return content{kind: "edit", text: edited.text, target: p.GetKey().GetID()}, true
		}
		return content{}, false
	case m.GetSenderKeyDistributionMessage() != nil && m.Conversation == nil:
		return content{}, false
	}
	return content{kind: "other"}, true
}

func contextOf(m *waE2E.Message) *waE2E.ContextInfo {
	switch {
	case m.GetImageMessage() != nil:
		return m.GetImageMessage().GetContextInfo()
	case m.GetVideoMessage() != nil:
		return m.GetVideoMessage().GetContextInfo()
	case m.GetAudioMessage() != nil:
		return m.GetAudioMessage().GetContextInfo()
	case m.GetDocumentMessage() != nil:
		return m.GetDocumentMessage().GetContextInfo()
	}
	return nil
}

// downloadable is what the protobuf types of attachments have in common.
type downloadable interface {
	GetDirectPath() string
	GetMediaKey() []byte
	GetFileEncSHA256() []byte
	GetFileSHA256() []byte
	GetFileLength() uint64
	GetMimetype() string
}

func fileOf(m *waE2E.Message) *fileRef {
	ref := func(d downloadable, kind, info, caption string) *fileRef {
		return &fileRef{
			kind: kind, mime: d.GetMimetype(), caption: caption, info: info, path: d.GetDirectPath(),
			key: d.GetMediaKey(), encSHA256: d.GetFileEncSHA256(), sha256: d.GetFileSHA256(), size: d.GetFileLength(),
		}
	}
	switch {
	case m.GetImageMessage() != nil:
		i := m.GetImageMessage()
		f := ref(i, "image", attachment.Image, i.GetCaption())
		f.shown = shown{width: i.GetWidth(), height: i.GetHeight(), thumbnail: i.GetJPEGThumbnail()}
		return f
	case m.GetStickerMessage() != nil:
		return ref(m.GetStickerMessage(), "sticker", attachment.Image, "")
	case m.GetVideoMessage() != nil:
		kind := "video"
		if m.GetVideoMessage().GetGifPlayback() {
			kind = "gif"
		}
		v := m.GetVideoMessage()
		f := ref(v, kind, attachment.Video, v.GetCaption())
		f.shown = shown{seconds: v.GetSeconds(), width: v.GetWidth(), height: v.GetHeight(), thumbnail: v.GetJPEGThumbnail()}
		return f
	case m.GetAudioMessage() != nil:
		kind := "audio"
		if m.GetAudioMessage().GetPTT() {
			kind = "voice"
		}
		f := ref(m.GetAudioMessage(), kind, attachment.Audio, "")
		f.shown = shown{seconds: m.GetAudioMessage().GetSeconds(), waveform: m.GetAudioMessage().GetWaveform()}
		return f
	case m.GetDocumentMessage() != nil:
		d := m.GetDocumentMessage()
		f := ref(d, "document", attachment.Document, d.GetCaption())
		if f.name = d.GetFileName(); f.name == "" {
			f.name = d.GetTitle()
		}
		return f
	}
	return nil
}

// fetch downloads, decrypts and verifies an attachment as a phone does.
func (s *Server) fetch(f *fileRef) *Media {
	m := declared(f)
	plain, err := s.openFile(f)
	if err != nil {
		m.Error = err.Error()
		return m
	}
	m.Size = int64(len(plain)) // its hash was verified
	if uint64(len(plain)) != f.size {
		m.Error = "the declared size differs from the file's"
	}
	return m
}

// stanzaType is the type attribute of a message stanza, and the media type of its ciphertexts
// (whatsmeow send.go, getTypeFromMessage and getMediaTypeFromMessage).
func stanzaType(m *waE2E.Message) (typ, media string) {
	c, _ := describe(m)
	switch c.kind {
	case "media":
		return "media", strings.Replace(c.file.kind, "voice", "ptt", 1)
	case "reaction":
		return "reaction", ""
	}
	return "text", ""
}
