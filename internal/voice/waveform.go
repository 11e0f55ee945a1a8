package voice

import (
	"encoding/binary"
	"io"
)

const (
	// WaveformSize is the number of values in a waveform. Each is 0 to 100, the
	// loudest 100.
	WaveformSize = 64

	pcmRate     = 8000 // samples a second that the waveform is drawn from
	bucketWidth = pcmRate / 100
	maxBuckets  = 1 << 12
)

// loudness collects how loud a sound of unknown length is, in a bounded number
// of equal pieces.
type loudness struct {
	width   int // samples per piece
	count   int // samples in the piece that is being filled
	sum     uint64
	buckets []uint64 // sums of whole pieces
}

func newLoudness() *loudness {
	return &loudness{width: bucketWidth, buckets: make([]uint64, 0, maxBuckets)}
}

// readPCM takes signed 16-bit little-endian samples up to the end of r.
func (l *loudness) readPCM(r io.Reader) error {
	buf := make([]byte, 16<<10)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		n += kept
		whole := n &^ 1
		for i := 0; i < whole; i += 2 {
			l.add(int16(binary.LittleEndian.Uint16(buf[i:])))
		}
		kept = copy(buf, buf[whole:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *loudness) add(sample int16) {
	l.sum += uint64(max(int32(sample), -int32(sample)))
	if l.count++; l.count < l.width {
		return
	}
	if len(l.buckets) == maxBuckets {
		for i := range maxBuckets / 2 {
			l.buckets[i] = l.buckets[2*i] + l.buckets[2*i+1]
		}
		l.buckets = l.buckets[:maxBuckets/2]
		l.width *= 2
		return // the piece is half full now
	}
	l.buckets = append(l.buckets, l.sum)
	l.sum, l.count = 0, 0
}

// waveform gives the WaveformSize values; nil when there was no sound at all.
func (l *loudness) waveform() []byte {
	buckets := l.buckets
	if len(buckets) == 0 {
		return nil
	}
	var means [WaveformSize]uint64
	var loudest uint64
	for i := range means {
		from := i * len(buckets) / WaveformSize
		to := max(from+1, (i+1)*len(buckets)/WaveformSize)
		for _, sum := range buckets[from:to] {
			means[i] += sum
		}
		means[i] /= uint64(to - from)
		loudest = max(loudest, means[i])
	}
	if loudest == 0 {
		return nil
	}
	w := make([]byte, WaveformSize)
	for i, m := range means {
		w[i] = byte(m * 100 / loudest)
	}
	return w
}
