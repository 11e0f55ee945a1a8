package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
	"github.com/tidelinehq/tideline/wasim"
)

// awaitMedia waits until a phone shows a file of a kind.
func (s *server) awaitMedia(t testing.TB, number, kind string) wasim.Received {
	t.Helper()
	var found wasim.Received
	eventually(t, fmt.Sprintf("%s received a file of the kind %s", number, kind), func(ctx context.Context) (bool, string) {
		all, err := s.received(ctx, number)
		if err != nil {
			return false, err.Error()
		}
		for _, m := range all {
			if m.Media != nil && m.Media.Kind == kind {
				found = m
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d messages", len(all))
	})
	return found
}

// chatOf gives the id of the chat that a message is in.
func (s *server) chatOf(t testing.TB, uid string) int64 {
	t.Helper()
	m, err := s.api.Message(t.Context(), uid)
	if err != nil {
		t.Fatal(err)
	}
	return m.ChatID
}

func TestEveryWayToSendReachesThePhone(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		uid := strings.TrimSpace(s.must(t, "send", ana, "by number", "--chat-name", "Ana from e2e"))
		chat := srv.chatOf(t, uid)
		id := fmt.Sprint(chat)
		srv.awaitText(t, ana, "by number")
		asked := strings.TrimSpace(s.must(t, "send", "--to-chat", id, "by chat"))
		s.must(t, "send", "--to-chat", id, "by chat, answering", "--reply-to", asked)
		if a, b := srv.awaitText(t, ana, "by chat"), srv.awaitText(t, ana, "by chat, answering"); b.Target != a.ID || b.TargetFrom != accountNumber {
			t.Errorf("the phone shows %+v, want an answer to %s", b, a.ID)
		}
		info, err := srv.api.Message(t.Context(), uid)
		if err != nil {
			t.Fatal(err)
		}
		s.must(t, "send", "--to-name", info.RecipientName, "by name")
		srv.awaitText(t, ana, "by name")
		s.must(t, "send", "--jid", strings.TrimPrefix(ana, "+")+"@s.whatsapp.net", "by jid")
		srv.awaitText(t, ana, "by jid")

		dir := t.TempDir()
		recording, offer := filepath.Join(dir, "hello.mp3"), filepath.Join(dir, "offer.png")
		for path, data := range map[string][]byte{recording: voicetest.MP3(3 * time.Second), offer: picture(t)} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		uid = strings.TrimSpace(s.must(t, "send", "--to-chat", id, "--voice", recording))
		if m := srv.awaitMedia(t, ana, "voice").Media; m.MIME != "audio/ogg; codecs=opus" || m.Seconds != 3 || m.Error != "" {
			t.Errorf("the phone shows %+v", m)
		}
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
		s.must(t, "send", "--to-chat", id, "--document", offer, "the offer")
		if m := srv.awaitText(t, ana, "the offer").Media; m == nil || m.Kind != "document" || m.FileName != "offer.png" {
			t.Errorf("the phone shows %+v", m)
		}

		var group struct{ JID string }
		srv.mustCall(t, http.MethodPost, "/sandbox/phones/"+ana+"/groups", map[string]any{"subject": "Choir", "members": []string{accountNumber}}, &group)
		uid = strings.TrimSpace(s.must(t, "send", "--jid", group.JID, "hello all"))
		if m := srv.awaitText(t, ana, "hello all"); m.Group != group.JID {
			t.Errorf("the phone shows %+v", m)
		}
		note, err := os.Open(recording)
		if err != nil {
			t.Fatal(err)
		}
		defer note.Close()
		if _, err := srv.api.SendVoice(t.Context(), srv.chatOf(t, uid), client.Recording{Name: "hello.mp3", File: note}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the group has a voice note", func(ctx context.Context) (bool, string) {
			all, err := srv.received(ctx, ana)
			for _, m := range all {
				if m.Group == group.JID && m.Media != nil && m.Media.Kind == "voice" && m.Media.Error == "" {
					return true, ""
				}
			}
			return false, fmt.Sprint(len(all), err)
		})
		for _, wrong := range [][]string{
			{"send"}, {"send", "--to-chat", id}, {"send", ana, "x", "--jid", group.JID}, {"send", ana, "--voice", recording},
			{"send", "--to-chat", id, "x", "--voice", recording}, {"send", "--to-chat", id, "--voice", recording, "--document", offer},
			{"send", "--to-chat", id, "--voice", recording, "--label", "x"}, {"send", ana, "x", "--reply-to", uid},
		} {
			if r := s.run(t, wrong...); r.code != 2 || r.notes == "" {
				t.Errorf("%q: exit code %d, %s", wrong, r.code, r.notes)
			}
		}
		srv.stop(t)
		s.healthy(t)
	})
}

// TestWithoutFFmpegOnlyNotesBecomeVoiceNotes starts a server on a machine that
// can't convert.
func TestWithoutFFmpegOnlyNotesBecomeVoiceNotes(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t, "--ffmpeg", "/nowhere/ffmpeg")
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	chat := srv.chatOf(t, srv.send(t, client.Message{Phone: ana, Text: "hello"}))
	_, err := srv.api.SendVoice(t.Context(), chat, client.Recording{Name: "a.mp3", File: strings.NewReader(string(voicetest.MP3(time.Second)))})
	if err == nil || !strings.Contains(err.Error(), "ffmpeg") || !strings.Contains(err.Error(), "Opus in Ogg") {
		t.Errorf("an MP3: %v", err)
	}
	if _, err := srv.api.SendVoice(t.Context(), chat, client.Recording{Name: "a.ogg", File: strings.NewReader(string(voicetest.Opus(2 * time.Second)))}); err != nil {
		t.Fatal(err)
	}
	if m := srv.awaitMedia(t, ana, "voice").Media; m.Seconds != 2 || m.Waveform != "" || m.Error != "" {
		t.Errorf("the phone shows %+v", m)
	}
	if r := s.run(t, "doctor", "--ffmpeg", "/nowhere/ffmpeg"); r.code != 1 || !strings.Contains(r.out, "voice notes") {
		t.Errorf("doctor: exit code %d\n%s", r.code, r.out)
	}
	if r := s.run(t, "doctor"); r.code != 0 || !strings.Contains(r.out, "audio is converted by") {
		t.Errorf("doctor: exit code %d\n%s", r.code, r.out)
	}
	srv.stop(t)
}
