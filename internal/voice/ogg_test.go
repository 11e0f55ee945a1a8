package voice

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

func TestWhatIsNotANoteIsTold(t *testing.T) {
	t.Parallel()
	note := voicetest.Opus(3 * time.Second)
	edit := func(fn func(b []byte) []byte) []byte { return fn(bytes.Clone(note)) }
	second := bytes.Index(note[1:], []byte("OggS")) + 1
	for name, tc := range map[string]struct {
		data []byte
		want error
	}{
		"empty":             {nil, errNotOgg},
		"short":             {[]byte("Ogg"), errNotOgg},
		"text":              {[]byte("a text that is longer than the head of a page"), errNotOgg},
		"begun":             {note[:40], errDamaged},
		"another codec":     {voicetest.Page(nil, 2, 0, 1, 0, []byte("\x01vorbis and so on")), errNotOpus},
		"surround":          {edit(func(b []byte) []byte { b[28+9] = 6; voicetest.Seal(b[:second]); return b }), errSurround},
		"another version":   {edit(func(b []byte) []byte { b[28+8] = 0x10; voicetest.Seal(b[:second]); return b }), errDamaged},
		"one bit":           {edit(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), errDamaged},
		"cut in a page":     {note[:len(note)-1], errDamaged},
		"head alone":        {note[:second], errNoSamples},
		"no comments":       {append(bytes.Clone(note[:second]), voicetest.Page(nil, 0, 9600, 7, 1, []byte{0xF8, 0xFF, 0xFE})...), errDamaged},
		"two in a row":      {append(bytes.Clone(note), note...), errSeveral},
		"two at a time":     {voicetest.Page(bytes.Clone(note), 0, 99999999, 8, 9, []byte{0xF8}), errSeveral},
		"time goes back":    {voicetest.Page(bytes.Clone(note), 0, 960, 7, 9, []byte{0xF8}), errDamaged},
		"garbage behind it": {append(bytes.Clone(note), bytes.Repeat([]byte("garbage "), 9)...), errNotOgg},
	} {
		if n, err := readOpus(bytes.NewReader(tc.data)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %d samples and %v, want %v", name, n, err, tc.want)
		}
	}
}

func TestARecordingCutOutOfALongerOneIsAsLongAsItSounds(t *testing.T) {
	t.Parallel()
	const hour = 3600 * opusRate
	whole := voicetest.Opus(0)
	packet := []byte{0xF8, 0xFF, 0xFE}
	b := voicetest.Page(bytes.Clone(whole), 0, hour, 7, 2, packet, packet)
	b = voicetest.Page(b, 4, hour+960, 7, 3, packet)
	if n, err := readOpus(bytes.NewReader(b)); err != nil || n != 3*960-312 {
		t.Errorf("%d samples and %v, want three packets less what is skipped", n, err)
	}
}

func TestPacketsSayHowLongTheyAre(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		packet []byte
		want   int64
	}{
		{nil, 0}, {[]byte{0x08}, 960}, {[]byte{0x18}, 2880}, {[]byte{0x60}, 480}, {[]byte{0x68}, 960}, {[]byte{0x80}, 120},
		{[]byte{0xF8}, 960}, {[]byte{0xF9}, 1920}, {[]byte{0xFA}, 1920}, {[]byte{0xFB}, 0}, {[]byte{0xFB, 0x83}, 2880},
	} {
		if got := packetSamples(tc.packet); got != tc.want {
			t.Errorf("% X: %d samples, want %d", tc.packet, got, tc.want)
		}
	}
}

// FuzzReadOpus reads anything. Whatever is taken for a note is Ogg and has sound
// in it; and with checksums mended, more of the parser is reached.
func FuzzReadOpus(f *testing.F) {
	f.Add(voicetest.Opus(time.Second), false)
	f.Add(voicetest.Opus(0), true)
	f.Add([]byte("OggS"), true)
	f.Add(voicetest.Page(voicetest.Opus(0), 5, -1, 7, 2, []byte{0xFF, 0xFF}), true)
	f.Fuzz(func(t *testing.T, data []byte, mend bool) {
		if mend {
			data = bytes.Clone(data)
			for at := 0; at+pageHeader <= len(data); {
				end := at + pageHeader + int(data[at+26])
				for _, s := range data[min(at+pageHeader, len(data)):min(end, len(data))] {
					end += int(s)
				}
				end = min(end, len(data))
				voicetest.Seal(data[at:end])
				at = end
			}
		}
		samples, err := readOpus(bytes.NewReader(data))
		if err == nil && (samples <= 0 || !bytes.HasPrefix(data, []byte("OggS"))) {
			t.Errorf("%d samples", samples)
		}
	})
}
