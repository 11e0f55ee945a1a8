package wasim_test

import (
	"fmt"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

// TestALongHistoryComesInChunks has more messages than fit into the first chunk
// and into one that follows.
func TestALongHistoryComesInChunks(t *testing.T) {
	t.Parallel()
	const messages = 20 + 500 + 7
	for _, mode := range []wasim.HistoryMode{wasim.HistoryInline, wasim.HistoryExternal} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			srv := network(t, wasim.Options{})
			p := addPhone(t, srv, wasim.PhoneOptions{Number: business, Name: "Business", History: mode})
			past := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			var all []wasim.PastMessage
			for i := range messages {
				all = append(all, wasim.PastMessage{
					Chat: ana, ID: fmt.Sprintf("PAST%03d", i), Message: &waE2E.Message{Conversation: proto.String("hi")}, Timestamp: past.Add(time.Duration(i) * time.Minute),
					Unread: i >= messages-2,
				})
			}
			last := &all[messages-1]
			last.Reactions = []wasim.PastReaction{{Emoji: "👍", Timestamp: past}, {FromMe: true, Emoji: "🎉", Timestamp: past}}
			all = append(all, wasim.PastMessage{
				Chat: bruno, ID: "OWN", FromMe: true, Status: waWeb.WebMessageInfo_DELIVERY_ACK, Unread: true,
				Message: &waE2E.Message{Conversation: proto.String("hi")}, Timestamp: past,
			})
			if err := p.AddHistory(timeout(t), all...); err != nil {
				t.Fatal(err)
			}
			c := newClient(t, srv)
			c.ManualHistorySyncDownload = true
			pair(t, srv, c, business)
			seen := map[string]int{}
			for order, want := range []struct {
				typ      waE2E.HistorySyncType
				progress uint32
				messages int
			}{
				{waE2E.HistorySyncType_INITIAL_BOOTSTRAP, 33, 21}, {waE2E.HistorySyncType_PUSH_NAME, 0, 0},
				{waE2E.HistorySyncType_RECENT, 66, 500}, {waE2E.HistorySyncType_RECENT, 100, 7},
			} {
				e := event(c, 0, func(m *events.Message) bool {
					n := m.Message.GetProtocolMessage().GetHistorySyncNotification()
					return n != nil && n.GetChunkOrder() == uint32(order)
				})
				n := e.Message.GetProtocolMessage().GetHistorySyncNotification()
				if n.GetSyncType() != want.typ || n.GetProgress() != want.progress {
					t.Errorf("chunk %d is %s with progress %d", order, n.GetSyncType(), n.GetProgress())
				}
				if inline := n.InitialHistBootstrapInlinePayload != nil; inline != (mode == wasim.HistoryInline && want.typ != waE2E.HistorySyncType_RECENT) {
					t.Errorf("chunk %d inline: %t", order, inline)
				}
				h, err := c.DownloadHistorySync(timeout(t), n, true)
				if err != nil {
					t.Fatal(err)
				}
				in := 0
				for _, chat := range h.GetConversations() {
					in += len(chat.GetMessages())
					for _, m := range chat.GetMessages() {
						seen[m.GetMessage().GetKey().GetID()]++
					}
				}
				if in != want.messages {
					t.Errorf("chunk %d has %d messages, want %d", order, in, want.messages)
				}
				if order == 0 {
					checkBootstrap(t, h)
				}
			}
			if len(seen) != messages+1 {
				t.Errorf("%d messages came, want %d", len(seen), messages+1)
			}
			for id, n := range seen {
				if n != 1 {
					t.Errorf("message %s came %d times", id, n)
				}
			}
		})
	}
}

func checkBootstrap(t *testing.T, h *waHistorySync.HistorySync) {
	t.Helper()
	if len(h.GetConversations()) != 2 {
		t.Fatalf("%d chats", len(h.GetConversations()))
	}
	for _, chat := range h.GetConversations() {
		newest := chat.GetMessages()[0].GetMessage()
		if newest.GetKey().GetID() == "OWN" {
			if newest.GetStatus() != waWeb.WebMessageInfo_DELIVERY_ACK || chat.GetUnreadCount() != 0 {
				t.Errorf("own message is %s, %d unread", newest.GetStatus(), chat.GetUnreadCount())
			}
			continue
		}
		r := newest.GetReactions()
		if chat.GetUnreadCount() != 2 || len(r) != 2 || r[0].GetText() != "👍" || r[0].GetKey().GetFromMe() || !r[1].GetKey().GetFromMe() {
			t.Errorf("%d unread, reactions %v", chat.GetUnreadCount(), r)
		}
	}
}
