package wasim_test

import (
	"errors"
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

// groupOf makes a group of the business and two customers, and waits until the business's client knows.
func groupOf(t *testing.T, srv *wasim.Server, c *testClient) types.JID {
	t.Helper()
	id, err := phone(t, srv, business).CreateGroup(timeout(t), "Launch", ana, bruno)
	if err != nil {
		t.Fatal(err)
	}
	e := event(c, 0, func(e *events.JoinedGroup) bool { return e.JID == id })
	if e.Name != "Launch" || len(e.Participants) != 3 {
		t.Errorf("%+v", e)
	}
	return id
}

func TestPhonesWriteToGroups(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c, other := paired(t, srv, business), paired(t, srv, bruno)
	group := groupOf(t, srv, c)
	p := phone(t, srv, ana)
	for _, text := range []string{"hello everybody", "it's me again"} {
		id, err := p.Send(timeout(t), group.String(), text)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range []*testClient{c, other} {
			m := one.text(0, text)
			if m.Info.ID != id || m.Info.Chat != group || m.Info.Sender != p.LID() || m.Info.SenderAlt != jid(ana) || !m.Info.IsGroup || m.Info.PushName != "Ana" {
				t.Errorf("%+v", m.Info)
			}
		}
		if r := await(t, phone(t, srv, bruno), hasText(text)); r.Group != group.String() || r.From != ana || r.ID != id {
			t.Errorf("%+v", r)
		}
	}
	if _, err := p.SendFile(timeout(t), group.String(), wasim.File{Kind: "image", MIME: "image/png", Caption: "us", Data: []byte("picture")}); err != nil {
		t.Fatal(err)
	}
	m := event(c, 0, func(m *events.Message) bool { return m.Message.GetImageMessage().GetCaption() == "us" })
	if data, err := c.Download(timeout(t), m.Message.GetImageMessage()); err != nil || string(data) != "picture" {
		t.Errorf("%q, %v", data, err)
	}

	// What the owner writes on the phone reaches its own companion as its own.
	id, err := phone(t, srv, business).Send(timeout(t), group.String(), "from my phone")
	if err != nil {
		t.Fatal(err)
	}
	if m := c.text(0, "from my phone"); !m.Info.IsFromMe || m.Info.Chat != group || m.Info.ID != id {
		t.Errorf("%+v", m.Info)
	}
	if s := srv.Stats(); s.Retries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestGroupMessageOfAPhoneIsRepeatedOnRequest(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	group := groupOf(t, srv, c)
	p := phone(t, srv, ana)
	if _, err := p.Send(timeout(t), group.String(), "one"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "one")
	// The client loses the key of the group.
	if err := c.Store.SenderKeys.PutSenderKey(timeout(t), group.String(), p.LID().SignalAddress().String(), []byte("lost")); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"two", "three"} {
		if _, err := p.Send(timeout(t), group.String(), text); err != nil {
			t.Fatal(err)
		}
		c.text(0, text)
	}
}

func TestGroupChangesAreToldToAllMembers(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	const carla = "+14840000003"
	addPhone(t, srv, wasim.PhoneOptions{Number: carla, Name: "Carla"})
	c, other := paired(t, srv, business), paired(t, srv, carla)
	group := groupOf(t, srv, c)
	lid := func(number string) types.JID { return phone(t, srv, number).LID() }
	change := func(match func(*events.GroupInfo) bool) *events.GroupInfo {
		t.Helper()
		return event(c, 0, match)
	}

	// By a client.
	if _, err := c.UpdateGroupParticipants(timeout(t), group, []types.JID{lid(carla)}, whatsmeow.ParticipantChangeAdd); err != nil {
		t.Fatal(err)
	}
	event(other, 0, func(e *events.JoinedGroup) bool { return e.JID == group && len(e.Participants) == 4 })
	change(func(e *events.GroupInfo) bool {
		return len(e.Join) == 1 && e.Join[0] == lid(carla) && *e.Sender == lid(business)
	})
	if got, err := c.UpdateGroupParticipants(timeout(t), group, []types.JID{lid(carla)}, whatsmeow.ParticipantChangeAdd); err != nil || got[0].Error != 409 {
		t.Errorf("added twice: %+v, %v", got, err)
	}
	if _, err := c.UpdateGroupParticipants(timeout(t), group, []types.JID{lid(carla)}, whatsmeow.ParticipantChangePromote); err != nil {
		t.Fatal(err)
	}
	change(func(e *events.GroupInfo) bool { return len(e.Promote) == 1 && e.Promote[0] == lid(carla) })
	if err := c.SetGroupName(timeout(t), group, "Landing"); err != nil {
		t.Fatal(err)
	}
	change(func(e *events.GroupInfo) bool { return e.Name != nil && e.Name.Name == "Landing" })
	if err := c.SetGroupTopic(timeout(t), group, "", "", "about it"); err != nil {
		t.Fatal(err)
	}
	change(func(e *events.GroupInfo) bool { return e.Topic != nil && e.Topic.Topic == "about it" })
	if err := c.SetGroupAnnounce(timeout(t), group, true); err != nil {
		t.Fatal(err)
	}
	change(func(e *events.GroupInfo) bool { return e.Announce != nil && e.Announce.IsAnnounce })
	info, err := c.GetGroupInfo(timeout(t), group)
	if err != nil || info.Name != "Landing" || info.Topic != "about it" || !info.IsAnnounce || len(info.Participants) != 4 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := c.GetGroupInviteLink(timeout(t), group, false); err != nil {
		t.Error(err)
	}
	if _, err := phone(t, srv, ana).Send(timeout(t), group.String(), "may I?"); !errors.Is(err, wasim.ErrNotAdmin) {
		t.Errorf("a member wrote where only admins may: %v", err)
	}

	// By a phone.
	subject, open := "Home", false
	if err := phone(t, srv, carla).ChangeGroup(timeout(t), group, wasim.GroupChange{
		Remove: []string{ana}, Demote: []string{carla}, Subject: &subject, Announce: &open,
	}); !errors.Is(err, wasim.ErrNotAdmin) { // the last step, by whom the one before made no admin any more
		t.Errorf("changed by a demoted admin: %v", err)
	}
	change(func(e *events.GroupInfo) bool {
		return len(e.Leave) == 1 && e.Leave[0] == lid(ana) && *e.Sender == lid(carla)
	})
	change(func(e *events.GroupInfo) bool { return len(e.Demote) == 1 && e.Demote[0] == lid(carla) })
	change(func(e *events.GroupInfo) bool { return e.Name != nil && e.Name.Name == "Home" })
	if err := phone(t, srv, business).ChangeGroup(timeout(t), group, wasim.GroupChange{Announce: &open}); err != nil {
		t.Fatal(err)
	}
	change(func(e *events.GroupInfo) bool { return e.Announce != nil && !e.Announce.IsAnnounce })
	for _, err := range []error{
		phone(t, srv, ana).ChangeGroup(timeout(t), group, wasim.GroupChange{Subject: &subject}),
		func() error { _, err := phone(t, srv, ana).Send(timeout(t), group.String(), "hello?"); return err }(),
	} {
		if !errors.Is(err, wasim.ErrNotMember) {
			t.Errorf("somebody who was removed: %v", err)
		}
	}

	// A client leaves, and can't write any more.
	if err := other.LeaveGroup(timeout(t), group); err != nil {
		t.Fatal(err)
	}
	change(func(e *events.GroupInfo) bool {
		return len(e.Leave) == 1 && e.Leave[0] == lid(carla) && *e.Sender == lid(carla)
	})
	if err := other.SetGroupName(timeout(t), group, "mine"); err == nil {
		t.Error("who left changed the subject")
	}
	list := srv.Groups()
	if len(list) != 1 || list[0].Subject != "Home" || len(list[0].Members) != 2 || len(list[0].Admins) != 1 {
		t.Errorf("%+v", list)
	}

	// Those who are left read on.
	c.text(0, func() string {
		if _, err := phone(t, srv, bruno).Send(timeout(t), group.String(), "just us"); err != nil {
			t.Fatal(err)
		}
		return "just us"
	}())
	if _, err := c.SendMessage(timeout(t), group, &waE2E.Message{Conversation: proto.String("indeed")}); err != nil {
		t.Fatal(err)
	}
	await(t, phone(t, srv, bruno), hasText("indeed"))
}
