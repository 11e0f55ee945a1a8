package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var (
	anaPeer  = tideline.Peer{JID: "14840000001@s.whatsapp.net", LID: "77@lid", Name: "Ana"}
	bobPeer  = tideline.Peer{LID: "78@lid", Name: "Bob"}
	choir    = tideline.Peer{JID: "1203630000@g.us", Name: "Choir"}
	received = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) // 15:30 in the workspace
)

// receive stores a message from ana; edit may make something else of it.
func (w *world) receive(id string, edit func(r *store.Reception)) store.Received {
	w.t.Helper()
	r := store.Reception{
		WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chat: anaPeer, Sender: anaPeer, At: received, ReceivedAt: received.Add(time.Second),
		Message: &store.NewInbound{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: id, Kind: tideline.KindText, Text: "text of " + id},
	}
	if edit != nil {
		edit(&r)
	}
	got, err := w.store.Receive(w.t.Context(), r)
	w.must(err)
	return got
}

// page is what a list answers.
type page struct {
	Data struct {
		HasMorePages bool             `json:"has_more_pages"`
		Chats        []map[string]any `json:"chats"`
		Messages     []map[string]any `json:"messages"`
	}
}

// column lists one value of the elements of a list.
func (w *world) column(path, key string) []string {
	w.t.Helper()
	var p page
	w.decode(w.get(path), &p)
	list := []string{}
	for _, m := range append(p.Data.Chats, p.Data.Messages...) {
		list = append(list, fmt.Sprint(m[key]))
	}
	return list
}

func (w *world) same(what string, got, want any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAChatIsShownAsDocumented(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		got := w.receive("A1", nil)
		data, _ := w.data(w.get(fmt.Sprintf("/chats/%d", got.ChatID))).(map[string]any)
		if url, _ := data["chat_url"].(string); !strings.HasSuffix(url, fmt.Sprintf("/chat/%d/messages/", got.ChatID)) {
			t.Errorf("chat_url %q", url)
		}
		delete(data, "chat_url")
		w.same("chat", data, map[string]any{
			"id": float64(got.ChatID), "name": "Ana", "phone": "+14840000001", "jid": "14840000001@s.whatsapp.net", "is_group": false,
			"closed": false, "read": false, "labels": []any{}, "chatgpt_autoresponse_enabled": false, "responsible_email": nil, "responsible_name": nil,
			"whatsapp_account_id": string(w.acc.JID), "created_timestamp": "2026-11-22 15:30:01 +0530", "last_message_uid": got.UID,
			"last_message_timestamp": "2026-11-22 15:30:00 +0530", "unattended": true, "photo": nil, "is_allowed_to_message": true,
		})
		w.must(w.store.SetAccountState(t.Context(), w.acc.ID, tideline.AccountDisconnected, "", w.clock.now()))
		data, _ = w.data(w.get(fmt.Sprintf("/chats/%d", got.ChatID))).(map[string]any)
		w.same("while the account is away", data["is_allowed_to_message"], false)
		for _, id := range []string{"4711", "x", "-1", "99999999999999999999"} {
			w.refused(w.get("/chats/"+id), http.StatusNotFound, "not_found")
			w.refused(w.get("/chats/"+id+"/messages"), http.StatusNotFound, "not_found")
		}
	})
}

func TestAGroupIsShownWithMembersAndPicture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		ana := w.receive("A1", nil)
		got := w.receive("G1", func(r *store.Reception) { r.Chat = choir })
		g := tideline.Group{JID: choir.JID, Subject: "Choir", Members: []tideline.GroupMember{
			{Peer: anaPeer, Role: tideline.GroupOwner},
			{Peer: tideline.Peer{JID: w.acc.JID}, Role: tideline.GroupAdmin},
			{Peer: bobPeer, Role: tideline.GroupNormal},
		}}
		w.must(w.store.PutGroup(t.Context(), w.ws.ID, got.ChatID, g))
		members := []any{
			map[string]any{"name": "Ana", "phone": "+14840000001", "role": "Owner", "chat_id": float64(ana.ChatID)},
			map[string]any{"name": string(w.acc.Phone), "phone": string(w.acc.Phone), "role": "Admin", "chat_id": nil},
			map[string]any{"name": "Bob", "phone": nil, "role": "Member", "chat_id": nil},
		}
		path := fmt.Sprintf("/chats/%d", got.ChatID)
		data, _ := w.data(w.get(path)).(map[string]any)
		w.same("members", data["group_members"], members)
		w.same("photo", data["photo"], nil)
		var list page
		w.decode(w.get("/chats?whatsapp_phone=14840000001&group=true"), &list)
		w.same("groups with ana", len(list.Data.Chats), 1)
		w.same("members in a list", list.Data.Chats[0]["group_members"], members)

		due, err := w.store.DueProfiles(t.Context(), received.Add(time.Hour), nil, 10)
		w.must(err)
		uid := uuid.Must(uuid.NewV7()).String()
		for _, p := range due {
			if p.ChatID == got.ChatID {
				w.must(w.store.FinishProfile(t.Context(), p, received, &store.Picture{ID: "1", File: &tideline.File{UID: uid, Name: "photo.jpg", MIMEType: "image/jpeg", Blob: "files/" + uid}}))
			}
		}
		data, _ = w.data(w.get(path)).(map[string]any)
		if photo, _ := data["photo"].(string); !strings.Contains(photo, "/files/"+uid+"/download?expires=") || !strings.Contains(photo, "signature=") {
			t.Errorf("photo %q is not a signed link", photo)
		}
		w.same("allowed", data["is_allowed_to_message"], true)
		w.must(w.store.PutGroup(t.Context(), w.ws.ID, got.ChatID, tideline.Group{JID: choir.JID, Bar: tideline.BarLeft}))
		data, _ = w.data(w.get(path)).(map[string]any)
		w.same("allowed after leaving", data["is_allowed_to_message"], false)
		w.refused(w.post(path+"/messages", map[string]any{"text": "hello?"}), http.StatusBadRequest, "validation_error")
		w.refused(w.post("/messages/to_jid", map[string]any{"jid": choir.JID, "text": "hello?"}), http.StatusBadRequest, "validation_error")
	})
}

func TestChatsAreListedByFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	w.receive("A1", nil)
	w.receive("B1", func(r *store.Reception) { r.Chat, r.Sender, r.At = bobPeer, bobPeer, received.Add(time.Minute) })
	w.receive("G1", func(r *store.Reception) { r.Chat, r.At = choir, received.Add(2*time.Minute) })
	w.receive("A2", func(r *store.Reception) { r.FromMe, r.Sender = true, tideline.Peer{} })
	w.send(map[string]any{"phone": "+14840000009", "text": "hi", "chat_name": "Carla, MD", "label": "vip"})
	for query, want := range map[string][]string{
		"":                               {"Choir", "Bob", "Ana", "Carla, MD"},
		"?group=true":                    {"Choir"},
		"?group=false":                   {"Bob", "Ana", "Carla, MD"},
		"?read=false":                    {"Choir", "Bob"},
		"?closed=true":                   {},
		"?label=vip,other":               {"Carla, MD"},
		"?name=an,bo":                    {"Bob", "Ana"},
		"?phone=%2B14840000001":          {"Ana"},
		"?phone=+14840000001":            {"Ana"},
		"?phone=0014840000001":           {"Ana"},
		"?phone=4840000":                 {"Ana", "Carla, MD"},
		"?phone=4840000&group=true":      {},
		"?whatsapp_phone=%2B14840000009": {"Carla, MD"},
		"?whatsapp_account_id=" + string(w.acc.JID):  {"Choir", "Bob", "Ana", "Carla, MD"},
		"?whatsapp_account_id=x@s.whatsapp.net":      {},
		"?responsible=ada@example.com":               {},
		"?chatgpt_autoresponse_enabled=true":         {},
		"?chatgpt_autoresponse_enabled=false&page=1": {"Choir", "Bob", "Ana", "Carla, MD"},
		"?page=2":                                         {},
		"?created_before=2026-11-22&group=true":           {"Choir"},
		"?created_after=2026-11-23&group=true":            {},
		"?created_after=2026-11-22T10:00:00Z&group=true":  {"Choir"},
		"?created_before=2026-11-22%2015:29&group=true":   {},
		"?limit=1&per_page=1&something=else&read=&label=": {"Choir", "Bob", "Ana", "Carla, MD"},
	} {
		w.same(query, w.column("/chats"+query, "name"), want)
	}
	for query, field := range map[string]string{
		"?page=0": "page", "?page=x": "page", "?group=maybe": "group", "?created_after=yesterday": "created_after",
		"?name=a%00": "name", "?label=" + strings.Repeat("a,", 101): "label",
	} {
		w.refused(w.get("/chats"+query), http.StatusBadRequest, "validation_error", field)
	}
	var p page
	w.decode(w.get("/chats?with_msg=true&name=ana"), &p)
	last, _ := p.Data.Chats[0]["last_message"].(map[string]any)
	w.same("last message", []any{last["text"], last["from_me"], last["origin"]}, []any{"text of A2", true, "synced from WhatsApp"})
}

func TestMessagesAreListedByFilter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		var uids []string
		var chat int64
		for i := range 4 {
			got := w.receive(fmt.Sprint("M", i), func(r *store.Reception) {
				r.At = received.Add(time.Duration(i) * time.Minute)
				if i == 2 {
					r.FromMe, r.Sender = true, tideline.Peer{}
				}
			})
			uids, chat = append(uids, got.UID), got.ChatID
		}
		for query, want := range map[string][]string{
			"":                            {"3", "2", "1", "0"},
			"?sorting_order=asc":          {"0", "1", "2", "3"},
			"?from_me=true":               {"2"},
			"?from_me=false&limit=2":      {"3", "1", "0"},
			"?after=2026-11-22T10:01:00Z": {"3", "2", "1"},
			"?before=2026-11-22%2015:31":  {"1", "0"},
			"?before=2026-11-22%2015:31:00%20%2B0530": {"1", "0"},
			"?before=2026-11-22%2015:31:00%20+0530":   {"1", "0"},
			"?before=2026-11-21":                      {},
			"?after_message=" + uids[1]:               {"3", "2"},
			"?before_message=" + uids[1]:              {"0"},
			"?page=2":                                 {},
		} {
			got := w.column(fmt.Sprintf("/chats/%d/messages%s", chat, query), "text")
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], "text of M")
			}
			w.same(query, got, want)
		}
		w.refused(w.get(fmt.Sprintf("/chats/%d/messages?after_message=%s", chat, uuid.NewString())), http.StatusNotFound, "not_found")
		w.refused(w.get(fmt.Sprintf("/chats/%d/messages?after_message=x&sorting_order=up", chat)), http.StatusBadRequest, "validation_error", "after_message", "sorting_order")
	})
}

func TestListsHaveFiftyToAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	var chat int64
	for i := range 51 {
		chat = w.receive(fmt.Sprintf("M%02d", i), func(r *store.Reception) { r.At = received.Add(time.Duration(i) * time.Second) }).ChatID
	}
	for i, want := range []int{50, 1} {
		var p page
		w.decode(w.get(fmt.Sprintf("/chats/%d/messages?page=%d", chat, i+1)), &p)
		if len(p.Data.Messages) != want || p.Data.HasMorePages != (i == 0) {
			t.Errorf("page %d has %d messages, more %v", i+1, len(p.Data.Messages), p.Data.HasMorePages)
		}
	}
}

func TestAReceivedMessageIsShownAsDocumented(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	got := w.receive("G1", func(r *store.Reception) {
		r.Chat = choir
		r.Message.Kind, r.Message.Data = tideline.KindLocation, map[string]string{"latitude": "52.5"}
	})
	w.receive("G1", func(r *store.Reception) {
		r.Chat, r.Message, r.Edit, r.At = choir, nil, &store.NewEdit{Target: "G1", Text: "better"}, received.Add(time.Minute)
	})
	w.receive("G1", func(r *store.Reception) {
		r.Chat, r.Sender, r.Message, r.Reaction = choir, bobPeer, nil, &store.NewReaction{Target: "G1", Emoji: "👍", At: received}
	})
	want := map[string]any{
		"uid": got.UID, "chat_id": float64(got.ChatID), "timestamp": "2026-11-22 15:30:00 +0530", "received_timestamp": "2026-11-22 15:30:01 +0530",
		"sender_phone": "+14840000001", "sender_name": "Ana", "recipient_phone": string(w.acc.Phone), "recipient_name": "Front desk",
		"from_me": false, "text": "better", "attachment_url": nil, "attachment_filename": nil, "status": "Delivered",
		"origin": "synced from WhatsApp", "has_attachment": false, "message_type": "whatsapp",
		"reactions": map[string]any{"users": []any{map[string]any{"name": "Bob", "phone": "", "reaction": "👍", "current": false}},
			"reactions": map[string]any{"👍": 1.0}, "total": 1.0},
		"data": map[string]any{"latitude": "52.5", "edited": "true"}, "created_by": "", "failure_reason": nil,
	}
	w.same("message", w.data(w.get("/messages/"+got.UID)), any(want))
	var p page
	w.decode(w.get(fmt.Sprintf("/chats/%d/messages", got.ChatID)), &p)
	w.same("in the list", p.Data.Messages, []map[string]any{want})
	w.same("history", w.data(w.get("/messages/"+got.UID+"/status_history")), any([]any{}))

	call := w.receive("C1", func(r *store.Reception) {
		r.Message = &store.NewInbound{UID: r.Message.UID, WhatsAppID: "C1", Kind: tideline.KindCall, Status: tideline.CallMissed}
	})
	data, _ := w.data(w.get("/messages/" + call.UID)).(map[string]any)
	w.same("call", []any{data["message_type"], data["status"], data["text"]}, []any{"whatsapp_call", "missed", nil})

	picture := w.receive("P1", func(r *store.Reception) {
		r.Message.Kind, r.Message.Text, r.Message.Media = tideline.KindImage, "", &store.NewMedia{Ref: []byte("x")}
	})
	data, _ = w.data(w.get("/messages/" + picture.UID)).(map[string]any)
	w.same("a file that is being fetched", []any{data["has_attachment"], data["attachment_url"], data["data"]},
		[]any{true, nil, map[string]any{"attachment": "downloading"}})
	w.must(w.store.FinishDownload(t.Context(), w.ws.ID, picture.MessageID, tideline.File{UID: uuid.NewString(), Name: "image.jpg", UploadedAt: received}))
	data, _ = w.data(w.get("/messages/" + picture.UID)).(map[string]any)
	w.same("once it is there", []any{data["has_attachment"], data["attachment_filename"], data["data"]}, []any{true, "image.jpg", map[string]any{}})
}

func TestSendsToChatsAndJIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	asked := w.receive("A1", nil)
	messages := fmt.Sprintf("/chats/%d/messages", asked.ChatID)
	uid := w.uid(w.post(messages, map[string]any{"text": "at nine", "reply_to": asked.UID, "chat_id": 5, "phone": 7}))
	v, err := w.store.MessageByUID(t.Context(), w.ws.ID, uid)
	w.must(err)
	w.same("answer", []any{v.Chat.ID, v.ReplyToUID, v.Message.MemberID}, []any{asked.ChatID, asked.UID, w.owner.ID})
	data, _ := w.data(w.get("/messages/" + uid)).(map[string]any)
	w.same("data", data["data"], any(map[string]any{"reply_to_uid": asked.UID}))

	uid = w.uid(w.post("/messages/to_jid", map[string]any{"jid": "77@lid", "text": "hi", "reply_to": nil}))
	v, err = w.store.MessageByUID(t.Context(), w.ws.ID, uid)
	w.must(err)
	w.same("by hidden id", v.Chat.ID, asked.ChatID)
	w.uid(w.post("/messages/to_jid", map[string]any{"jid": "120363@g.us", "text": "hi", "whatsapp_account_phone": string(w.acc.Phone)}))

	w.refused(w.post("/chats/4711/messages", map[string]any{"text": "hi"}), http.StatusNotFound, "not_found")
	w.refused(w.post("/chats/x/messages", map[string]any{"text": "hi"}), http.StatusNotFound, "not_found")
	w.refused(w.post(messages, map[string]any{"text": " ", "reply_to": 5}), http.StatusBadRequest, "validation_error", "text", "reply_to")
	w.refused(w.post("/messages/to_jid", map[string]any{"phone": "+14840000001"}), http.StatusBadRequest, "validation_error", "jid", "text")
	w.refused(w.post("/messages/to_jid", map[string]any{"jid": 5, "text": "hi"}), http.StatusBadRequest, "validation_error", "jid")
	key := http.Header{"Idempotency-Key": {"k1"}, "Content-Type": {"application/json"}}
	first := w.do(request{method: http.MethodPost, path: messages, body: `{"text":"once"}`, header: key})
	again := w.do(request{method: http.MethodPost, path: messages, body: `{"text":"once"}`, header: key})
	if w.uid(first) != w.uid(again) || again.header.Get("Idempotent-Replay") != "true" {
		t.Errorf("answered %s, then %s", first.body, again.body)
	}
	a := w.do(request{method: http.MethodDelete, path: "/messages/to_jid"})
	if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("DELETE answered %d, allow %q", a.status, a.header.Get("Allow"))
	}
}

func TestReactionsAreGivenAndTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	got := w.receive("A1", nil)
	path := "/messages/" + got.UID + "/reactions"
	for _, step := range []struct{ method, body, emoji string }{
		{http.MethodPatch, `{"reaction":"\uD83D\uDC4D"}`, "👍"},
		{http.MethodPut, `{"reaction":"❤️","other":1}`, "❤️"},
		{http.MethodPatch, `{"reaction":"\\uD83D\\uDC4D"}`, "👍"},
		{http.MethodPatch, `{"reaction":""}`, ""},
	} {
		w.same("uid", w.uid(w.do(request{method: step.method, path: path, body: step.body})), got.UID)
		want := map[string]any{"users": []any{}, "reactions": map[string]any{}, "total": 0.0}
		if step.emoji != "" {
			want = map[string]any{"reactions": map[string]any{step.emoji: 1.0}, "total": 1.0, "users": []any{
				map[string]any{"name": "Front desk", "phone": string(w.acc.Phone), "reaction": step.emoji, "current": true}}}
		}
		w.same("reactions", w.data(w.get(path)), any(want))
	}
	if len(w.reacted) != 4 || w.reacted[0].MessageID != "A1" || w.reacted[0].FromMe {
		t.Errorf("sent %+v", w.reacted)
	}
	w.refused(w.do(request{method: http.MethodPatch, path: path, body: `{}`}), http.StatusBadRequest, "validation_error", "reaction")
	w.refused(w.do(request{method: http.MethodPatch, path: path, body: `{"reaction":"yes"}`}), http.StatusBadRequest, "validation_error", "reaction")
	w.refused(w.do(request{method: http.MethodPatch, path: path, body: `[]`}), http.StatusBadRequest, "validation_error")
	w.refused(w.do(request{method: http.MethodPatch, path: "/messages/x/reactions", body: `{"reaction":"👍"}`}), http.StatusNotFound, "not_found")
	w.refused(w.get("/messages/"+uuid.NewString()+"/reactions"), http.StatusNotFound, "not_found")
}

func TestConversationsStopAtTheWorkspacesWall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	got := w.receive("A1", nil)
	_, _, other, _ := w.newTenant("umbrella")
	for _, r := range []request{
		{method: http.MethodGet, path: fmt.Sprintf("/chats/%d", got.ChatID)},
		{method: http.MethodGet, path: fmt.Sprintf("/chats/%d/messages", got.ChatID)},
		{method: http.MethodPost, path: fmt.Sprintf("/chats/%d/messages", got.ChatID), body: `{"text":"hi"}`},
		{method: http.MethodGet, path: "/messages/" + got.UID},
		{method: http.MethodGet, path: "/messages/" + got.UID + "/reactions"},
		{method: http.MethodPatch, path: "/messages/" + got.UID + "/reactions", body: `{"reaction":"👍"}`},
	} {
		r.token = other
		w.refused(w.do(r), http.StatusNotFound, "not_found")
	}
	r := request{method: http.MethodGet, path: "/chats", token: other}
	var p page
	w.decode(w.do(r), &p)
	if len(p.Data.Chats) != 0 || len(w.reacted) != 0 {
		t.Errorf("chats %+v", p.Data.Chats)
	}
}
