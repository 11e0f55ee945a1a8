package voice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

// element writes an element with its size in eight bytes, as recorders do.
func element(id uint64, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	return append(binary.BigEndian.AppendUint64(idOf(id), 1<<56|uint64(len(body))), body...)
}

// endless writes the head of an element that says no size.
func endless(id uint64) []byte {
	return append(idOf(id), 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
}

func idOf(id uint64) []byte {
	return bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, id), "\x00")
}

// packetsOf gives head and packets of a note.
func packetsOf(t testing.TB, note []byte) (head []byte, packets [][]byte) {
	t.Helper()
	pages := &pageReader{r: bytes.NewReader(note)}
	for n := 0; ; n++ {
		p, err := pages.next()
		if err != nil {
			return head, packets
		}
		p.packets(func(packet []byte) {
			switch {
			case n == 0:
				head = bytes.Clone(packet)
			case n > 1:
				packets = append(packets, bytes.Clone(packet))
			}
		})
	}
}

// recording makes a WebM file as a browser records it: segment and clusters
// without a size, a picture's track beside the sound's.
func recording(t testing.TB, note []byte) []byte {
	head, packets := packetsOf(t, note)
	file := element(ebmlHeader, []byte("anything"))
	file = append(file, endless(webmSegment)...)
	file = append(file, element(webmTracks,
		element(webmTrack, element(webmNumber, []byte{1}), element(webmCodec, []byte("V_VP8"))),
		element(webmTrack, element(webmNumber, []byte{2}), element(webmCodec, []byte("A_OPUS")), element(0xE1, []byte{0, 0}), element(webmPrivate, head)))...)
	for i, p := range packets {
		if i%50 == 0 {
			file = append(append(file, endless(webmCluster)...), element(0xE7, []byte{0})...)
		}
		file = append(file, element(webmSimple, []byte{0x81, 0, 0, 0x80}, []byte("a picture"))...)
		if i%7 == 0 {
			file = append(file, element(webmGroup, element(webmBlock, []byte{0x82, 0, 0, 0}, p))...)
			continue
		}
		file = append(file, element(webmSimple, []byte{0x82, 0, 0, 0x80}, p)...)
	}
	return file
}

func TestABrowsersRecordingNeedsNoFFmpeg(t *testing.T) {
	t.Parallel()
	note := voicetest.Opus(5 * time.Second)
	n, got, err := prepare(t, newConverter(t, Config{FFmpeg: "no-such-program"}), "voice.webm", "audio/webm", recording(t, note))
	if err != nil {
		t.Fatal(err)
	}
	_, want := packetsOf(t, note)
	_, packets := packetsOf(t, got)
	if len(packets) != len(want) {
		t.Fatalf("%d packets of %d", len(packets), len(want))
	}
	for i := range want {
		if !bytes.Equal(packets[i], want[i]) {
			t.Fatalf("packet %d is another", i)
		}
	}
	if off := n.Duration - 5*time.Second; !n.Converted || off < -50*time.Millisecond || off > 50*time.Millisecond {
		t.Errorf("converted: %v, length %s", n.Converted, n.Duration)
	}
}

func TestWhatIsNoRecordingIsLeftToFFmpeg(t *testing.T) {
	t.Parallel()
	good := recording(t, voicetest.Opus(time.Second))
	for name, file := range map[string][]byte{
		"nothing":        nil,
		"text":           []byte("this is a letter"),
		"Ogg":            voicetest.Opus(time.Second),
		"cut short":      good[:len(good)-3],
		"no sound":       element(ebmlHeader),
		"a huge element": append(element(ebmlHeader), append(idOf(webmSimple), 0x10, 0xFF, 0xFF, 0xFF)...),
		"no size":        append(element(ebmlHeader), endless(webmSimple)...),
		"another codec":  bytes.Replace(good, []byte("A_OPUS"), []byte("A_AACX"), 1),
		"laced":          bytes.ReplaceAll(good, []byte{0x82, 0, 0, 0x80}, []byte{0x82, 0, 0, 0x82}),
	} {
		if err := remux(bytes.NewReader(file), &bytes.Buffer{}); !errors.Is(err, errNotWebM) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRemux(f *testing.F) {
	good := recording(f, voicetest.Opus(100*time.Millisecond))
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(endless(webmSegment))
	f.Fuzz(func(t *testing.T, file []byte) {
		var out bytes.Buffer
		if err := remux(bytes.NewReader(file), &out); err != nil {
			if !errors.Is(err, errNotWebM) {
				t.Errorf("failed with %v", err)
			}
			return
		}
		if _, err := readOpus(bytes.NewReader(out.Bytes())); err != nil && !errors.Is(err, errNoSamples) {
			t.Errorf("wrote something that is no note: %v", err)
		}
	})
}
