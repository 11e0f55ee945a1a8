package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
)

// picture makes a PNG file.
func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 32, 24))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSendReachesThePhone is the product in one test: a request, an answer, the
// text on the phone, and what became of the message.
func TestSendReachesThePhone(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		text := "Olá Ana, o pedido nº 42 está pronto 🎉\nAté já! <&\"'>"
		body, err := json.Marshal(map[string]string{"phone": "+1 (484) 000-0001", "text": text})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/integrations/api/messages", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+srv.Token)
		r.Header.Set("Content-Type", "application/json")
		res, err := srv.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer struct {
			Status string
			Data   struct {
				MessageUID string `json:"message_uid"`
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK || answer.Status != "ok" {
			t.Fatalf("%s, %+v, %v", res.Status, answer, err)
		}
		got := srv.awaitText(t, ana, text)
		if got.From != accountNumber || got.Kind != "text" || got.Attempts != 1 {
			t.Errorf("the phone shows %+v", got)
		}
		srv.awaitHistory(t, answer.Data.MessageUID, "Sent", "Delivered", "Read")
		srv.stop(t)
	})
}

func TestSendWithAttachmentReachesThePhone(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		file := picture(t)
		before, err := srv.api.Quotas(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		up, err := srv.api.Upload(t.Context(), "menu.png", "", bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		uid := srv.send(t, client.Message{Phone: ana, Text: "Our new menu", FileUID: up.UID})
		after, err := srv.api.Quotas(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if used := after.Messages.Used - before.Messages.Used; used != 2 {
			t.Errorf("text with attachment took %d credits, want 2", used)
		}
		got := srv.awaitText(t, ana, "Our new menu")
		sum := sha256.Sum256(file)
		switch m := got.Media; {
		case m == nil:
			t.Errorf("the phone shows no attachment: %+v", got)
		case m.Kind != "image" || m.MIME != "image/png" || m.Size != int64(len(file)) || m.SHA256 != hex.EncodeToString(sum[:]) || m.Error != "":
			t.Errorf("the phone shows the attachment %+v, want an image/png of %d bytes", *m, len(file))
		}
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")

		uid = srv.send(t, client.Message{Phone: ana, FileUID: up.UID})
		last, err := srv.api.Quotas(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if used := last.Messages.Used - after.Messages.Used; used != 1 {
			t.Errorf("an attachment alone took %d credits, want 1", used)
		}
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
		srv.stop(t)
		s.healthy(t)
	})
}

func TestCurlLineIsReadyToPaste(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	if !strings.HasPrefix(srv.Curl, "curl -sS "+srv.API+"/messages ") || !strings.Contains(srv.Curl, "Bearer "+srv.Token) || !strings.Contains(srv.Curl, ana) {
		t.Errorf("the line is %s", srv.Curl)
	}
	srv.stop(t)
}
