package inbox

import (
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// kindOf says what a message is shown as. Of what Tideline sent, the type of the
// file tells it.
func kindOf(v *store.MessageView) tideline.Kind {
	m := &v.Message
	if m.Kind != "" && m.Kind != tideline.KindText {
		return m.Kind
	}
	if v.File == nil {
		if m.FileID != 0 {
			return tideline.KindDocument
		}
		return tideline.KindText
	}
	switch major, _, _ := strings.Cut(v.File.MIMEType, "/"); {
	case !inlineType(v.File.MIMEType):
		return tideline.KindDocument
	case major == "image":
		return tideline.KindImage
	case major == "video":
		return tideline.KindVideo
	case major == "audio":
		return tideline.KindAudio
	}
	return tideline.KindDocument
}

// excerpt says in a line what a message is.
func excerpt(q *ui.Request, v *store.MessageView) string {
	m := &v.Message
	if !m.DeletedAt.IsZero() {
		return q.T("inbox.deleted")
	}
	kind := kindOf(v)
	if kind == tideline.KindCall {
		return callText(q, m)
	}
	text := strings.Join(strings.Fields(short(m.Text)), " ")
	label := kindLabel(q, kind)
	switch {
	case label == "":
		return text
	case kind == tideline.KindDocument && v.File != nil && text == "":
		return label + " · " + v.File.Name
	case text == "":
		return label
	}
	return label + " · " + text
}

// maxExcerpt is how many characters of a message its excerpt has at most.
const maxExcerpt = 160

func short(text string) string {
	if len(text) <= maxExcerpt {
		return text
	}
	r := []rune(text[:min(len(text), 4*maxExcerpt)])
	return string(r[:min(len(r), maxExcerpt)])
}

// kindLabel names what is not a text; "" for a text.
func kindLabel(q *ui.Request, k tideline.Kind) string {
	switch k {
	case tideline.KindImage:
		return q.T("inbox.kind.image")
	case tideline.KindVideo:
		return q.T("inbox.kind.video")
	case tideline.KindAudio:
		return q.T("inbox.kind.audio")
	case tideline.KindVoice:
		return q.T("inbox.kind.voice")
	case tideline.KindDocument:
		return q.T("inbox.kind.document")
	case tideline.KindSticker:
		return q.T("inbox.kind.sticker")
	case tideline.KindContact:
		return q.T("inbox.kind.contact")
	case tideline.KindLocation:
		return q.T("inbox.kind.location")
	case tideline.KindPoll:
		return q.T("inbox.kind.poll")
	case tideline.KindNote:
		return q.T("inbox.kind.note")
	}
	return ""
}

// callText says what became of a call.
func callText(q *ui.Request, m *tideline.Message) string {
	switch {
	case m.Status == tideline.CallMissed && m.Data[tideline.DataVideo] == "true":
		return q.T("inbox.call.video_missed")
	case m.Status == tideline.CallMissed:
		return q.T("inbox.call.missed")
	case m.Status == tideline.CallRejected:
		return q.T("inbox.call.rejected")
	case m.Data[tideline.DataVideo] == "true":
		return q.T("inbox.call.video")
	}
	return q.T("inbox.call.voice")
}

// tick says how far a message of ours has come; "" for what is not ours. It is the
// name of an icon and of a style.
type tick string

// The ticks.
const (
	tickPending   tick = "pending"
	tickSent      tick = "sent"
	tickDelivered tick = "delivered"
	tickRead      tick = "read"
	tickFailed    tick = "failed"
)

func tickOf(m *tideline.Message) tick {
	if !m.FromMe || m.Type() != tideline.TypeWhatsApp || !m.DeletedAt.IsZero() {
		return ""
	}
	switch m.Status {
	case tideline.StatusPending:
		return tickPending
	case tideline.StatusSent:
		return tickSent
	case tideline.StatusDelivered:
		return tickDelivered
	case tideline.StatusRead:
		return tickRead
	case tideline.StatusFailed:
		return tickFailed
	}
	return ""
}

// reasonText says why a message failed.
func reasonText(q *ui.Request, r tideline.Reason) string {
	switch r {
	case tideline.ReasonNotOnWhatsApp:
		return q.T("inbox.reason.not_on_whatsapp")
	case tideline.ReasonReachOutLimited:
		return q.T("inbox.reason.reach_out_limited")
	case tideline.ReasonRejected:
		return q.T("inbox.reason.rejected")
	case tideline.ReasonAttachmentMissing:
		return q.T("inbox.reason.attachment_missing")
	case tideline.ReasonAttachmentRefused:
		return q.T("inbox.reason.attachment_refused")
	case tideline.ReasonExpired:
		return q.T("inbox.reason.expired")
	case tideline.ReasonAccountRemoved:
		return q.T("inbox.reason.account_removed")
	case tideline.ReasonInvalidRecipient:
		return q.T("inbox.reason.invalid_recipient")
	case tideline.ReasonCancelled:
		return q.T("inbox.reason.cancelled")
	}
	return r.Text()
}
