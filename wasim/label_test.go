package wasim_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestLabelsGoBothWays(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := newClient(t, srv)
	c.EmitAppStateEventsOnFullSync = true
	pair(t, srv, c, business)
	synced(c)
	p, lid := phone(t, srv, business), phone(t, srv, ana).LID()

	// From the phone to the client.
	if err := errors.Join(
		p.SaveLabel(timeout(t), wasim.Label{ID: "1", Name: "New customer", Color: 3}),
		p.LabelChat(timeout(t), ana, "1", true),
	); err != nil {
		t.Fatal(err)
	}
	if e := event[*events.LabelEdit](c, 0, nil); e.LabelID != "1" || e.Action.GetName() != "New customer" || e.Action.GetColor() != 3 {
		t.Errorf("%+v", e)
	}
	event(c, 0, func(e *events.LabelAssociationChat) bool {
		return e.JID == lid && e.LabelID == "1" && e.Action.GetLabeled()
	})

	// From the client to the phone.
	for _, patch := range []appstate.PatchInfo{
		appstate.BuildLabelEdit("10", "Paid", 5, false),
		appstate.BuildLabelChat(lid, "10", true),
		appstate.BuildLabelChat(phone(t, srv, bruno).LID(), "10", true),
		appstate.BuildLabelChat(lid, "1", false),
	} {
		if err := c.SendAppState(timeout(t), patch); err != nil {
			t.Fatal(err)
		}
	}
	want := []wasim.Label{
		{ID: "1", Name: "New customer", Color: 3, Chats: []string{}},
		{ID: "10", Name: "Paid", Color: 5, Chats: []string{lid.String(), phone(t, srv, bruno).LID().String()}},
	}
	if want[1].Chats[0] > want[1].Chats[1] {
		want[1].Chats[0], want[1].Chats[1] = want[1].Chats[1], want[1].Chats[0]
	}
	if got, err := p.Labels(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
	if err := c.SendAppState(timeout(t), appstate.BuildLabelEdit("10", "", 0, true)); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Labels(); err != nil || !cmp.Equal(got, want[:1]) {
		t.Errorf("after the deletion: %v %s", err, cmp.Diff(want[:1], got))
	}
	for _, err := range []error{
		p.SaveLabel(timeout(t), wasim.Label{ID: "2"}), p.LabelChat(timeout(t), "+14849999999", "1", true), p.LabelChat(timeout(t), ana, "", true),
		phone(t, srv, ana).SaveLabel(timeout(t), wasim.Label{ID: "1", Name: "x"}), // has no client
	} {
		if err == nil {
			t.Error("a label that can't be was set")
		}
	}
}

func TestControlSetsLabelsClockReceiptsAndAddresses(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	h := wasim.Control(srv)
	c := newClient(t, srv)
	c.EmitAppStateEventsOnFullSync = true
	pair(t, srv, c, business)
	synced(c)
	do := func(method, path, body string) map[string]any {
		t.Helper()
		code, out := call(t, h, method, "/sandbox"+path, body)
		if code != 200 {
			t.Fatalf("%s %s: %d %v", method, path, code, out)
		}
		return out
	}
	do("POST", "/phones/"+business+"/labels", `{"id":"1","name":"VIP","color":2}`)
	do("POST", "/phones/"+business+"/labels", `{"id":"1","chat":"`+ana+`"}`)
	event(c, 0, func(e *events.LabelAssociationChat) bool { return e.Action.GetLabeled() })
	if got := fmt.Sprint(do("GET", "/phones/"+business+"/labels", "")["labels"]); got != fmt.Sprintf("[map[chats:[%s] color:2 id:1 name:VIP]]", phone(t, srv, ana).LID()) {
		t.Error(got)
	}
	do("POST", "/phones/"+business+"/labels", `{"id":"1","chat":"`+ana+`","on":false}`)
	event(c, 0, func(e *events.LabelAssociationChat) bool { return !e.Action.GetLabeled() })

	before, err := time.Parse(time.RFC3339, do("GET", "/clock", "")["now"].(string))
	if err != nil {
		t.Fatal(err)
	}
	const month = 720 * time.Hour
	do("POST", "/clock", `{"advance":"720h"}`)
	if resp := c.sendText(ana, "a month later"); resp.Timestamp.Before(before.Add(month).Truncate(time.Second)) {
		t.Errorf("acknowledged at %v, which isn't a month after %v", resp.Timestamp, before)
	}
	for _, wrong := range []string{`{"advance":"-1h"}`, `{"advance":"tomorrow"}`} {
		if code, out := call(t, h, "POST", "/sandbox/clock", wrong); code != 400 {
			t.Errorf("%s: %d %v", wrong, code, out)
		}
	}

	do("POST", "/phones", `{"number":"`+bruno+`","delivers":false}`)
	unread := c.sendText(bruno, "read me some day").ID
	await(t, phone(t, srv, bruno), hasText("read me some day"))
	do("POST", "/phones/"+bruno+"/read", `{"id":"`+unread+`"}`)
	c.receipt(0, unread, types.ReceiptTypeDelivered)
	c.receipt(0, unread, types.ReceiptTypeRead)
	if code, out := call(t, h, "POST", "/sandbox/phones/"+bruno+"/read", `{"id":"never sent"}`); code != 400 {
		t.Errorf("%d %v", code, out)
	}

	if v := do("POST", "/phones", `{"number":"`+ana+`","hide_number":true}`); v["hide_number"] != true || v["name"] != "Ana" {
		t.Errorf("%v", v)
	}
	do("POST", "/phones/"+ana+"/messages", `{"to":"`+business+`","text":"hidden"}`)
	if m := c.text(0, "hidden"); !m.Info.SenderAlt.IsEmpty() {
		t.Errorf("also known as %v", m.Info.SenderAlt)
	}
	do("POST", "/phones", `{"number":"`+ana+`","hide_number":false,"address_by_number":true}`)
	do("POST", "/phones/"+ana+"/messages", `{"to":"`+business+`","text":"by number"}`)
	if m := c.text(0, "by number"); m.Info.Sender.ToNonAD() != jid(ana) {
		t.Errorf("from %v", m.Info.Sender)
	}
}
