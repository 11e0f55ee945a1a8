package meow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func encoded(t testing.TB, encode func(w io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngHead is a PNG that claims a size and has nothing in it: the signature and the
// first chunk.
func pngHead(t testing.TB, width, height int) []byte {
	t.Helper()
	b := encoded(t, func(w io.Writer) error { return png.Encode(w, image.NewGray(image.Rect(0, 0, 1, 1))) })[:33]
	binary.BigEndian.PutUint32(b[16:], uint32(width))
	binary.BigEndian.PutUint32(b[20:], uint32(height))
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestAPreviewIsSmallAndOnWhite(t *testing.T) {
	t.Parallel()
	clear := image.NewNRGBA(image.Rect(0, 0, 1000, 10)) // transparent
	for x := range 500 {
		for y := range 10 {
			clear.SetNRGBA(x, y, color.NRGBA{B: 255, A: 255})
		}
	}
	p := readPreview(bytes.NewReader(encoded(t, func(w io.Writer) error { return png.Encode(w, clear) })))
	if p.width != 1000 || p.height != 10 {
		t.Errorf("%d by %d", p.width, p.height)
	}
	small, err := jpeg.Decode(bytes.NewReader(p.thumbnail))
	if err != nil {
		t.Fatal(err)
	}
	if small.Bounds() != image.Rect(0, 0, 96, 1) {
		t.Errorf("the thumbnail is %s", small.Bounds())
	}
	if r, _, b, _ := small.At(10, 0).RGBA(); r>>8 > 40 || b>>8 < 215 {
		t.Errorf("on the left it is %d %d, want blue", r>>8, b>>8)
	}
	if r, g, _, _ := small.At(90, 0).RGBA(); r>>8 < 215 || g>>8 < 215 {
		t.Errorf("on the right it is %d %d, want white", r>>8, g>>8)
	}
}

func TestASmallPictureIsNotBlownUp(t *testing.T) {
	t.Parallel()
	dot := image.NewPaletted(image.Rect(5, 5, 6, 7), color.Palette{color.White})
	p := readPreview(bytes.NewReader(encoded(t, func(w io.Writer) error { return gif.Encode(w, dot, nil) })))
	small, err := jpeg.Decode(bytes.NewReader(p.thumbnail))
	if err != nil || small.Bounds().Dx() != 1 || small.Bounds().Dy() != 2 {
		t.Errorf("got %+v, %v", p, err)
	}
}

// TestALyingPictureTakesNoMemory gives pictures that claim to be huge.
func TestALyingPictureTakesNoMemory(t *testing.T) {
	t.Parallel()
	p := readPreview(bytes.NewReader(pngHead(t, 9000, 9000)))
	if p.width != 9000 || p.height != 9000 || p.thumbnail != nil {
		t.Errorf("got %d by %d, thumbnail %d bytes", p.width, p.height, len(p.thumbnail))
	}
	read := &counting{r: io.MultiReader(bytes.NewReader(pngHead(t, 9000, 9000)), zeros{})}
	readPreview(read)
	if read.n > pictureHead {
		t.Errorf("%d bytes of a picture that is too large were read", read.n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestScansOfAJPEGAreTold(t *testing.T) {
	t.Parallel()
	plain := encoded(t, func(w io.Writer) error { return jpeg.Encode(w, image.NewGray(image.Rect(0, 0, 8, 8)), nil) })
	several := bytes.Replace(plain, []byte{0xFF, 0xC0}, []byte{0xFF, 0xC2}, 1)
	for name, tc := range map[string]struct {
		head []byte
		want bool
	}{
		"one scan": {plain, false}, "several": {several, true}, "empty": {nil, true}, "cut": {plain[:10], true},
		"padded": {append([]byte{0xFF, 0xFF}, plain...), false}, "garbage": {[]byte("\xFF\xD8garbage"), true},
	} {
		if got := progressive(tc.head); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTheSizeOfAWebPIsRead(t *testing.T) {
	t.Parallel()
	rest := string(make([]byte, 20))
	for name, tc := range map[string]struct {
		data          string
		width, height uint32
	}{
		"lossy":    {"RIFF\x00\x00\x00\x00WEBPVP8 \x00\x00\x00\x00\x30\x01\x00\x9d\x01\x2a\x2c\x01\xc8\x40" + rest, 300, 200}, // with a scale
		"lossless": {"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f\x2b\xc1\x31\x00" + rest, 300, 200},
		"extended": {"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x2b\x01\x00\xc7\x00\x00" + rest, 300, 200},
		"unknown":  {"RIFF\x00\x00\x00\x00WEBPVP9 " + rest, 0, 0},
		"a sound":  {"RIFF\x00\x00\x00\x00WAVEfmt " + rest, 0, 0},
		"cut":      {"RIFF\x00\x00\x00\x00WEBPVP8L", 0, 0},
		"no start": {"RIFF\x00\x00\x00\x00WEBPVP8 " + rest, 0, 0},
	} {
		width, height, err := webpSize([]byte(tc.data))
		if width != tc.width || height != tc.height || (err == nil) != (tc.width > 0) {
			t.Errorf("%s: %d by %d, %v", name, width, height, err)
		}
	}
}

func TestAPictureThatCantBeOpenedHasNoPreview(t *testing.T) {
	t.Parallel()
	c := &Connector{looks: make(chan struct{}, 1)}
	f := &whatsapp.Attachment{Open: func(context.Context) (io.ReadCloser, error) { return nil, errors.New("away") }}
	if p := c.look(t.Context(), f); p.width != 0 {
		t.Errorf("got %+v", p)
	}
	if len(c.looks) != 0 {
		t.Error("its place was not given back")
	}
	c.looks <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.look(ctx, f) // returns although the place is taken
}

// FuzzPreview reads any bytes as a picture.
func FuzzPreview(f *testing.F) {
	f.Add(encoded(f, func(w io.Writer) error { return jpeg.Encode(w, image.NewGray(image.Rect(0, 0, 9, 9)), nil) }))
	f.Add(encoded(f, func(w io.Writer) error { return png.Encode(w, image.NewNRGBA64(image.Rect(0, 0, 9, 300))) }))
	f.Add(encoded(f, func(w io.Writer) error {
		return gif.Encode(w, image.NewPaletted(image.Rect(0, 0, 9, 9), color.Palette{color.Black}), nil)
	}))
	f.Add(pngHead(f, 100, 100))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x2b\x01\x00\xc7\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		progressive(data)
		p := readPreview(bytes.NewReader(data))
		if p.thumbnail == nil {
			return
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(p.thumbnail))
		if err != nil || c.Width > thumbSide || c.Height > thumbSide || p.width == 0 || p.height == 0 || len(p.thumbnail) > 20<<10 {
			t.Errorf("a thumbnail of %d by %d in %d bytes for %d by %d: %v", c.Width, c.Height, len(p.thumbnail), p.width, p.height, err)
		}
	})
}
