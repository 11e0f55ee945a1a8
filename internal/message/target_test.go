package message_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	askedUID = "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"
	otherUID = "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e52"
)

// talking is a world with a chat of account 1, in which somebody asked something.
func talking() *world {
	w := newWorld()
	ana := tideline.Peer{JID: "14840000000@s.whatsapp.net", LID: "77@lid"}
	chat := tideline.Chat{ID: 9, AccountID: 1, JID: ana.JID, LID: ana.LID, Phone: "+14840000000", Name: "Ana"}
	w.chats = map[int64]tideline.Chat{9: chat, 10: {ID: 10, AccountID: 99, JID: "1@g.us"}, 11: {ID: 11, AccountID: 1, JID: "1@newsletter"},
		12: {ID: 12, AccountID: 1, JID: "4@g.us", Bar: tideline.BarAdminsOnly}}
	w.bars = map[tideline.JID]tideline.Bar{"3@g.us": tideline.BarLeft}
	account := w.accounts[1]
	account.DeviceJID = "dev"
	w.messages = map[string]store.MessageView{
		askedUID: {Chat: chat, Account: account, Message: tideline.Message{ID: 5, AccountID: 1, WhatsAppID: "Q1", Sender: ana, Status: tideline.StatusDelivered}},
		otherUID: {Chat: tideline.Chat{JID: "2@g.us"}, Message: tideline.Message{ID: 6, AccountID: 1, WhatsAppID: "Q2", Status: tideline.StatusPending}},
	}
	return w
}

func TestSendFindsItsChat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request message.SendRequest
		want    store.ChatRef
		account int64
		reply   string
		code    tideline.Code
		message string
	}{
		"by chat":                     {request: message.SendRequest{ChatID: 9}, want: store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Ana"}, account: 1},
		"by chat, as an answer":       {request: message.SendRequest{ChatID: 9, ReplyTo: new(askedUID)}, want: store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Ana"}, account: 1, reply: "Q1"},
		"by chat, answering nothing":  {request: message.SendRequest{ChatID: 9, ReplyTo: new("")}, want: store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Ana"}, account: 1},
		"by jid":                      {request: message.SendRequest{JID: new("14840000000@c.us")}, want: store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000"}, account: 2},
		"by hidden id":                {request: message.SendRequest{JID: new("77@lid"), AccountPhone: new("+14841111111"), ReplyTo: new(askedUID)}, want: store.ChatRef{JID: "77@lid"}, account: 1, reply: "Q1"},
		"by group":                    {request: message.SendRequest{JID: new("1203-4@g.us")}, want: store.ChatRef{JID: "1203-4@g.us"}, account: 2},
		"by name":                     {request: message.SendRequest{ToName: new(" Ana "), ReplyTo: new(askedUID)}, want: store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Ana"}, account: 1, reply: "Q1"},
		"by name, of an account":      {request: message.SendRequest{ToName: new("Ana"), AccountPhone: new("+14841111111")}, want: store.ChatRef{JID: "14840000000@s.whatsapp.net", Phone: "+14840000000", Name: "Ana"}, account: 1},
		"by name, of another one":     {request: message.SendRequest{ToName: new("Ana"), AccountPhone: new("+14842222222")}, code: tideline.CodeNotFound, message: "not a chat of"},
		"by a name that nobody has":   {request: message.SendRequest{ToName: new("ana")}, code: tideline.CodeNotFound, message: `Whatsapp chat "ana" not found`},
		"by no name":                  {request: message.SendRequest{ToName: new(" ")}, code: tideline.CodeValidation, message: "chat_name"},
		"a channel's chat":            {request: message.SendRequest{ChatID: 11}, code: tideline.CodeValidation, message: "Cannot message this group"},
		"a group by its phone":        {request: message.SendRequest{Phone: "120363000000000000@g.us"}, code: tideline.CodeValidation, message: "no chats found for this group"},
		"a group's id for a phone":    {request: message.SendRequest{Phone: "120363000000000000"}, code: tideline.CodeValidation, message: "no chats found for this group"},
		"an old group's id":           {request: message.SendRequest{Phone: "14840000000-1400000000"}, code: tideline.CodeValidation, message: "no chats found for this group"},
		"an extension for a group":    {request: message.SendRequest{Phone: "4840000-12345678901"}, code: tideline.CodeValidation, message: "Phone number invalid"},
		"a group that was left":       {request: message.SendRequest{JID: new("3@g.us")}, code: tideline.CodeValidation, message: "Cannot message this group: the account is not a member of this group any more"},
		"left by another account":     {request: message.SendRequest{JID: new("3@g.us"), AccountPhone: new("+14841111111")}, want: store.ChatRef{JID: "3@g.us"}, account: 1},
		"chat of a group of admins":   {request: message.SendRequest{ChatID: 12}, code: tideline.CodeValidation, message: "Cannot message this group: only admins may write in this group"},
		"unknown chat":                {request: message.SendRequest{ChatID: 4}, code: tideline.CodeNotFound, message: "Whatsapp chat_id 4 not found"},
		"chat of a removed account":   {request: message.SendRequest{ChatID: 10}, code: tideline.CodeNotFound, message: "removed"},
		"answer to another chat":      {request: message.SendRequest{ChatID: 9, ReplyTo: new(otherUID)}, code: tideline.CodeValidation, message: "same chat"},
		"answer to an unknown one":    {request: message.SendRequest{ChatID: 9, ReplyTo: new("0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e53")}, code: tideline.CodeNotFound, message: "not found"},
		"answer to no uid":            {request: message.SendRequest{ChatID: 9, ReplyTo: new("x")}, code: tideline.CodeValidation, message: "reply_to"},
		"answer by another account":   {request: message.SendRequest{JID: new("14840000000@s.whatsapp.net"), ReplyTo: new(askedUID)}, code: tideline.CodeValidation, message: "same chat"},
		"a list":                      {request: message.SendRequest{JID: new("1@broadcast")}, code: tideline.CodeValidation, message: "jid"},
		"a national number":           {request: message.SendRequest{JID: new("0151@s.whatsapp.net")}, code: tideline.CodeValidation, message: "jid"},
		"nobody":                      {request: message.SendRequest{JID: new("")}, code: tideline.CodeValidation, message: "jid"},
		"somebody with strange signs": {request: message.SendRequest{JID: new("a' OR 1@lid")}, code: tideline.CodeValidation, message: "jid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := talking()
			c.request.Text, c.request.Origin = new("hi"), tideline.OriginPublicAPI
			_, err := w.service().Send(t.Context(), w.principal(), c.request)
			if got := tideline.ErrorCode(err); got != c.code || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Fatalf("error %v, want code %q and %q", err, c.code, c.message)
			}
			if err != nil {
				return
			}
			a := w.accepted[0]
			if diff := cmp.Diff(c.want, a.Chat); diff != "" || a.AccountID != c.account || a.Message.ReplyTo != c.reply {
				t.Errorf("account %d, answer to %q, chat (-want +got):\n%s", a.AccountID, a.Message.ReplyTo, diff)
			}
		})
	}
}

func TestReactGivesAndTakesBack(t *testing.T) {
	t.Parallel()
	w := talking()
	for _, emoji := range []string{"👍🏽", "1️⃣", ""} {
		if _, err := w.service().React(t.Context(), w.principal(), askedUID, emoji); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"👍🏽", "1️⃣", ""}, w.reactions); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	want := whatsapp.Reaction{DeviceJID: "dev", Chat: "14840000000@s.whatsapp.net", MessageID: "Q1", Sender: tideline.Peer{JID: "14840000000@s.whatsapp.net", LID: "77@lid"}, Emoji: "👍🏽"}
	if diff := cmp.Diff(want, w.reacted[0]); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestReactSaysWhyNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uid, emoji string
		change     func(*world, *tideline.Principal)
		code       tideline.Code
	}{
		"words":                  {uid: askedUID, emoji: "like", code: tideline.CodeValidation},
		"blank":                  {uid: askedUID, emoji: " ", code: tideline.CodeValidation},
		"a novel":                {uid: askedUID, emoji: strings.Repeat("👍", 51), code: tideline.CodeValidation},
		"unknown message":        {uid: "x", emoji: "👍", code: tideline.CodeNotFound},
		"a message in the queue": {uid: otherUID, emoji: "👍", code: tideline.CodeValidation},
		"account away": {uid: askedUID, emoji: "👍", code: tideline.CodeValidation, change: func(w *world, _ *tideline.Principal) {
			w.reactErr = &whatsapp.SendError{Offline: true}
		}},
		"refused": {uid: askedUID, emoji: "👍", code: tideline.CodeValidation, change: func(w *world, _ *tideline.Principal) {
			w.reactErr = &whatsapp.SendError{Reason: tideline.ReasonRejected}
		}},
		"no answer": {uid: askedUID, emoji: "👍", code: tideline.CodeInternal, change: func(w *world, _ *tideline.Principal) {
			w.reactErr = &whatsapp.SendError{Unknown: true, Err: errors.New("timeout")}
		}},
		"a collaborator": {uid: askedUID, emoji: "👍", code: tideline.CodePermissionDenied, change: func(_ *world, p *tideline.Principal) {
			p.Member.Role = tideline.RoleCollaborator
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := talking()
			p := w.principal()
			if c.change != nil {
				c.change(w, p)
			}
			if _, err := w.service().React(t.Context(), p, c.uid, c.emoji); !tideline.IsCode(err, c.code) {
				t.Errorf("error %v, want code %s", err, c.code)
			}
			if len(w.reactions) != 0 {
				t.Error("a reaction is stored all the same")
			}
		})
	}
}
