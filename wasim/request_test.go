package wasim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestUnknownRequestIsRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	srv, err := wasim.Start(t.Context(), wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	addPhone(t, srv, wasim.PhoneOptions{Number: business})
	c := paired(t, srv, business)
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	if _, err := c.GetBotListV2(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("unknown request: %v", err)
	}
	list := srv.Unhandled()
	if len(list) != 1 || !strings.Contains(list[0].Reason, "bot bot") || list[0].Device != *c.Store.ID || list[0].Stanza == "" {
		t.Errorf("unhandled: %+v", list)
	}
}

func TestKnownRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	ctx := timeout(t)
	if s, err := c.TryFetchPrivacySettings(ctx, true); err != nil || s.ReadReceipts != types.PrivacySettingAll {
		t.Errorf("privacy: %+v, %v", s, err)
	}
	if _, err := c.GetBlocklist(ctx); err != nil {
		t.Errorf("blocklist: %v", err)
	}
	if _, err := c.GetStatusPrivacy(ctx); err != nil {
		t.Errorf("status privacy: %v", err)
	}
	if err := c.SetDefaultDisappearingTimer(ctx, 24*time.Hour); err != nil {
		t.Errorf("disappearing timer: %v", err)
	}
	if _, err := c.GetProfilePictureInfo(ctx, jid(ana), nil); !errors.Is(err, whatsmeow.ErrProfilePictureNotSet) {
		t.Errorf("profile picture: %v", err)
	}
	info, err := c.GetUserInfo(ctx, []types.JID{jid(ana)})
	if err != nil || info[jid(ana)].LID != phone(t, srv, ana).LID() || len(info[jid(ana)].Devices) != 1 {
		t.Errorf("user info: %+v, %v", info, err)
	}
	if err := c.SubscribePresence(ctx, jid(ana)); err != nil {
		t.Errorf("presence: %v", err)
	}
	event[*events.Presence](c, 0, nil)
	if err := c.SendChatPresence(ctx, jid(ana), types.ChatPresenceComposing, types.ChatPresenceMediaText); err != nil {
		t.Errorf("chat presence: %v", err)
	}
	if err := c.SetPassive(ctx, true); err != nil {
		t.Errorf("passive: %v", err)
	}
}
