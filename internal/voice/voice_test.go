package voice

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 1 << 20

func newConverter(t *testing.T, cfg Config) *Converter {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "voice")
	}
	c := New(cfg)
	if err := c.Sweep(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(cfg.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
			t.Errorf("files that stay after conversions: %v, %v", left, err)
		}
	})
	return c
}

// prepare gives the note and its bytes.
func prepare(t *testing.T, c *Converter, name, mimeType string, data []byte) (*Note, []byte, error) {
	t.Helper()
	n, err := c.Prepare(t.Context(), Source{Body: bytes.NewReader(data), Limit: limit, Describe: func() (string, string, error) { return name, mimeType, nil }})
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	return n, b, nil
}

func tone(at time.Duration) float64 {
	if at < time.Second {
		return 0.2
	}
	return 0.8
}

func TestANoteGoesThroughUntouched(t *testing.T) {
	t.Parallel()
	for _, ffmpeg := range []string{"", "/nowhere/ffmpeg"} {
		c := newConverter(t, Config{FFmpeg: ffmpeg})
		for _, want := range []time.Duration{20 * time.Millisecond, time.Second, 90 * time.Second} {
			given := voicetest.Opus(want)
			n, got, err := prepare(t, c, "a.bin", "", given)
			if err != nil {
				t.Fatal(err)
			}
			if n.Converted || !bytes.Equal(got, given) || n.Duration != want {
				t.Errorf("converted %t, same bytes %t, %s long, want %s", n.Converted, bytes.Equal(got, given), n.Duration, want)
			}
		}
	}
}

func TestOtherAudioIsConverted(t *testing.T) {
	t.Parallel()
	c := newConverter(t, Config{})
	for name, data := range map[string][]byte{
		"tone.wav": voicetest.WAV(2*time.Second, tone),
		"hush.mp3": voicetest.MP3(2 * time.Second),
	} {
		n, got, err := prepare(t, c, name, "", data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !n.Converted || n.Duration < 1900*time.Millisecond || n.Duration > 2200*time.Millisecond {
			t.Errorf("%s: converted %t, %s long, want about 2s", name, n.Converted, n.Duration)
		}
		if samples, err := readOpus(bytes.NewReader(got)); err != nil || length(samples) != n.Duration {
			t.Errorf("%s: what came out is no note: %d samples, %v", name, samples, err)
		}
		if name != "tone.wav" {
			continue
		}
		if w := n.Waveform; len(w) != WaveformSize || w[10] < 20 || w[10] > 30 || w[50] < 95 || w[50] > 100 {
			t.Errorf("waveform %v, want a quarter of the loudness in the first half", w)
		}
		// What was converted is a note: it goes through the second time.
		again, same, err := prepare(t, c, "x.mp3", "", got)
		if err != nil || again.Converted || !bytes.Equal(same, got) || len(again.Waveform) != WaveformSize {
			t.Errorf("a second time: %+v, %v", again, err)
		}
	}
}

func TestADamagedNoteIsMended(t *testing.T) {
	t.Parallel()
	whole := voicetest.Opus(5 * time.Second)
	cut := whole[:len(whole)-30]
	n, _, err := prepare(t, newConverter(t, Config{}), "cut.ogg", "", cut)
	if err != nil || !n.Converted || n.Duration < 4*time.Second || n.Duration > 6*time.Second {
		t.Errorf("got %+v, %v", n, err)
	}
	_, _, err = prepare(t, newConverter(t, Config{FFmpeg: "/nowhere"}), "cut.ogg", "", cut)
	blamed(t, err, "damaged", "ffmpeg")
}

func TestWhatIsNoAudioIsRefused(t *testing.T) {
	t.Parallel()
	for _, ffmpeg := range []string{"", "/nowhere/ffmpeg"} {
		c := newConverter(t, Config{FFmpeg: ffmpeg})
		for name, data := range map[string]string{
			"note.ogg": "these are words", "a.mp3": "\x89PNG\r\n\x1a\n0000", "b.ogg": "%PDF-1.7", "c.mp3": "",
			"list.mp3": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", "x.m4a": "ffconcat version 1.0\nfile /etc/passwd\n",
			"film.mp4": "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2",
		} {
			_, _, err := prepare(t, c, name, "video/mp4", []byte(data))
			blamed(t, err, "is not audio")
		}
	}
}

func TestAudioWithoutSoundIsRefused(t *testing.T) {
	t.Parallel()
	c := newConverter(t, Config{})
	_, _, err := prepare(t, c, "a.ogg", "", voicetest.Opus(0))
	blamed(t, err, "sound")
	_, _, err = prepare(t, c, "a.flac", "", []byte("fLaC\x00\x00\x00\x22and then nothing of the kind"))
	blamed(t, err, "can't be converted")
}

// TestWithoutFFmpegTheErrorSaysWhatToDo has no program where it is looked for.
func TestWithoutFFmpegTheErrorSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", "")
	for _, cfg := range []Config{{}, {FFmpeg: filepath.Join(t.TempDir(), "ffmpeg")}} {
		c := newConverter(t, cfg)
		_, _, err := prepare(t, c, "a.mp3", "", voicetest.MP3(time.Second))
		blamed(t, err, "audio/mpeg", "install it", "Opus in Ogg")
		if _, _, err := c.Version(t.Context()); err == nil {
			t.Error("a version of a program that isn't there")
		}
	}
}

func TestTheVersionIsTold(t *testing.T) {
	t.Parallel()
	path, version, err := newConverter(t, Config{}).Version(t.Context())
	if err != nil || !filepath.IsAbs(path) || !strings.HasPrefix(version, "ffmpeg version") || strings.Contains(version, "Copyright") {
		t.Errorf("got %q, %q, %v", path, version, err)
	}
}

func TestANoteIsNotLargerThanAllowed(t *testing.T) {
	t.Parallel()
	c := newConverter(t, Config{})
	_, err := c.Prepare(t.Context(), Source{
		Body: bytes.NewReader(voicetest.WAV(20*time.Second, tone)), Limit: 10_000,
	})
	if !tideline.IsCode(err, tideline.CodeTooLarge) {
		t.Errorf("got %v, want too large", err)
	}
}

func TestASlowConversionIsStopped(t *testing.T) {
	t.Parallel()
	slow := filepath.Join(t.TempDir(), "slow")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nexec /bin/sleep 3600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := newConverter(t, Config{FFmpeg: slow, Timeout: 50 * time.Millisecond})
	_, _, err := prepare(t, c, "a.mp3", "", voicetest.MP3(time.Second))
	blamed(t, err, "longer than 50ms")
	// A note needs no conversion, only its waveform is missing.
	if n, _, err := prepare(t, c, "a.ogg", "", voicetest.Opus(time.Second)); err != nil || n.Waveform != nil {
		t.Errorf("a note: %+v, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Prepare(ctx, Source{Body: bytes.NewReader(voicetest.MP3(time.Second)), Limit: limit})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestErrorsOfTheGiverPass(t *testing.T) {
	t.Parallel()
	c := newConverter(t, Config{})
	mine := errors.New("mine")
	if _, err := c.Prepare(t.Context(), Source{Body: io.MultiReader(strings.NewReader("x"), failing{mine})}); !errors.Is(err, mine) {
		t.Errorf("body: %v", err)
	}
	_, err := c.Prepare(t.Context(), Source{Body: bytes.NewReader(voicetest.Opus(time.Second)), Describe: func() (string, string, error) { return "", "", mine }})
	if !errors.Is(err, mine) {
		t.Errorf("describe: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestLeftoversOfACrashGo starts over a folder in which a conversion was cut off.
func TestLeftoversOfACrashGo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "voice")
	if err := os.MkdirAll(filepath.Join(dir, "voice-123"), 0o700); err != nil {
		t.Fatal(err)
	}
	newConverter(t, Config{Dir: dir}) // looks at the end that nothing is left
}

// blamed checks for a validation error that names the file and says all of words.
func blamed(t *testing.T, err error, words ...string) {
	t.Helper()
	e, ok := errors.AsType[*tideline.Error](err)
	if !ok || e.Code != tideline.CodeValidation || len(e.Fields) != 1 || e.Fields[0].Path[0] != "file" {
		t.Fatalf("got %v, want a validation error naming the file", err)
	}
	for _, w := range words {
		if !strings.Contains(e.Fields[0].Msg, w) {
			t.Errorf("%q does not say %q", e.Fields[0].Msg, w)
		}
	}
}
