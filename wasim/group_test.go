package wasim_test

import (
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

func TestGroupMessageReachesMembers(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c, other := paired(t, srv, business), paired(t, srv, bruno)
	info, err := c.CreateGroup(timeout(t), whatsmeow.ReqCreateGroup{
		Name: "Launch", Participants: []types.JID{jid(ana), jid(bruno)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Participants) != 3 || info.Name != "Launch" || info.OwnerJID != phone(t, srv, business).LID() {
		t.Errorf("%+v", info)
	}
	fault(t, srv, wasim.Fault{Kind: wasim.FaultFailDecrypt, Number: ana, Count: 1})
	for _, text := range []string{"hello all", "and again"} {
		resp, err := c.SendMessage(timeout(t), info.JID, &waE2E.Message{Conversation: proto.String(text)})
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{ana, bruno, business} {
			r := await(t, phone(t, srv, number), hasText(text))
			if r.Group != info.JID.String() || r.FromMe != (number == business) || r.ID != resp.ID {
				t.Errorf("%s: %+v", number, r)
			}
		}
		m := other.text(0, text)
		if m.Info.Chat != info.JID || m.Info.Sender.User != c.Store.LID.User {
			t.Errorf("%+v", m.Info)
		}
		for _, number := range []string{ana, bruno} {
			lid := phone(t, srv, number).LID()
			event(c, 0, func(r *events.Receipt) bool {
				return r.Type == types.ReceiptTypeRead && r.MessageIDs[0] == resp.ID && r.Chat == info.JID && r.Sender == lid
			})
		}
	}
	if err := other.MarkRead(timeout(t), []string{"x"}, time.Now(), info.JID, *c.Store.ID); err != nil {
		t.Error(err)
	}
	if list, err := c.GetJoinedGroups(timeout(t)); err != nil || len(list) != 1 || list[0].JID != info.JID {
		t.Errorf("joined groups: %v, %v", list, err)
	}
	if _, err = c.GetGroupInfo(timeout(t), types.NewJID("1", types.GroupServer)); err == nil {
		t.Error("an unknown group was described")
	}
}

func TestAppStatePatchesAreNumberedAndShared(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	// Without the account's keys there is nothing to read, and nothing to fail either.
	if err := c.FetchAppState(timeout(t), "regular", true, false); err != nil {
		t.Error(err)
	}
}
