package wasim_test

import (
	"fmt"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestControlActsAsPhones(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	h := wasim.Control(srv)
	c := newClient(t, srv)
	c.EmitAppStateEventsOnFullSync = true
	pair(t, srv, c, business)
	synced(c)
	lid := phone(t, srv, ana).LID()
	do := func(method, path, body string) map[string]any {
		t.Helper()
		code, out := call(t, h, method, "/sandbox"+path, body)
		if code != 200 {
			t.Fatalf("%s %s: %d %v", method, path, code, out)
		}
		return out
	}

	do("POST", "/phones/"+ana+"/typing", `{"to":"`+business+`","state":"composing"}`)
	event(c, 0, func(e *events.ChatPresence) bool { return e.Sender == lid })
	do("POST", "/phones/"+ana+"/presence", `{"online":true}`)
	if err := c.SubscribePresence(timeout(t), lid); err != nil {
		t.Fatal(err)
	}
	event(c, 0, func(e *events.Presence) bool { return e.From == lid && !e.Unavailable })

	id := do("POST", "/phones/"+ana+"/calls", `{"to":"`+business+`","video":true}`)["id"].(string)
	event(c, 0, func(e *events.CallOffer) bool { return e.CallID == id })
	do("POST", "/phones/"+ana+"/calls", `{"to":"`+business+`","end":"`+id+`","reason":"timeout"}`)
	event(c, 0, func(e *events.CallTerminate) bool { return e.CallID == id })

	do("POST", "/phones/"+business+"/contacts", `{"number":"`+ana+`","first_name":"Ana","full_name":"Ana Costa"}`)
	event(c, 0, func(e *events.Contact) bool { return e.Action.GetFullName() == "Ana Costa" })
	do("POST", "/phones/"+business+"/block", `{"number":"`+bruno+`"}`)
	event(c, 0, func(e *events.Blocklist) bool { return len(e.Changes) == 1 })
	do("POST", "/phones/"+business+"/block", `{"number":"`+bruno+`","block":false}`)
	do("POST", "/phones/"+business+"/picture", `{"data":"YSBmYWNl"}`)
	event(c, 0, func(e *events.Picture) bool { return e.PictureID != "" })

	group := do("POST", "/phones/"+ana+"/groups", `{"subject":"Launch","members":["`+business+`"]}`)["jid"].(string)
	event(c, 0, func(e *events.JoinedGroup) bool { return e.JID.String() == group })
	do("PATCH", "/phones/"+ana+"/groups", `{"group":"`+group+`","add":["`+bruno+`"],"subject":"Landing"}`)
	event(c, 0, func(e *events.GroupInfo) bool { return e.Name != nil && e.Name.Name == "Landing" })
	if list := do("GET", "/groups", "")["groups"].([]any); len(list) != 1 || len(list[0].(map[string]any)["members"].([]any)) != 3 {
		t.Errorf("%v", list)
	}
	do("POST", "/phones/"+bruno+"/messages", `{"to":"`+group+`","text":"in the group"}`)
	if m := c.text(0, "in the group"); m.Info.Chat.String() != group {
		t.Errorf("%+v", m.Info)
	}
	do("POST", "/phones/"+ana+"/messages", `{"to":"`+business+`","file":{"kind":"document","mime":"text/plain","name":"a.txt","caption":"here","data":"aGVsbG8="}}`)
	m := event(c, 0, func(m *events.Message) bool {
		return m.Message.GetDocumentMessage().GetCaption() == "here" || m.Message.GetDocumentWithCaptionMessage() != nil
	})
	if data, err := c.Download(timeout(t), m.Message.GetDocumentMessage()); err != nil || string(data) != "hello" {
		t.Errorf("%q, %v", data, err)
	}
	do("POST", "/phones/"+business+"/messages", `{"to":"`+ana+`","text":"long ago","past":"2026-01-02T03:04:05Z","from_me":true}`)

	if err := c.SendChatPresence(timeout(t), lid, types.ChatPresenceComposing, ""); err != nil {
		t.Fatal(err)
	}
	activity(t, phone(t, srv, ana), "composing")
	if list := do("GET", "/phones/"+ana+"/activities", "")["activities"].([]any); len(list) != 1 {
		t.Errorf("%v", list)
	}
	do("POST", "/phones/"+business+"/unlink", fmt.Sprintf(`{"device":%d}`, c.Store.ID.Device))
	event[*events.LoggedOut](c, 0, nil)

	for path, body := range map[string]string{
		"/phones/" + ana + "/typing":    `{"to":"` + business + `","state":"dancing"}`,
		"/phones/" + ana + "/calls":     `{"to":"+14849999999"}`,
		"/phones/" + ana + "/contacts":  `{"number":"` + bruno + `","full_name":"Bruno"}`, // no companion
		"/phones/" + ana + "/groups":    `{"subject":"","members":[]}`,
		"/phones/" + ana + "/unlink":    `{"device":7}`,
		"/phones/" + ana + "/messages":  `{"to":"` + business + `","text":"both","file":{"kind":"image"}}`,
		"/phones/" + ana + "/presence":  `{"offline":true}`,
		"/phones/" + bruno + "/picture": `{"data":"not base64"}`,
	} {
		if code, out := call(t, h, "POST", "/sandbox"+path, body); code != 400 || !strings.Contains(fmt.Sprint(out["error"]), " ") {
			t.Errorf("%s %s: %d %v", path, body, code, out)
		}
	}
}
