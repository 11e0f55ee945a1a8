package file_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

func roomy(p *tideline.Principal) { p.Workspace.Plan.MaxFileBytes = 1 << 20 }

func TestARecordingIsKeptAsItWillBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		data []byte
		kept string
		same bool
	}{
		"note.opus":      {voicetest.Opus(2 * time.Second), "note.opus", true},
		"../a/hello.mp3": {voicetest.MP3(2 * time.Second), "hello.ogg", false},
		"":               {voicetest.WAV(2*time.Second, func(time.Duration) float64 { return 1 }), "file.ogg", false},
	} {
		rec, err := w.KeepVoice(t.Context(), principal(roomy), file.Upload{
			Body:     bytes.NewReader(tc.data),
			Describe: func() (file.Description, error) { return file.Description{SentName: name, SentType: "image/png"}, nil },
		})
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		f := rec.File
		if f.Name != tc.kept || f.MIMEType != voice.MIMEType || f.UploadedBy != "ada@example.com" || rec.Data()[tideline.DataDuration] != "2" {
			t.Errorf("%q: kept %+v with %v", name, f, rec.Data())
		}
		r, err := w.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b, []byte("OggS")) || int64(len(b)) != f.Size || bytes.Equal(b, tc.data) != tc.same {
			t.Errorf("%q: %d bytes are kept, said to be %d", name, len(b), f.Size)
		}
		if wave := rec.Data()[tideline.DataWaveform]; name == "" {
			if values, err := base64.StdEncoding.DecodeString(wave); err != nil || len(values) != voice.WaveformSize {
				t.Errorf("waveform %q", wave)
			}
		}
	}
}

func TestARecordingIsAtLeastASecondLong(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{0: "1", 400 * time.Millisecond: "1", 1400 * time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Hour: "3600"} {
		if got := (&file.Recording{Duration: length}).Data()[tideline.DataDuration]; got != want {
			t.Errorf("%s: %s s, want %s", length, got, want)
		}
	}
}

func TestARefusedRecordingLeavesNothing(t *testing.T) {
	t.Parallel()
	note := voicetest.Opus(time.Second)
	for name, tc := range map[string]struct {
		edit func(p *tideline.Principal)
		data []byte
		desc file.Description
		down error
		code tideline.Code
	}{
		"too large":    {edit: func(p *tideline.Principal) { p.Workspace.Plan.MaxFileBytes = 60 }, data: note, code: tideline.CodeTooLarge},
		"no audio":     {edit: roomy, data: []byte("words"), code: tideline.CodeValidation},
		"empty":        {edit: roomy, code: tideline.CodeValidation},
		"a long name":  {edit: roomy, data: note, desc: file.Description{Name: strings.Repeat("n", 1025)}, code: tideline.CodeValidation},
		"storage":      {edit: roomy, data: note, down: errors.New("away"), code: tideline.CodeInternal},
		"no right":     {edit: func(p *tideline.Principal) { roomy(p); p.Member.Role = tideline.RoleCollaborator }, data: note, code: tideline.CodePermissionDenied},
		"not in plan":  {edit: func(p *tideline.Principal) { roomy(p); p.Workspace.Plan.Attachments = false }, data: note, code: tideline.CodePlanFeatureUnavailable},
		"not a type":   {edit: roomy, data: note, desc: file.Description{ContentType: "x"}, code: tideline.CodeValidation},
		"a short note": {edit: roomy, data: note[:50], code: tideline.CodeValidation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.records.down = tc.down
			_, err := w.KeepVoice(t.Context(), principal(tc.edit), file.Upload{
				Body: bytes.NewReader(tc.data), Describe: func() (file.Description, error) { return tc.desc, nil },
			})
			if !tideline.IsCode(err, tc.code) {
				t.Errorf("got %v, want %s", err, tc.code)
			}
			if n := w.bytesKept(t); n != 0 || len(w.records.files) != 0 {
				t.Errorf("%d files of bytes and %d records stay", n, len(w.records.files))
			}
		})
	}
}

func TestAWithdrawnFileLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, err := w.Upload(t.Context(), principal(nil), file.Upload{Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Withdraw(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if n := w.bytesKept(t); n != 0 || len(w.records.files) != 0 {
		t.Errorf("%d files of bytes and %d records stay", n, len(w.records.files))
	}
}

// bytesKept counts the files whose bytes are kept.
func (w *world) bytesKept(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(w.folder, "files"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}
