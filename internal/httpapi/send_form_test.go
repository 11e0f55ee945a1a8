package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

// said reads back the message that an answer names.
func (w *world) said(a answer) store.MessageView {
	w.t.Helper()
	v, err := w.store.MessageByUID(w.t.Context(), w.ws.ID, w.uid(a))
	w.must(err)
	return v
}

// bytesOf reads a file as a client that has its link.
func (w *world) bytesOf(uid string) string {
	w.t.Helper()
	var got struct {
		Data struct {
			URL string `json:"temporary_download_url"`
		}
	}
	w.decode(w.get("/files/"+uid), &got)
	link, err := url.Parse(got.Data.URL)
	w.must(err)
	r := httptest.NewRecorder()
	w.handler.ServeHTTP(r, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, link.RequestURI(), nil))
	b, err := io.ReadAll(r.Body)
	w.must(err)
	return string(b)
}

func TestAVoiceNoteIsStoredAsItWillBeSent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		path := fmt.Sprintf("/chats/%d/voice_message", w.receive("A1", nil).ChatID)
		note := string(voicetest.Opus(7 * time.Second))
		got := w.said(w.form(path, "hello.opus", note, map[string]string{"caption": "not for recordings"}, ""))
		w.same("message", []any{got.Message.Kind, got.Message.Text, got.Message.Credits, got.Message.Data[tideline.DataDuration]},
			[]any{tideline.KindVoice, "", tideline.Credits(1), "7"})
		w.same("file", []any{got.File.Name, got.File.MIMEType, w.bytesOf(got.File.UID)}, []any{"hello.opus", voice.MIMEType, note})
		w.same("chat", got.Chat.Name, "Ana")

		got = w.said(w.form(path, "hush.mp3", string(voicetest.MP3(3*time.Second)), nil, ""))
		w.same("converted", []any{got.Message.Kind, got.File.Name, got.File.MIMEType, got.Message.Data[tideline.DataDuration]},
			[]any{tideline.KindVoice, "hush.ogg", voice.MIMEType, "3"})
		if b := w.bytesOf(got.File.UID); !strings.HasPrefix(b, "OggS") || int64(len(b)) != got.File.Size {
			t.Errorf("the converted file has %d bytes, said to be %d, and begins with %.4q", len(b), got.File.Size, b)
		}
		data, _ := w.data(w.get("/messages/" + got.Message.UID)).(map[string]any)
		w.same("shown", []any{data["has_attachment"], data["text"], data["message_type"], data["data"].(map[string]any)["duration"]},
			[]any{true, nil, "whatsapp", "3"})

		w.refused(w.form(path, "a.ogg", "words", nil, ""), http.StatusBadRequest, "validation_error", "file")
		w.refused(w.form(path, "a.ogg", "", nil, ""), http.StatusBadRequest, "validation_error", "file")
	})
}

func TestAFileMessageIsADocument(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		path := fmt.Sprintf("/chats/%d/file_message", w.receive("A1", nil).ChatID)
		got := w.said(w.form(path, "photo.png", "\x89PNG\r\n\x1a\n", nil, ""))
		w.same("message", []any{got.Message.Kind, got.Message.Text, got.Message.Credits, got.File.Name, got.File.MIMEType},
			[]any{tideline.KindDocument, "", tideline.Credits(1), "photo.png", "image/png"})
		got = w.said(w.form(path, "x", "bytes", map[string]string{"filename": "offer.pdf", "content_type": "application/pdf", "caption": "see page 2"}, ""))
		w.same("with all fields", []any{got.Message.Kind, got.Message.Text, got.Message.Credits, got.File.Name, got.File.MIMEType},
			[]any{tideline.KindDocument, "see page 2", tideline.Credits(2), "offer.pdf", "application/pdf"})
		got = w.said(w.form(path, "x.txt", "bytes", map[string]string{"caption": " \n"}, ""))
		w.same("a blank caption", []any{got.Message.Text, got.Message.Credits}, []any{"", tideline.Credits(1)})
		w.refused(w.form(path, "x", "x", map[string]string{"filename": strings.Repeat("n", 1025)}, ""), http.StatusBadRequest, "validation_error", "filename")
		w.refused(w.form(path, "x", "x", map[string]string{"content_type": strings.Repeat("n", 141)}, ""), http.StatusBadRequest, "validation_error", "content_type")
		w.refused(w.form(path, "x", "x", map[string]string{"caption": strings.Repeat("ä", 2001)}, ""), http.StatusBadRequest, "validation_error", "caption")
		w.said(w.form(path, "x", "x", map[string]string{"caption": strings.Repeat("😀", 2000)}, ""))
		w.refused(w.form(path, "x", "x", map[string]string{"caption": "a\x00b"}, ""), http.StatusBadRequest, "validation_error", "caption")
		w.refused(w.form(path, "x", "", nil, ""), http.StatusBadRequest, "validation_error", "file")
	})
}

func TestAFormIsRefusedAsDocumented(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		chat := w.receive("A1", nil).ChatID
		other, _, _, account := w.newTenant("other")
		theirs, err := w.store.Receive(t.Context(), store.Reception{
			WorkspaceID: other.ID, AccountID: account.ID, Chat: anaPeer, Sender: anaPeer, At: received, ReceivedAt: received,
			Message: &store.NewInbound{UID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e59", WhatsAppID: "T1", Kind: tideline.KindText, Text: "x"},
		})
		w.must(err)
		note := string(voicetest.Opus(time.Second))
		for _, kind := range []string{"voice_message", "file_message"} {
			for _, id := range []string{"4711", "x", "0", fmt.Sprint(theirs.ChatID)} {
				w.refused(w.form("/chats/"+id+"/"+kind, "a.ogg", note, nil, ""), http.StatusNotFound, "not_found")
				w.refused(w.form("/chats/"+id+"/"+kind, "a.ogg", note, nil, "key-"+id), http.StatusNotFound, "not_found")
			}
			path := fmt.Sprintf("/chats/%d/%s", chat, kind)
			w.refused(w.post(path, `{"file":"x"}`), http.StatusMethodNotAllowed, "not_supported")
			w.refused(w.form(path, "a.ogg", note, nil, "bad key"), http.StatusBadRequest, "validation_error", "Idempotency-Key")
			body := "--b\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\nx\r\n--b--\r\n"
			w.refused(w.do(request{method: http.MethodPost, path: path, body: body, header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}}),
				http.StatusBadRequest, "validation_error", "file")
			a := w.do(request{method: http.MethodPost, path: path, token: "-"})
			w.refused(a, http.StatusUnauthorized, "missing_credentials")

			w.setPlan(func(p *tideline.Plan) { p.MaxFileBytes = 50 })
			w.refused(w.form(path, "a.ogg", note, nil, ""), http.StatusRequestEntityTooLarge, "validation_error")
			w.setPlan(func(p *tideline.Plan) { p.Attachments = false })
			w.refused(w.form(path, "a.ogg", note, nil, ""), http.StatusForbidden, "plan_feature_unavailable")
			w.setPlan(func(*tideline.Plan) {})
			w.must(w.store.SetMemberRole(t.Context(), w.ws.ID, w.owner.ID, tideline.RoleCollaborator))
			w.refused(w.form(path, "a.ogg", note, nil, ""), http.StatusForbidden, "permission_denied")
			w.must(w.store.SetMemberRole(t.Context(), w.ws.ID, w.owner.ID, tideline.RoleOwner))
			w.must(w.store.SetAccountState(t.Context(), w.acc.ID, tideline.AccountLoggedOut, "unlinked", w.clock.now()))
			w.refused(w.form(path, "a.ogg", note, nil, ""), http.StatusBadRequest, "validation_error")
			w.must(w.store.SetAccountState(t.Context(), w.acc.ID, tideline.AccountActive, "", w.clock.now()))
		}
		w.setCredits(0)
		w.refused(w.form(fmt.Sprintf("/chats/%d/voice_message", chat), "a.ogg", note, nil, ""), http.StatusForbidden, "quota_exceeded")
	})
}

// TestARepeatedFormSendsOnce repeats forms as programs do, which draw another
// line between the parts each time.
func TestARepeatedFormSendsOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		chat := w.receive("A1", nil).ChatID
		voicePath, filePath := fmt.Sprintf("/chats/%d/voice_message", chat), fmt.Sprintf("/chats/%d/file_message", chat)
		mp3 := string(voicetest.MP3(time.Second))
		first := w.form(voicePath, "a.mp3", mp3, nil, "k1")
		again := w.form(voicePath, "a.mp3", mp3, nil, "k1")
		w.same("uid", w.uid(again), w.uid(first))
		w.same("marked", again.header.Get("Idempotent-Replay"), "true")
		w.refused(w.form(filePath, "a.mp3", mp3, nil, "k1"), http.StatusConflict, "validation_error")
		w.refused(w.form(voicePath, "a.mp3", string(voicetest.MP3(2*time.Second)), nil, "k1"), http.StatusConflict, "validation_error")
		fields := map[string]string{"caption": "one"}
		first = w.form(filePath, "a.txt", "text", fields, "k2")
		w.same("uid", w.uid(w.form(filePath, "a.txt", "text", fields, "k2")), w.uid(first))
		w.refused(w.form(filePath, "a.txt", "text", map[string]string{"caption": "two"}, "k2"), http.StatusConflict, "validation_error")
		// What was accepted stays accepted when its account is gone.
		w.must(w.store.SetAccountState(t.Context(), w.acc.ID, tideline.AccountLoggedOut, "unlinked", w.clock.now()))
		w.same("uid", w.uid(w.form(filePath, "a.txt", "text", fields, "k2")), w.uid(first))
		n, err := w.store.QueueLength(t.Context(), w.ws.ID)
		w.must(err)
		w.same("queued", n, int64(2))
		// The files of repeated and refused requests are gone again.
		w.same("files", w.blobCount(), 2)
	})
}

func TestNamesAndSecondVersionsAreSentTo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		got := w.receive("A1", nil)
		group := w.receive("G1", func(r *store.Reception) { r.Chat = choir })
		v := w.said(w.post("/messages/to_chat_name", map[string]any{"chat_name": "Choir", "text": "hello all", "reply_to": group.UID}))
		w.same("group", []any{v.Message.ChatID, v.Chat.JID, v.ReplyToUID}, []any{group.ChatID, choir.JID, group.UID})
		v = w.said(w.post("/messages/to_chat_name", map[string]any{"chat_name": "Ana", "text": "x", "whatsapp_account_phone": string(w.acc.Phone)}))
		w.same("contact", v.Message.ChatID, got.ChatID)
		w.refused(w.post("/messages/to_chat_name", map[string]any{"chat_name": "ANA", "text": "x"}), http.StatusNotFound, "not_found")
		w.refused(w.post("/messages/to_chat_name", map[string]any{"text": "x"}), http.StatusBadRequest, "validation_error", "chat_name")
		w.refused(w.post("/messages/to_chat_name", map[string]any{"chat_name": strings.Repeat("x", 257)}), http.StatusBadRequest, "validation_error", "chat_name", "text")
		w.refused(w.post("/messages/to_chat_name", map[string]any{"chat_name": 7, "text": "x"}), http.StatusBadRequest, "validation_error", "chat_name")
		second := w.newAccount(w.ws, tideline.AccountActive)
		w.refused(w.post("/messages/to_chat_name", map[string]any{"chat_name": "Ana", "text": "x", "whatsapp_account_id": string(second.JID)}), http.StatusNotFound, "not_found")
		w.refused(w.do(request{method: http.MethodPut, path: "/messages/to_chat_name"}), http.StatusMethodNotAllowed, "not_supported")

		w.same("v2", w.said(w.post("/v2/messages", map[string]any{"phone": "14840000009", "text": "x", "whatsapp_account_phone": string(w.acc.Phone)})).Chat.Phone, tideline.Phone("+14840000009"))
		w.refused(w.post("/v2/messages", map[string]any{"text": "x"}), http.StatusBadRequest, "validation_error", "phone")
		w.refused(w.post("/messages", map[string]any{"phone": string(choir.JID), "text": "x"}), http.StatusBadRequest, "validation_error", "phone")
		path := fmt.Sprintf("/v2/chats/%d/messages", got.ChatID)
		v = w.said(w.post(path, map[string]any{"text": "x", "reply_to": "what v2 does not know"}))
		w.same("v2 chat", []any{v.Message.ChatID, v.ReplyToUID}, []any{got.ChatID, ""})
		w.refused(w.post("/v2/chats/4711/messages", map[string]any{"text": "x"}), http.StatusNotFound, "not_found")
		for _, path := range []string{path, "/v2/messages", "/messages/to_chat_name"} {
			body := w.json(map[string]any{"phone": "+14840000009", "chat_name": "Ana", "text": "once"})
			post := request{method: http.MethodPost, path: path, body: body, header: http.Header{"Idempotency-Key": {"k" + fmt.Sprint(len(path))}}}
			first, again := w.do(post), w.do(post)
			w.same(path, []string{w.uid(again), again.header.Get("Idempotent-Replay")}, []string{w.uid(first), "true"})
		}
	})
}
