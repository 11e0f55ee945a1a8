package meow

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestWhatAMessageOfAHistoryMeans(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	edit := &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: &waCommon.MessageKey{ID: proto.String("A0")}, EditedMessage: &waE2E.Message{Conversation: proto.String("better")},
	}}
	base := whatsapp.HistoryEntry{Inbound: whatsapp.Inbound{ID: "A1", FromMe: true, At: at}, Status: tideline.StatusRead}
	with := func(change func(*whatsapp.HistoryEntry)) whatsapp.HistoryEntry {
		e := base
		change(&e)
		return e
	}
	better := &whatsapp.Content{Kind: tideline.KindText, Text: "better"}
	for name, c := range map[string]struct {
		message *waWeb.WebMessageInfo
		want    []whatsapp.HistoryEntry
	}{
		"text": {&waWeb.WebMessageInfo{Message: &waE2E.Message{Conversation: proto.String("better")}}, []whatsapp.HistoryEntry{
			with(func(e *whatsapp.HistoryEntry) { e.Content = better })}},
		"an edit is the message too": {&waWeb.WebMessageInfo{Message: edit}, []whatsapp.HistoryEntry{
			with(func(e *whatsapp.HistoryEntry) { e.ID, e.Content = "A0", better }),
			with(func(e *whatsapp.HistoryEntry) {
				e.Status, e.Edit = "", &whatsapp.Edited{MessageID: "A0", Text: "better"}
			})}},
		"deleted": {&waWeb.WebMessageInfo{MessageStubType: waWeb.WebMessageInfo_REVOKE.Enum()}, []whatsapp.HistoryEntry{
			with(func(e *whatsapp.HistoryEntry) { e.Status, e.Delete = "", &whatsapp.Deleted{MessageID: "A1"} })}},
		"a notice of the app": {&waWeb.WebMessageInfo{MessageStubType: waWeb.WebMessageInfo_GROUP_CREATE.Enum()}, nil},
		"keys":                {&waWeb.WebMessageInfo{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{}}}, nil},
	} {
		e := &events.Message{Message: c.message.Message}
		e.Info.Timestamp = at
		if diff := cmp.Diff(c.want, said(base, e, c.message)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHowFarAnOwnMessageHasCome(t *testing.T) {
	t.Parallel()
	for status, want := range map[waWeb.WebMessageInfo_Status]tideline.Status{
		waWeb.WebMessageInfo_ERROR: "", waWeb.WebMessageInfo_PENDING: "", waWeb.WebMessageInfo_SERVER_ACK: tideline.StatusSent,
		waWeb.WebMessageInfo_DELIVERY_ACK: tideline.StatusDelivered, waWeb.WebMessageInfo_READ: tideline.StatusRead, waWeb.WebMessageInfo_PLAYED: tideline.StatusRead,
	} {
		if got := statusOf(&waWeb.WebMessageInfo{Status: status.Enum()}); got != want {
			t.Errorf("%s is %q, want %q", status, got, want)
		}
	}
	if got := statusOf(&waWeb.WebMessageInfo{}); got != tideline.StatusSent {
		t.Errorf("one that says nothing is %q", got)
	}
}

func TestHowManyAreUnread(t *testing.T) {
	t.Parallel()
	for want, c := range map[int]*waHistorySync.Conversation{
		0: {}, 7: {UnreadCount: proto.Uint32(7), MarkedAsUnread: proto.Bool(true)}, 1: {MarkedAsUnread: proto.Bool(true)},
	} {
		if got := unreadOf(c); got != want {
			t.Errorf("%v: %d unread, want %d", c, got, want)
		}
	}
	if got := unreadOf(&waHistorySync.Conversation{UnreadCount: proto.Uint32(1<<32 - 1)}); got != 1 {
		t.Errorf("a count that is none: %d unread, want 1", got)
	}
}
