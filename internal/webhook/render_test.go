package webhook

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func goldenRenderer() *Renderer {
	return &Renderer{PublicURL: "https://wa.example.org", APIPath: "/integrations/api", Link: func(uid string) url.Values {
		return url.Values{"expires": {"1800000000"}, "signature": {"s-" + uid[:4]}}
	}}
}

// goldenView is an event of a kind in a direct chat, with everything there.
func goldenView(kind tideline.EventType) store.EventView {
	at := time.Date(2026, 11, 22, 20, 30, 15, 0, time.UTC)
	return store.EventView{
		Event: tideline.Event{
			ID: 7, UID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51", WorkspaceID: 1, Kind: kind, At: at, AccountID: 2, ChatID: 1000001, MessageID: 3,
		},
		Workspace: tideline.Workspace{ID: 1, Slug: "acme", TimeZone: "Asia/Kolkata"},
		Chat: &store.ChatView{
			Chat: tideline.Chat{
				ID: 1000001, JID: "14840000001@s.whatsapp.net", Phone: "+14840000001", Name: "Ada \"<\" Lovelace", Unread: 1,
				CreatedAt: at.Add(-time.Hour), LastMessageAt: at, AutoReply: true,
			},
			Labels: []string{"parcels"}, LastMessageUID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e52",
		},
		Account: &store.AccountView{Account: tideline.Account{
			ID: 2, JID: "14841111111@s.whatsapp.net", Phone: "+14841111111", Name: "Front desk", State: tideline.AccountActive,
			ConnectedOn: at.Add(-24 * time.Hour), OwnerName: "Olga", OwnerEmail: "olga@example.com", CreatedAt: at.Add(-48 * time.Hour),
		}},
		Message: &store.MessageView{
			Message: tideline.Message{
				ID: 3, UID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e52", ChatID: 1000001, Text: "Good <morning>\n& \u2028 🌊", Origin: tideline.OriginWhatsApp,
				Sender: tideline.Peer{JID: "14840000001@s.whatsapp.net", Name: "ada"}, AcceptedAt: at.Add(time.Second), SentAt: at,
			},
			ReplyToUID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e53",
			File:       &tideline.File{UID: "90d353e6-44c1-48ff-b15b-69b7721e5450", Name: "menu & more.pdf", MIMEType: "application/pdf", Size: 12345},
		},
	}
}

// group makes v an event in a group, of a member whose number is known.
func group(v store.EventView) store.EventView {
	v.Chat.Chat.JID, v.Chat.Chat.Phone, v.Chat.Chat.Name = "1203630000@g.us", "", "Team"
	v.Message.Message.Sender = tideline.Peer{JID: "14840000002@s.whatsapp.net", LID: "99@lid"}
	return v
}

func outgoing(v store.EventView) store.EventView {
	v.Message.Message.FromMe, v.Message.Message.Sender, v.Message.Message.Origin = true, tideline.Peer{}, tideline.OriginPublicAPI
	v.Message.File, v.Message.ReplyToUID = nil, ""
	return v
}

func call(v store.EventView, status tideline.Status, data map[string]string) store.EventView {
	m := &v.Message.Message
	m.Kind, m.Status, m.Data, m.Text, v.Message.File = tideline.KindCall, status, data, "", nil
	return v
}

func detail(v store.EventView, d tideline.EventDetail) store.EventView {
	v.Event.Detail = d
	return v
}

var update = flag.Bool("update", false, "write the bodies as they are into testdata")

func TestBodiesAreAsDocumented(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v  store.EventView
		as tideline.EventType
	}{
		"message_received":       {goldenView(tideline.EventMessageReceived), tideline.EventMessageReceived},
		"message_new":            {goldenView(tideline.EventMessageReceived), tideline.EventMessageNew},
		"message_sent":           {outgoing(goldenView(tideline.EventMessageSent)), tideline.EventMessageSent},
		"message_received_group": {group(goldenView(tideline.EventMessageReceived)), tideline.EventMessageReceived},
		"message_failed": {func() store.EventView {
			v := outgoing(goldenView(tideline.EventMessageFailed))
			v.Message.Message.SentAt, v.Message.Message.Reason = time.Time{}, tideline.ReasonNotOnWhatsApp
			return v
		}(), tideline.EventMessageFailed},
		"reaction_set": {detail(goldenView(tideline.EventReaction), tideline.EventDetail{
			Emoji: "👍", Reactor: &tideline.Peer{JID: "14840000001@s.whatsapp.net", Name: "ada"}, Reactions: map[string]int{"👍": 2, "❤️": 1},
		}), tideline.EventReaction},
		"reaction_clear_own": {detail(goldenView(tideline.EventReaction), tideline.EventDetail{Previous: "👍", Own: true}), tideline.EventReaction},
		"reaction_group": {detail(group(goldenView(tideline.EventReaction)), tideline.EventDetail{
			Emoji: "👍", Reactor: &tideline.Peer{JID: "14840000002@s.whatsapp.net", Name: "Bo"}, Reactions: map[string]int{"👍": 1},
		}), tideline.EventReaction},
		"chat_incoming": {goldenView(tideline.EventChatIncoming), tideline.EventChatIncoming},
		"chat_new":      {goldenView(tideline.EventChatIncoming), tideline.EventChatNew},
		"chat_new_group": {func() store.EventView {
			v := group(goldenView(tideline.EventChatNew))
			v.Chat.Labels, v.Chat.LastMessageUID, v.Chat.Chat.LastMessageAt, v.Chat.Chat.Unread = nil, "", time.Time{}, 0
			return v
		}(), tideline.EventChatNew},
		"chat_assigned": {detail(goldenView(tideline.EventChatAssigned), tideline.EventDetail{
			ResponsibleName: "Bo", ResponsibleEmail: "bo@example.com", PreviousName: "Olga", PreviousEmail: "olga@example.com",
		}), tideline.EventChatAssigned},
		"account_connected": {func() store.EventView {
			v := goldenView(tideline.EventAccountConnected)
			v.Account.Account.State = tideline.AccountDisconnected // since then
			return v
		}(), tideline.EventAccountConnected},
		"account_disconnected": {func() store.EventView {
			v := goldenView(tideline.EventAccountDisconnected)
			v.Account.Removed = true
			return v
		}(), tideline.EventAccountDisconnected},
		"call_missed":   {call(goldenView(tideline.EventCallMissed), tideline.CallMissed, nil), tideline.EventCallMissed},
		"call_ended":    {call(goldenView(tideline.EventCallEnded), tideline.CallAnswered, map[string]string{"video": "true", "duration": "61"}), tideline.EventCallEnded},
		"call_rejected": {call(goldenView(tideline.EventCallEnded), tideline.CallRejected, nil), tideline.EventCallEnded},
		"call_group":    {call(group(goldenView(tideline.EventCallMissed)), tideline.CallMissed, nil), tideline.EventCallMissed},
		"call_outgoing": {outgoing(call(goldenView(tideline.EventCallOutgoingDone), tideline.CallMissed, nil)), tideline.EventCallOutgoingDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := goldenRenderer().Render(&c.v, c.as)
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEventWithoutItsCauseIsAnErrorAndNoHalfBody(t *testing.T) {
	t.Parallel()
	for _, kind := range []tideline.EventType{tideline.EventMessageSent, tideline.EventReaction, tideline.EventCallMissed, tideline.EventChatNew, tideline.EventAccountConnected, "waba:chat:closed"} {
		v := goldenView(kind)
		v.Chat, v.Message = nil, nil
		if kind == tideline.EventAccountConnected {
			v.Account = nil
		}
		if body, err := goldenRenderer().Render(&v, kind); err == nil || strings.Contains(err.Error(), "Front desk") {
			t.Errorf("%s: %s, %v", kind, body, err)
		}
	}
}

func TestTextThatIsNoUTF8StopsNothing(t *testing.T) {
	t.Parallel()
	v := goldenView(tideline.EventMessageReceived)
	v.Message.Message.Text = "caf\xe9"
	if body, err := goldenRenderer().Render(&v, tideline.EventMessageNew); err != nil || !json.Valid(body) {
		t.Errorf("%s, %v", body, err)
	}
}
