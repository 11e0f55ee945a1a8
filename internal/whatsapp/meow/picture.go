package meow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	_ "image/gif" // pictures that are looked at before they are sent
	"image/jpeg"
	_ "image/png"
	"io"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	// pictureHead is how much of a picture is read to tell its size, in bytes. A
	// camera's notes and colour profiles come before that.
	pictureHead = 1 << 20
	// maxPictureMemory bounds what decoding one picture takes, in bytes; larger
	// ones go out without a thumbnail. At most maxLooks are looked at together.
	maxPictureMemory = 64 << 20
	maxLooks         = 2
	// thumbSide is the longer side of a thumbnail, in pixels, and thumbQuality its
	// quality: some two kilobytes, which go along with the message itself.
	thumbSide    = 96
	thumbQuality = 60
	// thumbSamples is how many pixels of the picture make one of the thumbnail, at
	// most, in each direction.
	thumbSamples = 4
)

// preview is what a phone shows of a picture until it has fetched it; zero
// fields are not known.
type preview struct {
	width, height uint32
	thumbnail     []byte // JPEG
}

// look reads a picture's size and makes its thumbnail. A picture that can't be
// read is sent all the same: it may be one that phones understand.
func (c *Connector) look(ctx context.Context, f *whatsapp.Attachment) preview {
	select {
	case c.looks <- struct{}{}:
		defer func() { <-c.looks }()
	case <-ctx.Done():
		return preview{}
	}
	r, err := f.Open(ctx)
	if err != nil {
		return preview{} // opening it again to send it tells why
	}
	defer func() { _ = r.Close() }() // it was only read
	return readPreview(r)
}

// readPreview looks at the picture in r.
func readPreview(r io.Reader) preview {
	head, err := io.ReadAll(io.LimitReader(r, pictureHead))
	if err != nil {
		return preview{}
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(head))
	if err != nil {
		width, height, _ := webpSize(head)
		return preview{width: width, height: height}
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > 1<<20 || c.Height > 1<<20 {
		return preview{}
	}
	p := preview{width: uint32(c.Width), height: uint32(c.Height)}
	if int64(c.Width)*int64(c.Height)*bytesPerPixel(c.ColorModel, format, head) > maxPictureMemory {
		return p
	}
	picture, _, err := image.Decode(io.MultiReader(bytes.NewReader(head), r))
	if err != nil {
		return p
	}
	p.thumbnail = thumbnail(picture)
	return p
}

// bytesPerPixel is how much memory the decoder takes for a pixel, at most.
func bytesPerPixel(m color.Model, format string, head []byte) int64 {
	switch {
	case format == "jpeg" && progressive(head):
		return 3 + 3*4 // all coefficients of three colours until the last scan
	case format == "jpeg":
		return 4
	case m == color.RGBA64Model || m == color.NRGBA64Model || m == color.Gray16Model:
		return 8
	}
	return 4
}

// progressive reports whether a JPEG file comes in several scans. What is not
// certainly in one counts as such (ITU T.81, annex B).
func progressive(head []byte) bool {
	const sof0, sof1, sof2, sos, soi, tem = 0xC0, 0xC1, 0xC2, 0xDA, 0xD8, 0x01
	for i := 0; i+4 <= len(head); {
		if head[i] != 0xFF {
			return true
		}
		switch marker := head[i+1]; {
		case marker == sof0 || marker == sof1:
			return false
		case marker == sof2 || marker == sos:
			return true
		case marker == 0xFF:
			i++ // padding
		case marker == soi || marker == tem || marker >= 0xD0 && marker <= 0xD7:
			i += 2
		default:
			i += 2 + int(binary.BigEndian.Uint16(head[i+2:]))
		}
	}
	return true
}

// thumbnail makes a small JPEG of a picture, on white where it is transparent.
func thumbnail(picture image.Image) []byte {
	b := picture.Bounds()
	w, h := b.Dx(), b.Dy()
	long := max(w, h)
	if w == 0 || h == 0 {
		return nil
	}
	tw, th := w, h
	if long > thumbSide {
		tw, th = max(1, w*thumbSide/long), max(1, h*thumbSide/long)
	}
	small := image.NewRGBA(image.Rect(0, 0, tw, th))
	for y := range th {
		for x := range tw {
			small.SetRGBA(x, y, average(picture, image.Rect(
				b.Min.X+x*w/tw, b.Min.Y+y*h/th, b.Min.X+(x+1)*w/tw, b.Min.Y+(y+1)*h/th)))
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: thumbQuality}); err != nil {
		return nil
	}
	return out.Bytes()
}

// average is the colour of a part of a picture, from a few of its pixels.
func average(picture image.Image, part image.Rectangle) color.RGBA {
	nx, ny := min(thumbSamples, max(1, part.Dx())), min(thumbSamples, max(1, part.Dy()))
	var sum [3]uint32
	for j := range ny {
		for i := range nx {
			r, g, b, a := picture.At(part.Min.X+part.Dx()*i/nx, part.Min.Y+part.Dy()*j/ny).RGBA()
			white := 0xFFFF - a
			sum[0], sum[1], sum[2] = sum[0]+r+white, sum[1]+g+white, sum[2]+b+white
		}
	}
	n := uint32(nx * ny)
	return color.RGBA{R: uint8(sum[0] / n >> 8), G: uint8(sum[1] / n >> 8), B: uint8(sum[2] / n >> 8), A: 0xFF}
}

var errNotWebP = errors.New("not a WebP picture")

// webpSize reads the size out of the beginning of a WebP file, which the standard
// library can't decode (RFC 9649, sections 2.5 to 2.7).
func webpSize(b []byte) (width, height uint32, err error) {
	if len(b) < 30 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WEBP" {
		return 0, 0, errNotWebP
	}
	const bits14 = 1<<14 - 1
	switch body := b[20:]; string(b[12:16]) {
	case "VP8 ":
		if !bytes.Equal(body[3:6], []byte{0x9D, 0x01, 0x2A}) {
			return 0, 0, errNotWebP
		}
		width = uint32(binary.LittleEndian.Uint16(body[6:])) & bits14
		height = uint32(binary.LittleEndian.Uint16(body[8:])) & bits14
	case "VP8L":
		if body[0] != 0x2F {
			return 0, 0, errNotWebP
		}
		size := binary.LittleEndian.Uint32(body[1:])
		width, height = size&bits14+1, size>>14&bits14+1
	case "VP8X":
		width = (uint32(body[4]) | uint32(body[5])<<8 | uint32(body[6])<<16) + 1
		height = (uint32(body[7]) | uint32(body[8])<<8 | uint32(body[9])<<16) + 1
	default:
		return 0, 0, errNotWebP
	}
	if width == 0 || height == 0 {
		return 0, 0, errNotWebP
	}
	return width, height, nil
}
