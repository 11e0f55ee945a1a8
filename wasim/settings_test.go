package wasim_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

// synced waits until a client has fetched all of the app state that was there when it was linked.
func synced(c *testClient) {
	c.t.Helper()
	for _, name := range appstate.AllPatchNames {
		event(c, 0, func(e *events.AppStateSyncComplete) bool { return e.Name == name })
	}
}

func TestNewCompanionLearnsThePhonesName(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	synced(c)
	if c.Store.PushName != "Business" {
		t.Errorf("push name is %q", c.Store.PushName)
	}
	mark := c.mark()
	addPhone(t, srv, wasim.PhoneOptions{Number: business, Name: "Renamed"})
	event(c, mark, func(e *events.PushNameSetting) bool { return e.Action.GetName() == "Renamed" })
	if err := c.SendPresence(timeout(t), types.PresenceAvailable); err != nil {
		t.Errorf("presence under the name: %v", err)
	}
}

func TestAppStateGoesBothWays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := network(t, wasim.Options{Dir: dir})
	p := phone(t, srv, business)
	if err := p.SaveContact(timeout(t), ana, "Ana", "Ana Costa"); !errors.Is(err, wasim.ErrNoCompanion) {
		t.Errorf("a phone without companions: %v", err)
	}
	stores := openStore(t, filepath.Join(t.TempDir(), "wa.db"))
	c, second := clientOf(t, srv, stores.NewDevice()), newClient(t, srv)
	for _, one := range []*testClient{c, second} {
		one.EmitAppStateEventsOnFullSync = true // the first patch of a collection counts as one
		pair(t, srv, one, business)
	}
	synced(c)
	synced(second)

	// From the phone to its companions.
	lid := phone(t, srv, ana).LID()
	if err := errors.Join(
		p.SaveContact(timeout(t), ana, "Ana", "Ana Costa"),
		p.Sync(timeout(t), appstate.BuildArchive(lid, true, time.Now(), nil)),
		p.Sync(timeout(t), appstate.BuildMute(lid, true, time.Hour)),
	); err != nil {
		t.Fatal(err)
	}
	for _, one := range []*testClient{c, second} {
		if e := event[*events.Contact](one, 0, nil); e.JID != jid(ana) || e.Action.GetFullName() != "Ana Costa" || e.Action.GetLidJID() != lid.String() {
			t.Errorf("%+v", e)
		}
		event(one, 0, func(e *events.Archive) bool { return e.JID == lid && e.Action.GetArchived() })
		event(one, 0, func(e *events.Mute) bool { return e.JID == lid && e.Action.GetMuted() })
	}
	// From one companion to the phone and the other companion.
	if err := c.SendAppState(timeout(t), appstate.BuildArchive(lid, false, time.Time{}, nil)); err != nil {
		t.Fatal(err)
	}
	event(second, 0, func(e *events.Archive) bool { return e.JID == lid && !e.Action.GetArchived() })
	archived := func(srv *wasim.Server) (found, value bool) {
		t.Helper()
		settings, err := phone(t, srv, business).Settings()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range settings {
			if s.Index[0] == appstate.IndexArchive && s.Index[1] == lid.String() {
				return true, s.Value.GetArchiveChatAction().GetArchived()
			}
		}
		return false, false
	}
	if found, value := archived(srv); !found || value {
		t.Errorf("the phone has found=%t archived=%t", found, value)
	}

	// All of it is there after a restart, and the next patch fits.
	c.Disconnect()
	second.Disconnect()
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := wasim.Start(t.Context(), wasim.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if found, value := archived(again); !found || value {
		t.Errorf("after a restart the phone has found=%t archived=%t", found, value)
	}
	if err := phone(t, again, business).Sync(timeout(t), appstate.BuildPin(lid, true)); err != nil {
		t.Fatal(err)
	}
	device, err := stores.GetFirstDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	back := clientOf(t, again, device)
	if err := back.Connect(); err != nil {
		t.Fatal(err)
	}
	event(back, 0, func(e *events.Pin) bool { return e.JID == lid && e.Action.GetPinned() })
}

func TestHistoryComesWithPairing(t *testing.T) {
	t.Parallel()
	for _, mode := range []wasim.HistoryMode{wasim.HistoryInline, wasim.HistoryExternal} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			srv := network(t, wasim.Options{})
			p := addPhone(t, srv, wasim.PhoneOptions{Number: business, Name: "Business", History: mode})
			past := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			err := p.AddHistory(timeout(t),
				wasim.PastMessage{Chat: ana, ID: "PAST1", Message: &waE2E.Message{Conversation: proto.String("good morning")}, Timestamp: past},
				wasim.PastMessage{Chat: ana, ID: "PAST2", FromMe: true, Message: &waE2E.Message{Conversation: proto.String("good evening")}, Timestamp: past.Add(time.Hour)},
			)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := phone(t, srv, bruno).Send(timeout(t), business, "is this thing on?"); err != nil {
				t.Fatal(err)
			}
			await(t, p, hasText("is this thing on?"))

			c := newClient(t, srv)
			c.ManualHistorySyncDownload = true // its own loop lingers for a minute
			pair(t, srv, c, business)
			first := event(c, 0, func(m *events.Message) bool {
				return m.Message.GetProtocolMessage().GetHistorySyncNotification() != nil
			})
			n := first.Message.GetProtocolMessage().GetHistorySyncNotification()
			if inline := n.InitialHistBootstrapInlinePayload != nil; inline != (mode == wasim.HistoryInline) {
				t.Errorf("inline: %t", inline)
			}
			h, err := c.DownloadHistorySync(timeout(t), n, true)
			if err != nil {
				t.Fatal(err)
			}
			texts := map[string]string{}
			for _, chat := range h.GetConversations() {
				at, err := types.ParseJID(chat.GetID())
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range chat.GetMessages() {
					e, err := c.ParseWebMessage(at, m.GetMessage())
					if err != nil {
						t.Fatal(err)
					}
					texts[e.Info.ID] = e.Message.GetConversation()
					if e.Info.ID == "PAST2" && (!e.Info.IsFromMe || e.Info.Chat != phone(t, srv, ana).LID() || !e.Info.Timestamp.Equal(past.Add(time.Hour))) {
						t.Errorf("%+v", e.Info)
					}
				}
			}
			if len(h.GetConversations()) != 2 || len(texts) != 3 || texts["PAST1"] != "good morning" {
				t.Errorf("%d chats, messages %v", len(h.GetConversations()), texts)
			}
			if pn, err := c.Store.LIDs.GetPNForLID(timeout(t), phone(t, srv, ana).LID()); err != nil || pn != jid(ana) {
				t.Errorf("the number behind the hidden id is %v, %v", pn, err)
			}
			if mode == wasim.HistoryExternal {
				if err := c.DeleteMedia(timeout(t), "WhatsApp History Keys", n.GetDirectPath(), n.GetFileEncSHA256(), ""); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			names := event(c, 0, func(m *events.Message) bool {
				return m.Message.GetProtocolMessage().GetHistorySyncNotification().GetSyncType() == waE2E.HistorySyncType_PUSH_NAME
			})
			h, err = c.DownloadHistorySync(timeout(t), names.Message.GetProtocolMessage().GetHistorySyncNotification(), true)
			if err != nil || len(h.GetPushnames()) != 2 {
				t.Errorf("names %v, %v", h.GetPushnames(), err)
			}

			// More of a chat, on demand.
			mark := c.mark()
			info := &types.MessageInfo{MessageSource: types.MessageSource{Chat: phone(t, srv, ana).LID(), IsFromMe: true}, ID: "PAST2", Timestamp: past.Add(time.Hour)}
			if _, err := c.SendPeerMessage(timeout(t), c.BuildHistorySyncRequest(info, 10)); err != nil {
				t.Fatal(err)
			}
			older := event(c, mark, func(m *events.Message) bool {
				return m.Message.GetProtocolMessage().GetHistorySyncNotification().GetSyncType() == waE2E.HistorySyncType_ON_DEMAND
			})
			h, err = c.DownloadHistorySync(timeout(t), older.Message.GetProtocolMessage().GetHistorySyncNotification(), true)
			if err != nil || len(h.GetConversations()) != 1 || len(h.GetConversations()[0].GetMessages()) != 1 {
				t.Errorf("older: %v, %v", h, err)
			}
		})
	}
}

func TestCompanionOfAnOlderFolderGetsTheKeyLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := network(t, wasim.Options{Dir: dir})
	stores := openStore(t, filepath.Join(t.TempDir(), "wa.db"))
	c := clientOf(t, srv, stores.NewDevice())
	pair(t, srv, c, business)
	synced(c)
	settle(t, c)
	c.Disconnect()
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	// As phones were kept before they had app state.
	db, err := sql.Open("sqlite", filepath.Join(dir, "wasim.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{
		`UPDATE kv SET value = CAST(json_remove(CAST(value AS TEXT), '$.sync_key') AS BLOB) WHERE bucket = 'phone'`,
		`DELETE FROM kv WHERE bucket = 'app_state'`,
	} {
		if _, err := db.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := wasim.Start(t.Context(), wasim.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	device, err := stores.GetFirstDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	back := clientOf(t, again, device)
	if err := back.Connect(); err != nil {
		t.Fatal(err)
	}
	event(back, 0, func(m *events.Message) bool {
		return len(m.Message.GetProtocolMessage().GetAppStateSyncKeyShare().GetKeys()) == 1
	})
	if err := phone(t, again, business).SaveContact(timeout(t), ana, "Ana", "Ana Costa"); err != nil {
		t.Fatal(err)
	}
}
