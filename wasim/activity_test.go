package wasim_test

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func activity(t *testing.T, p *wasim.Phone, kind string) wasim.Activity {
	t.Helper()
	a, err := p.AwaitActivity(timeout(t), func(a wasim.Activity) bool { return a.Kind == kind })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTypingIsSeenByBothSides(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	p := phone(t, srv, ana)
	group := groupOf(t, srv, c)
	for _, state := range []string{"composing", "recording", "paused"} {
		mark := c.mark()
		if err := p.Type(business, state); err != nil {
			t.Fatal(err)
		}
		e := event[*events.ChatPresence](c, mark, nil)
		if e.Sender != p.LID() || e.IsGroup || (e.State == types.ChatPresencePaused) != (state == "paused") || (e.Media == types.ChatPresenceMediaAudio) != (state == "recording") {
			t.Errorf("%s: %+v", state, e)
		}
	}
	mark := c.mark()
	if err := p.Type(group.String(), "composing"); err != nil {
		t.Fatal(err)
	}
	if e := event[*events.ChatPresence](c, mark, nil); e.Chat != group || e.Sender != p.LID() {
		t.Errorf("%+v", e)
	}
	if err := c.SendChatPresence(timeout(t), p.LID(), types.ChatPresenceComposing, types.ChatPresenceMediaAudio); err != nil {
		t.Fatal(err)
	}
	if a := activity(t, p, "recording"); a.From != business || a.Group != "" {
		t.Errorf("%+v", a)
	}
	if err := c.SendChatPresence(timeout(t), group, types.ChatPresenceComposing, ""); err != nil {
		t.Fatal(err)
	}
	if a := activity(t, phone(t, srv, bruno), "composing"); a.From != business || a.Group != group.String() {
		t.Errorf("%+v", a)
	}
	if err := p.Type(business, "dancing"); err == nil {
		t.Error("an unknown state was accepted")
	}
}

func TestPresenceIsToldToThoseWhoFollowIt(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c, other := paired(t, srv, business), paired(t, srv, bruno)
	synced(other) // and so knows its name
	p := phone(t, srv, ana)
	if err := c.SubscribePresence(timeout(t), p.LID()); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Presence) bool { return e.From == p.LID() && e.Unavailable })
	p.SetOnline(true)
	event(c, 0, func(e *events.Presence) bool { return e.From == p.LID() && !e.Unavailable })
	mark := c.mark()
	p.SetOnline(false)
	if e := event[*events.Presence](c, mark, nil); !e.Unavailable || time.Since(e.LastSeen) > time.Hour {
		t.Errorf("%+v", e)
	}

	// A client's attention counts as its account's.
	if err := c.SubscribePresence(timeout(t), jid(bruno)); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Presence) bool { return e.From == jid(bruno) && e.Unavailable })
	if err := other.SendPresence(timeout(t), types.PresenceAvailable); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Presence) bool { return e.From == jid(bruno) && !e.Unavailable })
	activity(t, phone(t, srv, bruno), "available")
	mark = c.mark()
	other.Disconnect()
	event(c, mark, func(e *events.Presence) bool { return e.From == jid(bruno) && e.Unavailable })
}

func TestProfilePictures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := network(t, wasim.Options{Dir: dir})
	c := paired(t, srv, business)
	p := phone(t, srv, ana)
	get := func(who types.JID, params *whatsmeow.GetProfilePictureParams) (*types.ProfilePictureInfo, error) {
		return c.GetProfilePictureInfo(timeout(t), who, params)
	}
	if _, err := get(p.LID(), nil); !errors.Is(err, whatsmeow.ErrProfilePictureNotSet) {
		t.Errorf("no picture: %v", err)
	}
	// The client has asked for it, so it is told of the next one.
	if err := p.SetPicture(timeout(t), []byte("a face")); err != nil {
		t.Fatal(err)
	}
	e := event(c, 0, func(e *events.Picture) bool { return e.JID == p.LID() && !e.Remove })
	info, err := get(p.LID(), &whatsmeow.GetProfilePictureParams{Preview: true})
	if err != nil || info.ID != e.PictureID || info.Type != "preview" {
		t.Fatalf("%+v, %v", info, err)
	}
	hc := srv.HTTPClient()
	t.Cleanup(hc.CloseIdleConnections)
	resp, err := hc.Get(info.URL)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(data) != "a face" {
		t.Errorf("%q, %v", data, err)
	}
	if same, err := get(p.LID(), &whatsmeow.GetProfilePictureParams{ExistingID: info.ID}); err != nil || same != nil {
		t.Errorf("the same picture again: %+v, %v", same, err)
	}
	if err := p.SetPicture(timeout(t), nil); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Picture) bool { return e.JID == p.LID() && e.Remove })

	group := groupOf(t, srv, c)
	id, err := c.SetGroupPhoto(timeout(t), group, []byte("all of us"))
	if err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Picture) bool { return e.JID == group && e.PictureID == id })
	if info, err = get(group, nil); err != nil || info.ID != id {
		t.Errorf("%+v, %v", info, err)
	}
	if err := p.SetGroupPicture(timeout(t), group, nil); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Picture) bool { return e.JID == group && e.Remove })
	if _, err = get(group, nil); !errors.Is(err, whatsmeow.ErrProfilePictureNotSet) {
		t.Errorf("a picture that was removed: %v", err)
	}
	if err := phone(t, srv, bruno).SetGroupPicture(timeout(t), types.NewJID("1", types.GroupServer), nil); !errors.Is(err, wasim.ErrNoGroup) {
		t.Errorf("a group that is not there: %v", err)
	}
}

func TestBlockedNumbersReachNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := network(t, wasim.Options{Dir: dir})
	stores := openStore(t, filepath.Join(t.TempDir(), "wa.db"))
	c := clientOf(t, srv, stores.NewDevice())
	pair(t, srv, c, business)
	second := paired(t, srv, business)
	p := phone(t, srv, business)
	list, err := c.UpdateBlocklist(timeout(t), jid(ana), events.BlocklistChangeActionBlock)
	if err != nil || !slices.Contains(list.JIDs, phone(t, srv, ana).LID()) {
		t.Fatalf("%+v, %v", list, err)
	}
	event(second, 0, func(e *events.Blocklist) bool {
		return len(e.Changes) == 1 && e.Changes[0].JID == phone(t, srv, ana).LID() && e.Changes[0].Action == events.BlocklistChangeActionBlock
	})
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "let me in"); err != nil {
		t.Fatal(err)
	}
	if err := p.Block(timeout(t), bruno, true); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Blocklist) bool { return e.Changes[0].JID == phone(t, srv, bruno).LID() })
	if err := p.Block(timeout(t), ana, false); err != nil {
		t.Fatal(err)
	}
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "at last"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "at last")
	if log, err := p.Messages(); err != nil || len(log) != 1 {
		t.Errorf("%+v, %v", log, err)
	}
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
	if got := phone(t, again, business).Blocked(); !slices.Equal(got, []string{bruno}) {
		t.Errorf("after a restart: %v", got)
	}
}

func TestMissedCallIsSignalled(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	stores := openStore(t, filepath.Join(t.TempDir(), "wa.db"))
	c := clientOf(t, srv, stores.NewDevice())
	pair(t, srv, c, business)
	p := phone(t, srv, ana)
	id, err := p.Call(timeout(t), business, true)
	if err != nil {
		t.Fatal(err)
	}
	offer := event(c, 0, func(e *events.CallOffer) bool { return e.CallID == id })
	if offer.CallCreator != p.LID() || offer.CallCreatorAlt != jid(ana) || offer.RemotePlatform != "android" {
		t.Errorf("%+v", offer)
	}
	if err := c.RejectCall(timeout(t), offer.From, id); err != nil {
		t.Fatal(err)
	}
	if a := activity(t, p, "call_reject"); a.From != business {
		t.Errorf("%+v", a)
	}
	if err := p.HangUp(timeout(t), business, id, "timeout"); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.CallTerminate) bool { return e.CallID == id && e.Reason == "timeout" })

	// A call while nobody is connected is told at the next login, once.
	settle(t, c)
	c.Disconnect()
	missed, err := p.Call(timeout(t), business, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.HangUp(timeout(t), business, missed, "timeout"); err != nil {
		t.Fatal(err)
	}
	device, err := stores.GetFirstDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	back := clientOf(t, srv, device)
	if err := back.Connect(); err != nil {
		t.Fatal(err)
	}
	event(back, 0, func(e *events.CallOffer) bool { return e.CallID == missed })
	event(back, 0, func(e *events.CallTerminate) bool { return e.CallID == missed })
}
