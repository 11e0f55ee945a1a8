// Package voicetest makes audio files for tests, without a codec.
package voicetest

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"
)

const (
	packet     = 20 * time.Millisecond
	perPage    = 50 // packets
	opusRate   = 48000
	wavRate    = 8000
	pageHeader = 27
)

// Opus is a voice note in which nobody speaks: Opus in Ogg, so long, rounded
// down to 20 ms.
func Opus(length time.Duration) []byte {
	const skip = 312
	head := append([]byte("OpusHead\x01\x01"), 0, 0, 0x80, 0xBB, 0, 0, 0, 0, 0) // one channel, 48 kHz
	binary.LittleEndian.PutUint16(head[10:], skip)
	b := Page(nil, 2, 0, 7, 0, head)
	b = Page(b, 0, 0, 7, 1, []byte("OpusTags\x04\x00\x00\x00test\x00\x00\x00\x00"))
	var packets [][]byte
	position, sequence := int64(0), uint32(2)
	n := int(length / packet)
	if n > 0 {
		n++ // for what is skipped
	}
	end := int64(skip) + int64(length/packet)*int64(opusRate*packet/time.Second)
	for i := range n {
		packets = append(packets, []byte{0xF8, 0xFF, 0xFE}) // 20 ms of silence
		position += int64(opusRate * packet / time.Second)
		if len(packets) < perPage && i < n-1 {
			continue
		}
		flags := byte(0)
		if i == n-1 {
			flags, position = 4, end
		}
		b = Page(b, flags, position, 7, sequence, packets...)
		packets, sequence = nil, sequence+1
	}
	return b
}

// Page appends an Ogg page with whole packets, each shorter than 255 bytes.
func Page(to []byte, flags byte, position int64, serial, sequence uint32, packets ...[]byte) []byte {
	start := len(to)
	to = append(to, "OggS\x00"...)
	to = append(to, flags)
	to = binary.LittleEndian.AppendUint64(to, uint64(position))
	to = binary.LittleEndian.AppendUint32(to, serial)
	to = binary.LittleEndian.AppendUint32(to, sequence)
	to = append(to, 0, 0, 0, 0, byte(len(packets)))
	for _, p := range packets {
		to = append(to, byte(len(p)))
	}
	to = append(to, bytes.Join(packets, nil)...)
	Seal(to[start:])
	return to
}

// Seal writes a page's checksum into it.
func Seal(page []byte) {
	clear(page[22:26])
	var sum uint32
	for _, c := range page {
		sum ^= uint32(c) << 24
		for range 8 {
			if sum>>31 == 1 {
				sum = sum<<1 ^ 0x04C11DB7
			} else {
				sum <<= 1
			}
		}
	}
	binary.LittleEndian.PutUint32(page[22:26], sum)
}

// WAV is a tone; loudness gives, for each moment, how loud it is, from 0 to 1.
func WAV(length time.Duration, loudness func(at time.Duration) float64) []byte {
	n := int(length * wavRate / time.Second)
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, wavRate)
	b = binary.LittleEndian.AppendUint32(b, 2*wavRate)
	b = append(b, "\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	for i := range n {
		at := time.Duration(i) * time.Second / wavRate
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(30000*loudness(at)*math.Sin(float64(i)/3))))
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// MP3 is silence, in frames of 26 ms.
func MP3(length time.Duration) []byte {
	const frame = 1152 * time.Second / 44100
	one := make([]byte, 417)
	copy(one, "\xFF\xFB\x90\xC4") // MPEG 1 layer III, 128 kbit/s, 44.1 kHz, mono
	return bytes.Repeat(one, int(length/frame)+1)
}
