package meow

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Bounds of a chunk. Those that phones send have a few megabytes; a chunk that is
// larger is not held in memory, so a chat is what matters.
const (
	maxChunk     = 512 << 20 // compressed, in bytes
	maxUnpacked  = 4 << 30
	maxChat      = 64 << 20 // a chat with its messages; one that is larger is left out
	maxRemainder = 64 << 20 // everything in a chunk but its chats
)

// fieldChats is the number of HistorySync.conversations (whatsmeow
// proto/waHistorySync); those in leftOut are of no use here: what contacts
// published, stickers, and who was in which group.
const fieldChats = 2

func leftOut(field protowire.Number) bool { return field == 3 || field == 11 || field == 12 }

// History implements whatsapp.Connector. The library would hold a chunk in memory
// three times over (message.go, DownloadHistorySync): as a file, unpacked, and
// parsed. Here it goes through a temporary file and is unpacked twice, once for
// what precedes the chats (which addresses belong together is said at the end)
// and once for the chats, one at a time.
func (c *Connector) History(ctx context.Context, device string, ref []byte, take func(context.Context, whatsapp.HistoryPart) error) (err error) {
	n := new(waE2E.HistorySyncNotification)
	if err := proto.Unmarshal(ref, n); err != nil {
		return fmt.Errorf("%w: the announcement can't be read: %w", whatsapp.ErrMediaBroken, err)
	}
	s := c.lookup(device)
	if s == nil || n.InitialHistBootstrapInlinePayload == nil && !s.active() {
		return whatsapp.ErrOffline
	}
	packed, release, err := s.openChunk(ctx, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	p := &past{s: s, take: take, names: make(map[string]string)}
	rest, err := remainder(packed)
	if err != nil {
		return err
	}
	if err := p.begin(ctx, rest); err != nil {
		return err
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a history: %w", err)
	}
	err = eachField(packed, func(field protowire.Number, size uint64, r io.Reader) error {
		if field != fieldChats {
			return nil
		}
		if size > maxChat {
			c.log.Warn("a chat of a history is too large; left out", "session", s.label, "bytes", size)
			return nil
		}
		data, err := whole(r, size)
		if err != nil {
			return err
		}
		chat := new(waHistorySync.Conversation)
		if err := proto.Unmarshal(data, chat); err != nil {
			return fmt.Errorf("%w: a chat of a history: %w", whatsapp.ErrMediaBroken, err)
		}
		return p.chat(ctx, chat)
	})
	if err != nil {
		return err
	}
	if err := p.flush(ctx); err != nil {
		return err
	}
	s.discard(ctx, n)
	return nil
}

// openChunk gives the compressed bytes of a chunk.
func (s *session) openChunk(ctx context.Context, n *waE2E.HistorySyncNotification) (io.ReadSeeker, func() error, error) {
	if inline := n.InitialHistBootstrapInlinePayload; inline != nil {
		return bytes.NewReader(inline), func() error { return nil }, nil
	}
	if n.GetDirectPath() == "" || len(n.GetMediaKey()) == 0 || len(n.GetFileEncSHA256()) == 0 || len(n.GetFileSHA256()) == 0 {
		return nil, nil, fmt.Errorf("%w: the announcement did not say where the chunk is or how to check it", whatsapp.ErrMediaBroken)
	}
	file, err := os.CreateTemp("", "tideline-history-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make a file for a history: %w", err)
	}
	release := func() error { return errors.Join(file.Close(), os.Remove(file.Name())) }
	bounded := &boundedFile{File: file, limit: maxChunk}
	err = s.cli.DownloadMediaWithPathToFile(ctx, n.GetDirectPath(), n.GetFileEncSHA256(), n.GetFileSHA256(), n.GetMediaKey(), whatsmeow.MediaHistory, "", false, bounded)
	if err != nil {
		return nil, nil, errors.Join(fetchError(err, bounded), release())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read a history: %w", err), release())
	}
	return file, release, nil
}

// discard deletes the file of a chunk at WhatsApp, as clients do; when that can't
// be done, WhatsApp does it some day.
func (s *session) discard(ctx context.Context, n *waE2E.HistorySyncNotification) {
	if err := s.cli.DeleteMedia(ctx, whatsmeow.MediaHistory, n.GetDirectPath(), n.GetFileEncSHA256(), n.GetEncHandle()); err != nil {
		s.c.log.Debug("delete a history that was read", "device", s.device, "err", err)
	}
}

// remainder gives a chunk without its chats.
func remainder(packed io.Reader) (*waHistorySync.HistorySync, error) {
	var data []byte
	err := eachField(packed, func(field protowire.Number, size uint64, r io.Reader) error {
		if field == fieldChats || leftOut(field) {
			return nil
		}
		if uint64(len(data))+size > maxRemainder {
			return fmt.Errorf("%w: more than %d bytes besides its chats", whatsapp.ErrMediaTooLarge, maxRemainder)
		}
		data = protowire.AppendTag(data, field, protowire.BytesType)
		data = protowire.AppendVarint(data, size)
		value, err := whole(r, size)
		data = append(data, value...)
		return err
	})
	if err != nil {
		return nil, err
	}
	h := new(waHistorySync.HistorySync)
	// The type of the chunk is a number and was skipped; nothing here depends on it.
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(data, h); err != nil {
		return nil, fmt.Errorf("%w: a history: %w", whatsapp.ErrMediaBroken, err)
	}
	return h, nil
}

// whole reads a field. Memory is taken as bytes come, whatever size is claimed.
func whole(r io.Reader, size uint64) ([]byte, error) {
	data, err := io.ReadAll(r)
	if err == nil && uint64(len(data)) != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return data, nil
}

// eachField unpacks a protocol buffer and calls fn for each of its fields that
// has a length. What fn does not read of a field is skipped, as are numbers. Its
// error ends the reading; errors of the format are ErrMediaBroken.
func eachField(packed io.Reader, fn func(field protowire.Number, size uint64, r io.Reader) error) error {
	z, err := zlib.NewReader(packed)
	if err != nil {
		return unreadable(err)
	}
	bounded := &io.LimitedReader{R: z, N: maxUnpacked}
	r := bufio.NewReader(bounded)
	for {
		tag, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			if bounded.N <= 0 {
				return fmt.Errorf("%w: more than %d bytes unpacked", whatsapp.ErrMediaTooLarge, int64(maxUnpacked))
			}
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		field, kind := protowire.DecodeTag(tag)
		var size uint64
		switch kind {
		case protowire.VarintType:
			_, err = binary.ReadUvarint(r)
		case protowire.Fixed32Type:
			size = 4
		case protowire.Fixed64Type:
			size = 8
		case protowire.BytesType:
			size, err = binary.ReadUvarint(r)
		default:
			return unreadable(fmt.Errorf("wire type %d", kind))
		}
		if err != nil {
			return unreadable(err)
		}
		if size > maxUnpacked {
			return unreadable(fmt.Errorf("a field of %d bytes", size))
		}
		body := &io.LimitedReader{R: r, N: int64(size)}
		if kind == protowire.BytesType {
			if err := fn(field, size, body); err != nil {
				return err
			}
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return unreadable(err)
		}
		if body.N > 0 {
			return unreadable(io.ErrUnexpectedEOF)
		}
	}
}

// unreadable says that a chunk is broken, unless its file could not be read.
func unreadable(err error) error {
	if _, disk := errors.AsType[*fs.PathError](err); disk {
		return fmt.Errorf("read a history: %w", err)
	}
	return fmt.Errorf("%w: a history: %w", whatsapp.ErrMediaBroken, err)
}
