package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func logger(t *testing.T, o LogOptions) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var buf bytes.Buffer
	l, err := NewLogger(&buf, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, &buf
}

// TestHandlerKeepsSlogsRules runs the standard library's suite: groups,
// attributes and empty values come out as without the redactor.
func TestHandlerKeepsSlogsRules(t *testing.T) {
	t.Parallel()
	var buf *bytes.Buffer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		var l *slog.Logger
		l, buf = logger(t, LogOptions{Format: "json"})
		return l.Handler()
	}, func(t *testing.T) map[string]any {
		line := map[string]any{}
		if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	})
}

func TestNothingPersonalAboveDebug(t *testing.T) {
	t.Parallel()
	log := func(l *slog.Logger, level slog.Level) {
		err := fmt.Errorf("send to 14840000001:12@s.whatsapp.net: %w", errors.New("no LID for +14840000001, 123456789012345@lid"))
		l.With("phone", "+14840000001").WithGroup("g").With("jid", "14840000001@s.whatsapp.net").Log(context.Background(), level,
			"failed for +14840000001",
			"text", "Hello 14840000001", "err", err, "to", tideline.JID("14840000001@s.whatsapp.net"),
			"who", tideline.Phone("+14840000001"), slog.Group("in", "number", "14840000001", "note", "+14840000001"))
	}
	for _, format := range []string{"text", "json"} {
		l, buf := logger(t, LogOptions{Level: "debug", Format: format})
		log(l, slog.LevelInfo)
		if strings.Contains(buf.String(), "4840000001") || strings.Contains(buf.String(), "123456789012345") || strings.Contains(buf.String(), "Hello") {
			t.Errorf("%s: an info line shows too much: %s", format, buf)
		}
		buf.Reset()
		log(l, slog.LevelDebug)
		if !strings.Contains(buf.String(), "+14840000001") || !strings.Contains(buf.String(), "Hello") {
			t.Errorf("%s: a debug line shows too little: %s", format, buf)
		}
	}
}

func TestSecretsAtNoLevel(t *testing.T) {
	t.Parallel()
	l, buf := logger(t, LogOptions{Level: "debug"})
	l.Debug("opened postgres://u:hunter2@localhost/x", "token", "opaque-9", "use", Secret("s3cret"),
		"header", "Bearer tla_0123456789abcdefghij", "err", errors.New("dial postgres://u:hunter2@db/x"))
	for _, secret := range []string{"hunter2", "opaque-9", "s3cret", "456789abc"} {
		if strings.Contains(buf.String(), secret) {
			t.Errorf("the log shows %s: %s", secret, buf)
		}
	}
	shown, _ := json.Marshal(map[string]any{"a": Secret("s3cret")})
	if text := fmt.Sprintf("%v %s %#v %q %s", Secret("s3cret"), Secret("s3cret"), Secret("s3cret"), Secret("s3cret"), shown); strings.Contains(text, "s3cret") {
		t.Errorf("a Secret shows itself: %s", text)
	}
}

func TestOrdinaryLinesStay(t *testing.T) {
	t.Parallel()
	l, buf := logger(t, LogOptions{})
	l.Info("server listens", "addr", "127.0.0.1:8080", "message_uid", "0193a1b2-aaaa-7bbb-8ccc-123456789012", "count", 3, "took", "1.5s")
	for _, want := range []string{"addr=127.0.0.1:8080", "message_uid=0193a1b2-aaaa-7bbb-8ccc-123456789012", "count=3", "took=1.5s"} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("the log lacks %s: %s", want, buf)
		}
	}
	l.Debug("not shown")
	if strings.Contains(buf.String(), "not shown") {
		t.Error("debug lines at info level")
	}
}

func TestUnknownLogOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []LogOptions{{Level: "loud"}, {Format: "xml"}} {
		if _, err := NewLogger(&bytes.Buffer{}, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
