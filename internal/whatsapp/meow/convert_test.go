package meow

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

var sentAt = time.Unix(1_790_000_000, 0)

// event makes the library's event of a message.
func event(m *waE2E.Message) *events.Message {
	e := &events.Message{Info: types.MessageInfo{ID: "A1", Timestamp: sentAt}, RawMessage: m}
	return e.UnwrapRaw()
}

func key(id string) *waCommon.MessageKey { return &waCommon.MessageKey{ID: &id} }

func future(m *waE2E.Message) *waE2E.FutureProofMessage {
	return &waE2E.FutureProofMessage{Message: m}
}

func text(s string) *waE2E.Message { return &waE2E.Message{Conversation: &s} }

func TestEveryKindBecomesWhatAPersonReads(t *testing.T) {
	t.Parallel()
	quote := &waE2E.ContextInfo{StanzaID: proto.String("Q1")}
	poll := &waE2E.PollCreationMessage{Name: proto.String("Lunch?"), Options: []*waE2E.PollCreationMessage_Option{
		{OptionName: proto.String("Pizza")}, {OptionName: proto.String("Soup")},
	}}
	pollContent := whatsapp.Content{Kind: tideline.KindPoll, Text: "Poll: Lunch?\n- Pizza\n- Soup"}
	for name, c := range map[string]struct {
		in   *waE2E.Message
		want whatsapp.Content
	}{
		"text":          {text("hi"), whatsapp.Content{Kind: tideline.KindText, Text: "hi"}},
		"extended text": {&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("hi")}}, whatsapp.Content{Kind: tideline.KindText, Text: "hi"}},
		"answer": {&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("yes"), ContextInfo: quote}},
			whatsapp.Content{Kind: tideline.KindText, Text: "yes", ReplyTo: "Q1"}},
		"disappearing":       {&waE2E.Message{EphemeralMessage: future(text("hi"))}, whatsapp.Content{Kind: tideline.KindText, Text: "hi"}},
		"copy of own":        {&waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{Message: text("hi")}}, whatsapp.Content{Kind: tideline.KindText, Text: "hi"}},
		"group invitation":   {&waE2E.Message{GroupInviteMessage: &waE2E.GroupInviteMessage{GroupName: proto.String("Choir"), Caption: proto.String("join us")}}, whatsapp.Content{Kind: tideline.KindText, Text: "Invitation to the group Choir\njoin us"}},
		"poll":               {&waE2E.Message{PollCreationMessage: poll}, pollContent},
		"poll, third form":   {&waE2E.Message{PollCreationMessageV3: poll}, pollContent},
		"poll, wrapped form": {&waE2E.Message{PollCreationMessageV4: future(&waE2E.Message{PollCreationMessage: poll})}, pollContent},
		"location": {&waE2E.Message{LocationMessage: &waE2E.LocationMessage{DegreesLatitude: proto.Float64(52.5), DegreesLongitude: proto.Float64(-13.25), Name: proto.String("Café"), Address: proto.String("Main St 1"), ContextInfo: quote}},
			whatsapp.Content{Kind: tideline.KindLocation, Text: "Café\nMain St 1\nhttps://www.google.com/maps?q=52.5,-13.25", ReplyTo: "Q1", Data: map[string]string{"latitude": "52.5", "longitude": "-13.25"}}},
		"live location": {&waE2E.Message{LiveLocationMessage: &waE2E.LiveLocationMessage{DegreesLatitude: proto.Float64(1), DegreesLongitude: proto.Float64(2)}},
			whatsapp.Content{Kind: tideline.KindLocation, Text: "Live location\nhttps://www.google.com/maps?q=1,2", Data: map[string]string{"latitude": "1", "longitude": "2"}}},
		"contact": {&waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String("Bob"), Vcard: proto.String("BEGIN:VCARD\nitem1.TEL;waid=1484:+1 484\nEND:VCARD")}},
			whatsapp.Content{Kind: tideline.KindContact, Text: "Bob: +1 484", Data: map[string]string{"vcard": "BEGIN:VCARD\nitem1.TEL;waid=1484:+1 484\nEND:VCARD"}}},
		"contacts": {&waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{Contacts: []*waE2E.ContactMessage{{DisplayName: proto.String("Bob")}, {Vcard: proto.String("FN:Eve\r\nTEL:1\r\nTEL:2")}}}},
			whatsapp.Content{Kind: tideline.KindContact, Text: "Bob\nEve: 1, 2", Data: map[string]string{"vcard": "FN:Eve\r\nTEL:1\r\nTEL:2"}}},
		"picked button": {&waE2E.Message{ButtonsResponseMessage: &waE2E.ButtonsResponseMessage{Response: &waE2E.ButtonsResponseMessage_SelectedDisplayText{SelectedDisplayText: "Yes"}, ContextInfo: quote}},
			whatsapp.Content{Kind: tideline.KindText, Text: "Yes", ReplyTo: "Q1"}},
		"something newer": {&waE2E.Message{OrderMessage: &waE2E.OrderMessage{ContextInfo: quote}}, whatsapp.Content{Kind: tideline.KindOther, Text: unknownText, ReplyTo: "Q1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := convert(event(c.in))
			if !ok || got.Content == nil {
				t.Fatalf("got %+v, want content", got)
			}
			if diff := cmp.Diff(c.want, *got.Content); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryKindOfFileCanBeFetchedLater(t *testing.T) {
	t.Parallel()
	quote := &waE2E.ContextInfo{StanzaID: proto.String("Q1")}
	path, mime, caption := proto.String("/p?x"), proto.String("a/b"), proto.String("look")
	k, h, e, size := []byte("key"), []byte("hash"), []byte("enc"), proto.Uint64(12)
	doc := &waE2E.DocumentMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size, Caption: caption, FileName: proto.String("a.pdf"), ContextInfo: quote}
	video := &waE2E.VideoMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size, Seconds: proto.Uint32(7)}
	ref := func(media string) []byte {
		return []byte(`{"media":"WhatsApp ` + media + ` Keys","path":"/p?x","key":"a2V5","sha256":"aGFzaA==","enc_sha256":"ZW5j"}`)
	}
	for name, c := range map[string]struct {
		in   *waE2E.Message
		want whatsapp.Content
	}{
		"image": {&waE2E.Message{ImageMessage: &waE2E.ImageMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size, Caption: caption}},
			whatsapp.Content{Kind: tideline.KindImage, Text: "look", Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Image")}}},
		"image to be viewed once": {&waE2E.Message{ViewOnceMessageV2: future(&waE2E.Message{ImageMessage: &waE2E.ImageMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size}})},
			whatsapp.Content{Kind: tideline.KindImage, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Image")}}},
		"image of an album": {&waE2E.Message{AssociatedChildMessage: future(&waE2E.Message{ImageMessage: &waE2E.ImageMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size}})},
			whatsapp.Content{Kind: tideline.KindImage, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Image")}}},
		"video":      {&waE2E.Message{VideoMessage: video}, whatsapp.Content{Kind: tideline.KindVideo, Data: map[string]string{"duration": "7"}, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Video")}}},
		"video note": {&waE2E.Message{PtvMessage: video}, whatsapp.Content{Kind: tideline.KindVideo, Data: map[string]string{"duration": "7"}, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Video")}}},
		"audio": {&waE2E.Message{AudioMessage: &waE2E.AudioMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size}},
			whatsapp.Content{Kind: tideline.KindAudio, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Audio")}}},
		"voice": {&waE2E.Message{AudioMessage: &waE2E.AudioMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size, PTT: proto.Bool(true), Seconds: proto.Uint32(3), ContextInfo: quote}},
			whatsapp.Content{Kind: tideline.KindVoice, ReplyTo: "Q1", Data: map[string]string{"duration": "3"}, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Audio")}}},
		"document": {&waE2E.Message{DocumentMessage: doc},
			whatsapp.Content{Kind: tideline.KindDocument, Text: "look", ReplyTo: "Q1", Media: &whatsapp.Media{Name: "a.pdf", MIMEType: "a/b", Size: 12, Ref: ref("Document")}}},
		"document with caption": {&waE2E.Message{DocumentWithCaptionMessage: future(&waE2E.Message{DocumentMessage: doc})},
			whatsapp.Content{Kind: tideline.KindDocument, Text: "look", ReplyTo: "Q1", Media: &whatsapp.Media{Name: "a.pdf", MIMEType: "a/b", Size: 12, Ref: ref("Document")}}},
		"sticker": {&waE2E.Message{StickerMessage: &waE2E.StickerMessage{DirectPath: path, Mimetype: mime, MediaKey: k, FileSHA256: h, FileEncSHA256: e, FileLength: size}},
			whatsapp.Content{Kind: tideline.KindSticker, Media: &whatsapp.Media{MIMEType: "a/b", Size: 12, Ref: ref("Image")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := convert(event(c.in))
			if !ok || got.Content == nil {
				t.Fatalf("got %+v, want content", got)
			}
			if diff := cmp.Diff(c.want, *got.Content); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChangesNameTheirMessage(t *testing.T) {
	t.Parallel()
	edited := &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key("T1"), EditedMessage: text("better")}}
	reaction := func(emoji string, ms int64) *waE2E.Message {
		return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Key: key("T1"), Text: &emoji, SenderTimestampMS: &ms}}
	}
	before := sentAt.Add(-1500 * time.Millisecond)
	for name, c := range map[string]struct {
		in   *waE2E.Message
		want whatsapp.Inbound
	}{
		"reaction":                  {reaction("👍", before.UnixMilli()), whatsapp.Inbound{Reaction: &whatsapp.Reacted{MessageID: "T1", Emoji: "👍", At: before}}},
		"reaction from the future":  {reaction("👍", sentAt.Add(time.Hour).UnixMilli()), whatsapp.Inbound{Reaction: &whatsapp.Reacted{MessageID: "T1", Emoji: "👍", At: sentAt}}},
		"reaction taken back":       {reaction("", 0), whatsapp.Inbound{Reaction: &whatsapp.Reacted{MessageID: "T1", At: sentAt}}},
		"edit":                      {edited, whatsapp.Inbound{Edit: &whatsapp.Edited{MessageID: "T1", Text: "better"}}},
		"edit in its envelope":      {&waE2E.Message{EditedMessage: future(edited)}, whatsapp.Inbound{Edit: &whatsapp.Edited{MessageID: "T1", Text: "better"}}},
		"edited caption":            {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key("T1"), EditedMessage: &waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: proto.String("better")}}}}, whatsapp.Inbound{Edit: &whatsapp.Edited{MessageID: "T1", Text: "better"}}},
		"deletion":                  {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key("T1")}}, whatsapp.Inbound{Delete: &whatsapp.Deleted{MessageID: "T1"}}},
		"deletion by the own phone": {&waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key("T1")}}}}, whatsapp.Inbound{Delete: &whatsapp.Deleted{MessageID: "T1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := convert(event(c.in))
			if diff := cmp.Diff(c.want, got); diff != "" || !ok {
				t.Errorf("ok %v, change (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestWhatPhonesDontShowIsNoMessage(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*waE2E.Message{
		"nothing":              {},
		"keys of a group":      {SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{}, MessageContextInfo: &waE2E.MessageContextInfo{}},
		"shared history":       {ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum()}},
		"vote":                 {PollUpdateMessage: &waE2E.PollUpdateMessage{}},
		"pin":                  {PinInChatMessage: &waE2E.PinInChatMessage{}},
		"album around pieces":  {AlbumMessage: &waE2E.AlbumMessage{}},
		"deletion of nothing":  {ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum()}},
		"reaction to nothing":  {ReactionMessage: &waE2E.ReactionMessage{Text: proto.String("👍")}},
		"edit without content": {ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key("T1")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := convert(event(m)); ok {
				t.Errorf("got %+v with content %+v, want nothing", got, got.Content)
			}
		})
	}
}

func TestOnlyConversationsAreTakenIn(t *testing.T) {
	t.Parallel()
	ana := types.NewJID("14840000001", types.DefaultUserServer)
	list := types.NewJID("1790000000", types.BroadcastServer)
	for name, c := range map[string]struct {
		info types.MessageInfo
		want bool
	}{
		"direct":                       {types.MessageInfo{MessageSource: types.MessageSource{Chat: ana}}, true},
		"hidden id":                    {types.MessageInfo{MessageSource: types.MessageSource{Chat: types.NewJID("7", types.HiddenUserServer)}}, true},
		"group":                        {types.MessageInfo{MessageSource: types.MessageSource{Chat: types.NewJID("1-2", types.GroupServer)}}, true},
		"another's broadcast list":     {types.MessageInfo{MessageSource: types.MessageSource{Chat: list}}, true},
		"own broadcast list":           {types.MessageInfo{MessageSource: types.MessageSource{Chat: list, IsFromMe: true}}, false},
		"status update":                {types.MessageInfo{MessageSource: types.MessageSource{Chat: types.StatusBroadcastJID}}, false},
		"channel":                      {types.MessageInfo{MessageSource: types.MessageSource{Chat: types.NewJID("1", types.NewsletterServer)}}, false},
		"between phone and companions": {types.MessageInfo{MessageSource: types.MessageSource{Chat: ana, IsFromMe: true}, Category: "peer"}, false},
	} {
		if got := conversation(&c.info); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestACallEndsAsWhatItWas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call   *call
		reason string
		want   whatsapp.Call
	}{
		"nobody answered":          {&call{video: true}, "timeout", whatsapp.Call{Status: tideline.CallMissed, Video: true}},
		"its beginning was missed": {nil, "", whatsapp.Call{Status: tideline.CallMissed}},
		"answered on the phone":    {&call{talkFrom: sentAt.Add(-90 * time.Second)}, "", whatsapp.Call{Status: tideline.CallAnswered, Duration: 90 * time.Second}},
		"answered elsewhere":       {&call{}, "accepted_elsewhere", whatsapp.Call{Status: tideline.CallAnswered}},
		"rejected":                 {&call{refused: true}, "", whatsapp.Call{Status: tideline.CallRejected}},
		"rejected elsewhere":       {&call{}, "rejected_elsewhere", whatsapp.Call{Status: tideline.CallRejected}},
	} {
		if diff := cmp.Diff(&c.want, ended(c.call, c.reason, sentAt)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzReadCard(f *testing.F) {
	f.Add("BEGIN:VCARD\nVERSION:3.0\nN:;Bob;;;\nFN:Bob\\, the \n builder\nitem1.TEL;waid=14840000001:+1 484 000-0001\nEND:VCARD")
	f.Add("TEL:\r\n\r\n :x\nFN")
	f.Fuzz(func(t *testing.T, card string) {
		name, numbers := readCard(card)
		for _, s := range append(numbers, name) {
			if strings.ContainsAny(s, "\n") {
				t.Errorf("%q has a line break", s)
			}
		}
	})
}
