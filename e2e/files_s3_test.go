package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv/fakes3"
	"github.com/tidelinehq/tideline/internal/testenv/flaky"
)

// s3Flags name a service and not a place.
func s3Flags(service *fakes3.Server) []string {
	return []string{"--s3-endpoint", service.URL, "--s3-region", fakes3.Region, "--s3-access-key", fakes3.AccessKey, "--s3-secret-key", fakes3.SecretKey}
}

func inBucket(service *fakes3.Server) []string {
	return append(s3Flags(service), "--files", "s3://"+fakes3.Bucket+"/e2e")
}

// noise is a file of a size, and its SHA-256.
func noise(seed byte, size int) ([]byte, string) {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:])
}

// keepUpload uploads until it is taken, as a program would.
func (s *server) keepUpload(t *testing.T, name string, data []byte) (uid string) {
	t.Helper()
	eventually(t, name+" was taken", func(ctx context.Context) (bool, string) {
		f, err := s.api.Upload(ctx, name, "application/octet-stream", strings.NewReader(string(data)))
		if err != nil {
			return false, err.Error()
		}
		uid = f.UID
		return true, ""
	})
	return uid
}

// sendsFile has a phone send a document to the site's account.
func (s *server) sendsFile(t *testing.T, number, caption string, data []byte) {
	t.Helper()
	s.mustCall(t, http.MethodPost, "/sandbox/phones/"+number+"/messages", map[string]any{"to": accountNumber, "file": map[string]string{
		"kind": "document", "mime": "application/octet-stream", "name": caption + ".bin", "caption": caption, "data": base64.StdEncoding.EncodeToString(data),
	}}, nil)
}

// attachments gives the SHA-256 of what the API gives as attachments of a chat's
// received messages, by their texts; "" where there is nothing to be had yet.
func (s *server) attachments(ctx context.Context, number string) (map[string]string, error) {
	var list struct {
		Data struct {
			Messages []struct {
				Text   string
				FromMe bool   `json:"from_me"`
				Link   string `json:"attachment_url"`
			}
		}
	}
	chat, _, err := s.conversation(ctx, number)
	if err != nil {
		return nil, err
	}
	if err := s.apiCall(ctx, http.MethodGet, fmt.Sprintf("/chats/%d/messages", chat), nil, &list); err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for _, m := range list.Data.Messages {
		if m.FromMe {
			continue
		}
		sums[m.Text] = ""
		if m.Link == "" {
			continue
		}
		if body, err := s.fetch(ctx, strings.TrimPrefix(m.Link, s.URL)); err == nil {
			sum := sha256.Sum256([]byte(body))
			sums[m.Text] = hex.EncodeToString(sum[:])
		}
	}
	return sums, nil
}

func (s *server) awaitAttachments(t *testing.T, number string, want map[string]string) {
	t.Helper()
	eventually(t, "all attachments of "+number+" can be had", func(ctx context.Context) (bool, string) {
		got, err := s.attachments(ctx, number)
		if err != nil {
			return false, err.Error()
		}
		for text, sum := range want {
			if got[text] != sum {
				return false, fmt.Sprintf("%q has %q, want %s", text, got[text], sum)
			}
		}
		return true, ""
	})
}

func (s *server) awaitDocument(t *testing.T, number, text, sum string) {
	t.Helper()
	if m := s.awaitText(t, number, text).Media; m == nil || m.SHA256 != sum || m.Error != "" {
		t.Errorf("with %q the phone shows %+v, want a file with %s", text, m, sum)
	}
}

// TestFilesArriveWhileHalfOfTheRequestsToS3Fail: in both directions, with the right
// bytes, and in the bucket is nothing in part.
func TestFilesArriveWhileHalfOfTheRequestsToS3Fail(t *testing.T) {
	t.Parallel()
	service := fakes3.Start(t)
	s := newSandbox(t)
	srv := s.start(t, inBucket(service)...)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	srv.addPhone(t, quiet)
	// Stalls take the half minute that a server waits in earnest.
	ways := []flaky.Fault{
		flaky.Status500, flaky.SlowDown, flaky.NoAnswer, flaky.LostAnswer, flaky.CutRequest, flaky.CutAnswer,
		flaky.ShortAnswer, flaky.LongLength, flaky.Slow,
	}
	service.FailHalf(5, ways...)
	const files = 12
	out, in := map[string]string{}, map[string]string{}
	for i := range files {
		data, sum := noise(byte(i), 1+i*i*9_000)
		text := fmt.Sprintf("out %d", i)
		out[text] = sum
		srv.send(t, client.Message{Phone: quiet, Text: text, FileUID: srv.keepUpload(t, text+".bin", data)})
		data, sum = noise(byte(100+i), 1+i*i*5_000)
		text = fmt.Sprintf("in %d", i)
		in[text] = sum
		srv.sendsFile(t, quiet, text, data)
	}
	for text, sum := range out {
		srv.awaitDocument(t, quiet, text, sum)
	}
	srv.awaitAttachments(t, quiet, in)
	if n := service.Counts(); n[flaky.None] < files || n[flaky.CutAnswer] == 0 || n[flaky.LostAnswer] == 0 {
		t.Errorf("the service failed too seldom: %v", n)
	}
	service.Recover()
	metrics, err := srv.fetch(t.Context(), "/metrics")
	if err != nil || !strings.Contains(metrics, `tideline_s3_attempts_total{operation="put",outcome="error"}`) || strings.Contains(metrics, `tideline_s3_attempts_total{operation="put",outcome="error"} 0`) {
		t.Errorf("metrics tell nothing of failed puts: %v", err)
	}
	srv.stop(t)
	for _, where := range []string{srv.Stderr(), srv.Stdout()} {
		if strings.Contains(where, fakes3.SecretKey) {
			t.Error("the server printed the secret key")
		}
	}
	if r := s.run(t, append([]string{"doctor"}, s3Flags(service)...)...); r.code != 0 {
		t.Errorf("doctor: %d\n%s%s", r.code, r.out, r.notes)
	}
	checked := query[struct{ Files, Missing, Blobs int64 }](t, s, append([]string{"files", "check"}, s3Flags(service)...)...)
	if checked.Files < 2*files || checked.Missing > 0 {
		t.Errorf("files check: %+v", checked)
	}
	if names, err := filepath.Glob(filepath.Join(s.dir, "spool", "*")); err != nil || len(names) > 0 {
		t.Errorf("left on their way: %q, %v", names, err)
	}
	if names, err := filepath.Glob(filepath.Join(s.dir, "files", "*", "*")); err != nil || len(names) > 0 {
		t.Errorf("in the data folder: %q, %v", names, err)
	}
}

// TestWhileS3IsAwayNothingIsLost: uploads are refused in clear words, what waits
// with a file goes on waiting, and so does what came in; when S3 is back, all of it
// arrives by itself.
func TestWhileS3IsAwayNothingIsLost(t *testing.T) {
	t.Parallel()
	service := fakes3.Start(t)
	s := newSandbox(t)
	srv := s.start(t, inBucket(service)...)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	srv.addPhone(t, quiet)
	data, sum := noise(1, 300_000)
	kept := srv.keepUpload(t, "kept.bin", data)
	stored := len(service.Objects.Keys(t))

	service.Fail(func(*http.Request) flaky.Fault { return flaky.SlowDown })
	uid := srv.send(t, client.Message{Phone: quiet, Text: "with a file", FileUID: kept})
	incoming, incomingSum := noise(2, 50_000)
	srv.sendsFile(t, quiet, "came meanwhile", incoming)
	_, err := srv.api.Upload(t.Context(), "new.bin", "", strings.NewReader("more"))
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "Try again") {
		t.Errorf("an upload gives %v, want 503 and what to do", err)
	}
	eventually(t, "the attempts failed", func(ctx context.Context) (bool, string) {
		metrics, err := srv.fetch(ctx, "/metrics")
		if err != nil {
			return false, err.Error()
		}
		lines := strings.Split(metrics, "\n")
		failed := slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, `tideline_s3_failures_total{operation="get"}`) && !strings.HasSuffix(l, " 0")
		})
		return failed, "no get was given up"
	})
	if _, err := srv.fetch(t.Context(), "/readyz"); err != nil {
		t.Errorf("the server is not ready while S3 is away: %v", err)
	}
	if history, err := srv.api.StatusHistory(t.Context(), uid); err != nil || slices.ContainsFunc(history, func(h client.StatusChange) bool { return h.Status == "Failed" || h.Status == "Sent" }) {
		t.Errorf("the message that waits for its file: %+v, %v", history, err)
	}
	if n := len(service.Objects.Keys(t)); n != stored {
		t.Errorf("there are %d objects, were %d", n, stored)
	}
	// A server that starts while S3 is away comes up, too.
	srv.stop(t)
	srv = s.start(t, s3Flags(service)...)
	if !strings.Contains(srv.Stderr(), "starting all the same") {
		t.Errorf("nothing says that S3 is away:\n%s", srv.Stderr())
	}
	service.Recover()
	srv.awaitDocument(t, quiet, "with a file", sum)
	srv.awaitAttachments(t, quiet, map[string]string{"came meanwhile": incomingSum})
	srv.stop(t)
}

// TestFilesAreMovedToS3AndBack: at each step all files can be had, and a server
// can't be started with the wrong place.
func TestFilesAreMovedToS3AndBack(t *testing.T) {
	t.Parallel()
	service := fakes3.Start(t)
	s := newSandbox(t)
	place := "s3://" + fakes3.Bucket + "/moved"
	moved := func(to string) (v struct {
		Copied, Same, Missing int64
		InUse                 bool `json:"in_use"`
	}) {
		return query[struct {
			Copied, Same, Missing int64
			InUse                 bool `json:"in_use"`
		}](t, s, append([]string{"files", "move", "--to", to}, s3Flags(service)...)...)
	}
	srv := s.start(t)
	srv.addPhone(t, quiet)
	first, firstSum := noise(1, 400_000)
	one := srv.keepUpload(t, "one.bin", first)
	if v := moved(place); v.InUse || v.Copied == 0 || v.Missing != 0 {
		t.Errorf("while the server runs: %+v", v)
	}
	second, secondSum := noise(2, 4_000)
	two := srv.keepUpload(t, "two.bin", second)
	srv.stop(t)
	if v := moved(place); !v.InUse || v.Copied != 1 || v.Same == 0 || v.Missing != 0 {
		t.Errorf("without a server: %+v", v)
	}
	refused := func(why string, flags ...string) {
		t.Helper()
		p := s.launch(t, flags...)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if code, err := p.Wait(ctx); err != nil || code == 0 || !strings.Contains(p.Stderr(), why) {
			t.Errorf("serve %v: exit code %d, %v, %s; want %q", flags, code, err, p.Stderr(), why)
		}
	}
	refused("--files names the data folder", "--files", filepath.Join(s.dir, "files"))
	refused("name a loopback address")
	wrong := s3Flags(service)
	wrong[3] = "eu-north-1"
	refused("set --s3-region", wrong...)

	if err := os.RemoveAll(filepath.Join(s.dir, "files")); err != nil {
		t.Fatal(err)
	}
	srv = s.start(t, s3Flags(service)...)
	srv.send(t, client.Message{Phone: quiet, Text: "one", FileUID: one})
	srv.send(t, client.Message{Phone: quiet, Text: "two", FileUID: two})
	srv.awaitDocument(t, quiet, "one", firstSum)
	srv.awaitDocument(t, quiet, "two", secondSum)
	srv.stop(t)

	// A file that is nowhere keeps the place from being changed, and is named.
	lost := service.Objects.Keys(t)[0]
	for _, key := range service.Objects.Keys(t) {
		if strings.Contains(key, two) {
			lost = key
		}
	}
	service.Objects.Remove(t, lost)
	r := s.run(t, append([]string{"files", "move", "--to", "data"}, s3Flags(service)...)...)
	if r.code != 1 || !strings.Contains(r.out, two) || !strings.Contains(r.notes, "missing") {
		t.Errorf("files move: exit code %d, %s%s; want it to name %s", r.code, r.out, r.notes, two)
	}
	if r := s.run(t, append([]string{"doctor"}, s3Flags(service)...)...); r.code != 1 || !strings.Contains(r.out, "are not in "+place) {
		t.Errorf("doctor: exit code %d, %s", r.code, r.out)
	}
	if r := s.run(t, append([]string{"files", "move", "--to", "data", "--accept-missing"}, s3Flags(service)...)...); r.code != 0 {
		t.Fatalf("files move: %s", r.notes)
	}
	srv = s.start(t)
	srv.send(t, client.Message{Phone: quiet, Text: "one again", FileUID: one})
	srv.awaitDocument(t, quiet, "one again", firstSum)
	srv.stop(t)
}
