package meow

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

func TestSandboxRefusesOtherMachines(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:8443": true, "127.1.2.3:1": true, "[::1]:8443": true,
		"web.whatsapp.com:443": false, "localhost:1": false, "10.0.0.1:443": false, "0.0.0.0:1": false,
		"[::]:1": false, "127.0.0.1": false, "": false, "127.0.0.1.example.org:80": false,
	} {
		if err := checkLoopback(addr); (err == nil) != ok {
			t.Errorf("address %q: got %v, want allowed %t", addr, err, ok)
		}
		if ok {
			continue
		}
		_, err := Open(t.Context(), Options{DataDir: t.TempDir(), Endpoint: &Endpoint{Addr: addr}})
		if err == nil {
			t.Errorf("a connector opened on %q", addr)
		}
	}
}

// TestProcessIsOneNetworkOnly settles the process on the emulated network, as
// every test here does, and asks for others.
func TestProcessIsOneNetworkOnly(t *testing.T) {
	t.Parallel()
	srv, err := wasim.Start(t.Context(), wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	here := Options{DataDir: t.TempDir(), Endpoint: &Endpoint{Addr: srv.Addr(), RootKey: srv.RootKey()}, KeepAlive: testKeepAlive}
	c, err := Open(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if whatsmeow.WACertPubKey != srv.RootKey() {
		t.Error("the library does not trust the sandbox")
	}
	for name, change := range map[string]func(*Options){
		"WhatsApp itself":   func(o *Options) { o.Endpoint = nil },
		"another sandbox":   func(o *Options) { o.Endpoint = &Endpoint{Addr: srv.Addr(), RootKey: [32]byte{1}} },
		"another name":      func(o *Options) { o.DeviceName = "Other" },
		"another pace":      func(o *Options) { o.KeepAlive.Max *= 2 },
		"no version":        func(o *Options) { o.Version = "newest" },
		"no folder":         func(o *Options) { o.DataDir = "" },
		"an empty interval": func(o *Options) { o.KeepAlive.Max = o.KeepAlive.Min },
	} {
		o := here
		change(&o)
		if c, err := Open(t.Context(), o); err == nil {
			t.Errorf("a connector with %s opened in the same process", name)
			_ = c.Close()
		}
	}
}

// testKeepAlive is the one that all tests of the package use.
var testKeepAlive = KeepAlive{Min: 2 * time.Second, Max: 3 * time.Second, Deadline: 4 * time.Second}

func TestRefusalsHaveReasons(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]whatsapp.SendError{
		463: {Reason: tideline.ReasonReachOutLimited},
		404: {Reason: tideline.ReasonNotOnWhatsApp},
		400: {Reason: tideline.ReasonRejected}, 479: {Reason: tideline.ReasonRejected}, 550: {Reason: tideline.ReasonRejected},
		408: {}, 429: {}, 500: {}, 503: {}, 552: {},
	} {
		// As the library writes it in send.go.
		got := sendError(fmt.Errorf("%w %d", whatsmeow.ErrServerReturnedError, code))
		if got.Reason != want.Reason || got.Unknown || got.Offline {
			t.Errorf("code %d: got %+v, want reason %q", code, got, want.Reason)
		}
		if !errors.Is(got, whatsmeow.ErrServerReturnedError) || !strings.Contains(got.Error(), fmt.Sprint(code)) {
			t.Errorf("code %d: the error %q lost its cause", code, got)
		}
	}
}

func TestFailuresBeforeAndAfterTheFrame(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("failed to send message node: %w", whatsmeow.ErrNotConnected), "offline"},
		{whatsmeow.ErrMessageTimedOut, "unknown"},
		{&whatsmeow.DisconnectedError{Action: "message send"}, "unknown"},
		{errors.New("something new"), "unknown"},
		{fmt.Errorf("get devices: %w", &whatsmeow.DisconnectedError{Action: "info query"}), "later"},
		{fmt.Errorf("get devices: %w", whatsmeow.ErrIQTimedOut), "later"},
		{fmt.Errorf("get devices: %w", whatsmeow.ErrIQRateOverLimit), "later"},
		{fmt.Errorf("failed to get group members: %w", whatsmeow.ErrNotInGroup), string(tideline.ReasonInvalidRecipient)},
	} {
		e := sendError(tc.err)
		got := string(e.Reason)
		switch {
		case e.Offline:
			got = "offline"
		case e.Unknown:
			got = "unknown"
		case got == "":
			got = "later"
		}
		if got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.err, got, tc.want)
		}
	}
}

func TestBackoffGrowsToItsLimitAndVaries(t *testing.T) {
	t.Parallel()
	const first, limit = 100 * time.Millisecond, 5 * time.Second
	seen := map[time.Duration]bool{}
	for failures := range 100 {
		mean := min(first<<min(failures, 10), limit)
		for range 50 {
			d := backoff(failures, first, limit)
			if d < mean/2 || d >= mean*3/2 {
				t.Fatalf("after %d failures: %s, want %s give or take a half", failures, d, mean)
			}
			seen[d] = true
		}
	}
	if len(seen) < 1000 {
		t.Errorf("only %d different pauses", len(seen))
	}
}

func TestKindFollowsType(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mime    string
		caption bool
		want    kind
	}{
		{"image/jpeg", true, kindImage}, {"IMAGE/PNG", false, kindImage}, {"image/webp", true, kindImage}, {"image/gif", false, kindImage}, {"image/tiff", false, kindDocument},
		{"video/mp4", true, kindVideo}, {"video/quicktime", true, kindDocument},
		{"audio/ogg; codecs=opus", false, kindAudio}, {"audio/mpeg", true, kindDocument}, {"audio/x-wav", false, kindDocument},
		{"application/pdf", true, kindDocument}, {"", false, kindDocument}, {"not a type;;", false, kindDocument},
	} {
		if got := kindOf(tc.mime, tc.caption); got != tc.want {
			t.Errorf("%q with caption %t: got %d, want %d", tc.mime, tc.caption, got, tc.want)
		}
	}
}

func TestLibraryIsHeardAtDebugLevelOnly(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	l := libraryLogger{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	l.Errorf("failed for %s", "14840000001@s.whatsapp.net")
	l.Sub("Recv").Warnf("odd message from %s", "14840000001")
	if b.Len() > 0 {
		t.Errorf("at info level the library said %q", b.String())
	}
	b.Reset()
	l = libraryLogger{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	l.Errorf("failed for %s", "somebody")
	if !strings.Contains(b.String(), "failed for somebody") || !strings.Contains(b.String(), "library_level=error") {
		t.Errorf("at debug level the library said %q", b.String())
	}
}

func TestSendErrorsNameNoNumber(t *testing.T) {
	t.Parallel()
	cause := fmt.Errorf("failed to get user info for 14840000001@s.whatsapp.net to fill LID cache: %w", whatsmeow.ErrIQTimedOut)
	for _, err := range []error{sendError(cause), attachmentError(cause)} {
		if strings.Contains(err.Error(), "1484") || !errors.Is(err, whatsmeow.ErrIQTimedOut) {
			t.Errorf("got %q, want it without the number and with its cause", err)
		}
	}
}
