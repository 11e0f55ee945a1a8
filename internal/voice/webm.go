package voice

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

// Browsers that don't record Opus in Ogg record Opus in WebM. The sound is the
// same, so it is taken out of one and put into the other, without ffmpeg and
// without loss. Numbers of WebM's elements: RFC 9559 section 5.1, of EBML's: RFC
// 8794.
const (
	ebmlHeader   = 0x1A45DFA3
	webmSegment  = 0x18538067
	webmTracks   = 0x1654AE6B
	webmTrack    = 0xAE
	webmNumber   = 0xD7
	webmCodec    = 0x86
	webmPrivate  = 0x63A2
	webmCluster  = 0x1F43B675
	webmGroup    = 0xA0
	webmBlock    = 0xA1
	webmSimple   = 0xA3
	webmLacing   = 0x06 // bits of a block's flags
	unknownSize  = math.MaxInt64
	maxElement   = 64 << 10 // bytes of what is read as a whole; a packet has at most 1,275 per frame
	blockOverrun = 3        // bytes of a block after the track's number: time and flags
)

// errNotWebM says that a file is not Opus in WebM that can be taken out of it.
var errNotWebM = errors.New("not Opus in WebM")

// remux writes the Opus of a WebM file as Ogg. Errors: errNotWebM, when ffmpeg may
// still make something of it; those of reading and writing.
func remux(in io.Reader, out io.Writer) error {
	w := &webm{r: bufio.NewReaderSize(in, 64<<10)}
	for {
		id, size, err := w.element()
		if errors.Is(err, io.EOF) && w.ogg != nil {
			return w.ogg.close()
		}
		if err != nil {
			return notWebM(err)
		}
		switch id {
		case webmSegment, webmTracks, webmCluster, webmGroup:
			continue // what is in them comes next
		case webmTrack:
			w.track, w.opus, w.head = 0, false, nil
			continue
		}
		if size == unknownSize {
			return errNotWebM
		}
		switch id {
		case webmNumber, webmCodec, webmPrivate, webmBlock, webmSimple:
			body, err := w.body(size)
			if err == nil {
				err = w.take(id, body, out)
			}
			if err != nil {
				return notWebM(err)
			}
		default:
			if _, err := io.CopyN(io.Discard, w.r, size); err != nil {
				return notWebM(err)
			}
		}
	}
}

// notWebM tells a file that ends too early from one that can't be read or written.
func notWebM(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errNotWebM
	}
	return err
}

// webm reads a file element by element.
type webm struct {
	r     *bufio.Reader
	begun bool // the header was read
	ogg   *oggWriter
	from  uint64 // the track that is taken

	track uint64 // of the entry that is being read
	opus  bool
	head  []byte
}

// element reads an element's id and size.
func (w *webm) element() (id uint64, size int64, err error) {
	if id, _, err = w.number(4, true); err != nil {
		return 0, 0, err
	}
	if !w.begun && id != ebmlHeader {
		return 0, 0, errNotWebM
	}
	w.begun = true
	n, all, err := w.number(8, false)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if all {
		return id, unknownSize, err
	}
	if n > math.MaxInt64-1 {
		return 0, 0, errNotWebM
	}
	return id, int64(n), err
}

// number reads a number whose first byte says how long it is; marked keeps the
// bit that says it, as ids do. all reports that all its bits are set.
func (w *webm) number(longest int, marked bool) (n uint64, all bool, err error) {
	first, err := w.r.ReadByte()
	if err != nil {
		return 0, false, err
	}
	length := 1
	for mask := byte(0x80); length <= longest && first&mask == 0; mask >>= 1 {
		length++
	}
	if length > longest {
		return 0, false, errNotWebM
	}
	n = uint64(first)
	if !marked {
		n &= 0xFF >> length
	}
	for range length - 1 {
		b, err := w.r.ReadByte()
		if err != nil {
			return 0, false, notWebM(err)
		}
		n = n<<8 | uint64(b)
	}
	return n, !marked && n == 1<<(7*length)-1, nil
}

func (w *webm) body(size int64) ([]byte, error) {
	if size > maxElement {
		return nil, errNotWebM
	}
	b := make([]byte, size)
	_, err := io.ReadFull(w.r, b)
	return b, err
}

// take uses an element.
func (w *webm) take(id uint64, body []byte, out io.Writer) error {
	switch id {
	case webmNumber:
		w.track = 0
		for _, b := range body {
			w.track = w.track<<8 | uint64(b)
		}
	case webmCodec:
		w.opus = string(bytes.TrimRight(body, "\x00")) == "A_OPUS"
	case webmPrivate:
		w.head = body
	default:
		return w.block(body)
	}
	if w.ogg == nil && w.opus && w.track != 0 && w.head != nil {
		if _, err := readHead(&page{flags: flagFirst, body: w.head}); err != nil {
			return errNotWebM
		}
		w.from, w.ogg = w.track, newOggWriter(out)
		return w.ogg.begin(w.head)
	}
	return nil
}

// block takes the packet of a block.
func (w *webm) block(body []byte) error {
	b := &webm{r: bufio.NewReader(bytes.NewReader(body))}
	track, _, err := b.number(8, false)
	rest := make([]byte, blockOverrun)
	if err == nil {
		_, err = io.ReadFull(b.r, rest)
	}
	if err != nil {
		return err
	}
	if w.ogg == nil || track != w.from {
		return nil
	}
	packet, err := io.ReadAll(b.r)
	if err != nil || rest[2]&webmLacing != 0 || packetSamples(packet) == 0 {
		return errNotWebM
	}
	return w.ogg.packet(packet)
}

// oggWriter writes packets as pages of one stream.
type oggWriter struct {
	w        io.Writer
	number   uint32
	position int64
	segments []byte
	body     []byte
}

const (
	oggSerial = 1
	flagLast  = 4
	// pageSegments keeps a page below a second or so of speech.
	pageSegments = 200
)

func newOggWriter(w io.Writer) *oggWriter { return &oggWriter{w: w} }

// begin writes the two pages that come before the sound.
func (o *oggWriter) begin(head []byte) error {
	o.add(head)
	if err := o.flush(flagFirst); err != nil {
		return err
	}
	const vendor = "Tideline"
	tags := append([]byte("OpusTags"), byte(len(vendor)), 0, 0, 0)
	tags = append(append(tags, vendor...), 0, 0, 0, 0)
	o.add(tags)
	return o.flush(0)
}

// packet adds a packet of sound.
func (o *oggWriter) packet(p []byte) error {
	if len(o.segments)+len(p)/255+1 > pageSegments {
		if err := o.flush(0); err != nil {
			return err
		}
	}
	if len(p)/255+1 > maxSegments {
		return errNotWebM // no packet of Opus is as long
	}
	o.add(p)
	o.position += packetSamples(p)
	return nil
}

func (o *oggWriter) add(p []byte) {
	for range len(p) / 255 {
		o.segments = append(o.segments, 255)
	}
	o.segments = append(o.segments, byte(len(p)%255))
	o.body = append(o.body, p...)
}

// close writes the last page.
func (o *oggWriter) close() error { return o.flush(flagLast) }

func (o *oggWriter) flush(flags byte) error {
	p := make([]byte, pageHeader, pageHeader+len(o.segments)+len(o.body))
	copy(p, "OggS")
	p[5] = flags
	binary.LittleEndian.PutUint64(p[6:], uint64(o.position))
	binary.LittleEndian.PutUint32(p[14:], oggSerial)
	binary.LittleEndian.PutUint32(p[18:], o.number)
	p[26] = byte(len(o.segments))
	p = append(append(p, o.segments...), o.body...)
	binary.LittleEndian.PutUint32(p[22:], checksum(p))
	o.number++
	o.segments, o.body = o.segments[:0], o.body[:0]
	_, err := o.w.Write(p)
	return err
}

// repack puts the sound of a WebM file into the place of the file; false when
// there is none that could be taken out.
func (c *Converter) repack(n *Note) (bool, error) {
	if err := rewind(n.File); err != nil {
		return false, err
	}
	out, err := os.OpenFile(filepath.Join(n.folder, "repacked.ogg"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("keep a repacked file: %w", err)
	}
	b := bufio.NewWriter(out)
	err = remux(n.File, b)
	if err == nil {
		err = b.Flush()
	}
	var samples int64
	if err == nil {
		samples, err = c.measure(out)
	}
	switch {
	case err == nil:
	case isDiskError(err):
		return false, errors.Join(fmt.Errorf("repack a file: %w", err), out.Close())
	default: // ffmpeg may know better
		return false, out.Close()
	}
	given := n.File
	n.File, n.Converted, n.Duration = out, true, length(samples)
	return true, given.Close()
}
