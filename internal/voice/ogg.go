package voice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Errors of readOpus: what a file is instead of Opus in Ogg that can be sent as
// it is.
var (
	errNotOgg    = errors.New("not an Ogg file")
	errNotOpus   = errors.New("not Opus")
	errDamaged   = errors.New("damaged")
	errSeveral   = errors.New("several streams in one file")
	errSurround  = errors.New("more than two channels")
	errNoSamples = errors.New("no sound in it")
)

// Numbers of the formats: RFC 3533 section 6 for pages, RFC 7845 for Opus in them.
const (
	pageHeader    = 27
	maxSegments   = 255
	flagContinued = 1
	flagFirst     = 2
	noPosition    = -1
	opusRate      = 48000 // positions count samples at this rate, whatever was recorded
	opusHeadSize  = 19
)

// page is one Ogg page.
type page struct {
	flags    byte
	position int64 // samples up to the end of the last packet that ends here; noPosition = none does
	serial   uint32
	segments []byte
	body     []byte
}

// pageReader reads pages into one buffer.
type pageReader struct {
	r   io.Reader
	buf [pageHeader + maxSegments + maxSegments*255]byte
}

// next reads a page; io.EOF after the last one.
func (p *pageReader) next() (page, error) {
	head := p.buf[:pageHeader]
	if n, err := io.ReadFull(p.r, head); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return page{}, io.EOF
		}
		return page{}, cutShort(err)
	}
	if string(head[:4]) != "OggS" || head[4] != 0 {
		return page{}, errNotOgg
	}
	segments := p.buf[pageHeader : pageHeader+int(head[26])]
	if _, err := io.ReadFull(p.r, segments); err != nil {
		return page{}, cutShort(err)
	}
	size := 0
	for _, s := range segments {
		size += int(s)
	}
	body := p.buf[pageHeader+len(segments):][:size]
	if _, err := io.ReadFull(p.r, body); err != nil {
		return page{}, cutShort(err)
	}
	sum := binary.LittleEndian.Uint32(head[22:])
	clear(head[22:26])
	if checksum(p.buf[:pageHeader+len(segments)+size]) != sum {
		return page{}, fmt.Errorf("%w: a checksum is wrong", errDamaged)
	}
	return page{
		flags:    head[5],
		position: int64(binary.LittleEndian.Uint64(head[6:])),
		serial:   binary.LittleEndian.Uint32(head[14:]),
		segments: segments,
		body:     body,
	}, nil
}

// cutShort says what a read that failed within a page means.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends within a page", errDamaged)
	}
	return err
}

// packets calls fn for every packet that begins and ends on the page.
func (p *page) packets(fn func(packet []byte)) {
	start, end := 0, 0
	whole := p.flags&flagContinued == 0
	for _, s := range p.segments {
		end += int(s)
		if s == 255 {
			continue
		}
		if whole {
			fn(p.body[start:end])
		}
		start, whole = end, true
	}
}

// readOpus reads a whole file and gives the length of its sound, in samples at
// opusRate. The error tells why the file can't be sent as it is; one that is none
// of this file's errors is the reader's.
func readOpus(r io.Reader) (samples int64, err error) {
	pages := &pageReader{r: r}
	first, err := pages.next()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, errDamaged) && !bytes.HasPrefix(pages.buf[:], []byte("OggS")) {
			return 0, errNotOgg
		}
		return 0, err
	}
	skip, err := readHead(&first)
	if err != nil {
		return 0, err
	}
	serial := first.serial
	begin, end := int64(noPosition), int64(noPosition)
	tags := false
	for {
		p, err := pages.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		switch {
		case p.serial != serial || p.flags&flagFirst != 0:
			return 0, errSeveral
		case !tags:
			// The comments come next and end a page; they may go over several.
			if p.flags&flagContinued == 0 && !bytes.HasPrefix(p.body, []byte("OpusTags")) {
				return 0, fmt.Errorf("%w: its comments are missing", errDamaged)
			}
			n := len(p.segments)
			tags = n > 0 && p.segments[n-1] < 255
		case p.position == noPosition:
		case p.position < 0 || p.position < end:
			return 0, fmt.Errorf("%w: its time runs backwards", errDamaged)
		default:
			if begin == noPosition {
				// A recording cut out of a longer one does not begin at zero.
				begin = max(0, p.position-p.samples())
			}
			end = p.position
		}
	}
	if samples = end - begin - skip; end == noPosition || samples <= 0 {
		return 0, errNoSamples
	}
	return samples, nil
}

// readHead reads the first page and gives how many samples a player skips.
func readHead(p *page) (skip int64, err error) {
	b := p.body
	switch {
	case !bytes.HasPrefix(b, []byte("OpusHead")):
		return 0, errNotOpus
	case p.flags&flagFirst == 0 || len(b) < opusHeadSize || b[8]&0xF0 != 0:
		return 0, fmt.Errorf("%w: its head is wrong", errDamaged)
	case b[9] == 0 || b[9] > 2 || b[18] != 0:
		return 0, errSurround
	}
	return int64(binary.LittleEndian.Uint16(b[10:])), nil
}

// samples sums the lengths of the packets that begin and end on the page.
func (p *page) samples() int64 {
	var n int64
	p.packets(func(packet []byte) { n += packetSamples(packet) })
	return n
}

// packetSamples reads a packet's length from its first bytes, RFC 6716 section
// 3.1; zero when it is not valid.
func packetSamples(packet []byte) int64 {
	if len(packet) == 0 {
		return 0
	}
	const ms = opusRate / 1000
	var frame int64
	switch config := packet[0] >> 3; {
	case config < 12: // SILK
		frame = [4]int64{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config%4]
	case config < 16: // hybrid
		frame = [2]int64{10 * ms, 20 * ms}[config%2]
	default: // CELT
		frame = [4]int64{ms * 5 / 2, 5 * ms, 10 * ms, 20 * ms}[config%4]
	}
	switch packet[0] & 3 {
	case 0:
		return frame
	case 1, 2:
		return 2 * frame
	}
	if len(packet) < 2 {
		return 0
	}
	return int64(packet[1]&0x3F) * frame
}

// checksum is the CRC of a page whose own checksum is zero: polynomial
// 0x04C11DB7, most significant bit first, which hash/crc32 does not do.
func checksum(b []byte) uint32 {
	var sum uint32
	for _, c := range b {
		sum = sum<<8 ^ crcTable[byte(sum>>24)^c]
	}
	return sum
}

var crcTable = func() (table [256]uint32) {
	for i := range table {
		sum := uint32(i) << 24
		for range 8 {
			if sum&(1<<31) != 0 {
				sum = sum<<1 ^ 0x04C11DB7
			} else {
				sum <<= 1
			}
		}
		table[i] = sum
	}
	return table
}()
