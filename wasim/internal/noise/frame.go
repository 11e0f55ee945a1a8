package noise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of a frame's body in bytes. A client may not send more than a handshake needs before it
// has proven who it is.
const (
	MaxFrame          = 1<<24 - 1
	MaxHandshakeFrame = 1 << 16
)

// prologueSize is the length of what a client sends once, before its first frame: "WA", the protocol's
// version and that of the stanza dictionary (whatsmeow socket/constants.go, WAConnHeader).
const prologueSize = 4

var errPrologue = errors.New("not a WhatsApp connection: wrong prologue")

// readPrologue reads and checks the connection header. The dictionary version, its last byte, is
// not checked: the handshake hash covers it and the stanza codec belongs to the caller.
func readPrologue(r io.Reader) ([]byte, error) {
	header := make([]byte, prologueSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("read prologue: %w", err)
	}
	if !bytes.Equal(header[:3], []byte{'W', 'A', 6}) {
		return nil, errPrologue
	}
	return header, nil
}

// ReadFrame reads one frame: a big-endian length of three bytes, then the body.
func ReadFrame(r io.Reader, limit int) ([]byte, error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if size > limit {
		return nil, fmt.Errorf("frame of %d bytes is above the limit of %d", size, limit)
	}
	const trust = 32 << 10
	if size <= trust {
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, unexpected(err)
		}
		return body, nil
	}
	// The announced length is a claim: memory grows with what really arrives.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(size)); err != nil {
		return nil, unexpected(err)
	}
	return body.Bytes(), nil
}

// AppendFrame appends a frame with the given body to dst.
func AppendFrame(dst, body []byte) []byte {
	n := len(body)
	dst = append(dst, byte(n>>16), byte(n>>8), byte(n))
	return append(dst, body...)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
