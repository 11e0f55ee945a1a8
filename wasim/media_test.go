package wasim_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

func document(up whatsmeow.UploadResponse, name, caption string) *waE2E.Message {
	return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
		URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey, FileEncSHA256: up.FileEncSHA256,
		FileSHA256: up.FileSHA256, FileLength: &up.FileLength, Mimetype: proto.String("application/pdf"),
		FileName: &name, Caption: &caption,
	}}
}

func TestAttachmentsBothWays(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := network(t, wasim.Options{Dir: dir})
			c := paired(t, srv, business)
			data := make([]byte, 200_000)
			_, _ = rand.Read(data)
			sum := sha256.Sum256(data)
			up, err := c.Upload(timeout(t), data, whatsmeow.MediaDocument)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = c.SendMessage(timeout(t), jid(ana), document(up, "bill.pdf", "your bill")); err != nil {
				t.Fatal(err)
			}
			got := await(t, phone(t, srv, ana), hasText("your bill"))
			want := wasim.Media{
				Kind: "document", MIME: "application/pdf", FileName: "bill.pdf", Caption: "your bill",
				Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
			}
			if got.Kind != "media" || got.Media == nil || *got.Media != want {
				t.Errorf("got %+v, media %+v", got, got.Media)
			}

			for _, kind := range []string{"image", "video", "audio", "voice", "document"} {
				skip := c.mark()
				f := wasim.File{Kind: kind, MIME: "x/" + kind, Name: "n", Caption: "c", Data: data}
				if _, err = phone(t, srv, ana).SendFile(timeout(t), business, f); err != nil {
					t.Fatal(err)
				}
				m := event[*events.Message](c, skip, nil)
				plain, err := c.DownloadAny(timeout(t), m.Message)
				if err != nil || !bytes.Equal(plain, data) {
					t.Errorf("%s: %d bytes, %v", kind, len(plain), err)
				}
			}
			if _, err = phone(t, srv, ana).SendFile(timeout(t), business, wasim.File{Kind: "smell"}); err == nil {
				t.Error("unknown kind of file was sent")
			}
		})
	}
}

func TestMediaFaults(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	data := []byte("some file")
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: 503, Count: 1})
	if _, err := c.Upload(timeout(t), data, whatsmeow.MediaDocument); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("upload: %v", err)
	}
	up, err := c.Upload(timeout(t), data, whatsmeow.MediaDocument)
	if err != nil {
		t.Fatal(err)
	}
	// The recipient's phone notices a failing download and says so in its log.
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseDownload, Code: 410, Count: 1})
	if _, err = c.SendMessage(timeout(t), jid(ana), document(up, "a.pdf", "gone")); err != nil {
		t.Fatal(err)
	}
	r := await(t, phone(t, srv, ana), hasText("gone"))
	own := await(t, phone(t, srv, business), hasText("gone"))
	if (r.Media.Error == "") == (own.Media.Error == "") {
		t.Errorf("errors %q and %q: want exactly one", r.Media.Error, own.Media.Error)
	}
	// A message that lies about its file is found out.
	lie := document(up, "b.pdf", "lie")
	lie.DocumentMessage.FileSHA256 = make([]byte, 32)
	if _, err = c.SendMessage(timeout(t), jid(ana), lie); err != nil {
		t.Fatal(err)
	}
	if r = await(t, phone(t, srv, ana), hasText("lie")); r.Media.Error == "" {
		t.Errorf("%+v", r.Media)
	}

	if _, err = phone(t, srv, ana).SendFile(timeout(t), business, wasim.File{Kind: "image", MIME: "image/png", Data: data}); err != nil {
		t.Fatal(err)
	}
	m := event(c, 0, func(m *events.Message) bool { return m.Message.GetImageMessage() != nil })
	for code, want := range map[int]error{
		404: whatsmeow.ErrMediaDownloadFailedWith404,
		410: whatsmeow.ErrMediaDownloadFailedWith410,
		403: whatsmeow.ErrMediaDownloadFailedWith403,
	} {
		fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseDownload, Code: code, Count: 1})
		if _, err = c.DownloadAny(timeout(t), m.Message); !errors.Is(err, want) {
			t.Errorf("status %d: %v", code, err)
		}
	}
	if _, err = c.DownloadAny(timeout(t), m.Message); err != nil {
		t.Errorf("after the faults: %v", err)
	}
}

func TestUploadsAreVerified(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	hc := srv.HTTPClient()
	defer hc.CloseIdleConnections()
	sum := sha256.Sum256([]byte("expected"))
	token := base64.URLEncoding.EncodeToString(sum[:])
	for url, body := range map[string]string{
		"https://mmg.whatsapp.net/mms/image/" + token + "?auth=a":  "something else",
		"https://mmg.whatsapp.net/mms/image/" + token:              "expected",
		"https://mmg.whatsapp.net/mms/image/not-base64!?auth=a":    "expected",
		"https://mmg.whatsapp.net/mms/image/" + "AAAA" + "?auth=a": "expected",
	} {
		resp, err := hc.Post(url, "application/octet-stream", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode > 499 {
			t.Errorf("POST %s: %d", url, resp.StatusCode)
		}
	}
	for _, path := range []string{"/v/wasim/nothing", "/v/wasim/..%2f..%2fwasim.db", "/v/wasim/" + hex.EncodeToString(sum[:])} {
		resp, err := hc.Get("https://mmg.whatsapp.net" + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
}
