package meow

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// packed compresses a chunk.
func packed(t interface{ Fatal(args ...any) }, data []byte) *bytes.Reader {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// chatsIn reads the chats of a chunk.
func chatsIn(r io.Reader) (chats []*waHistorySync.Conversation, err error) {
	err = eachField(r, func(field protowire.Number, size uint64, r io.Reader) error {
		if field != fieldChats {
			return nil
		}
		data, err := whole(r, size)
		if err != nil {
			return err
		}
		c := new(waHistorySync.Conversation)
		if err := proto.Unmarshal(data, c); err != nil {
			return err
		}
		chats = append(chats, c)
		return nil
	})
	return chats, err
}

func TestAChunkIsReadChatByChat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 40, -1)
		h := &waHistorySync.HistorySync{
			SyncType: waHistorySync.HistorySync_RECENT.Enum(), ChunkOrder: proto.Uint32(rapid.Uint32().Draw(t, "order")),
			Progress: proto.Uint32(100), NctSalt: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "salt"),
			ThreadDsTimeframeOffset: proto.Uint32(rapid.Uint32().Draw(t, "offset")),
		}
		for range rapid.IntRange(0, 5).Draw(t, "chats") {
			h.Conversations = append(h.Conversations, &waHistorySync.Conversation{ID: proto.String(text.Draw(t, "chat")), Name: proto.String(text.Draw(t, "name"))})
		}
		for range rapid.IntRange(0, 5).Draw(t, "names") {
			h.Pushnames = append(h.Pushnames, &waHistorySync.Pushname{ID: proto.String(text.Draw(t, "id")), Pushname: proto.String(text.Draw(t, "push name"))})
		}
		for range rapid.IntRange(0, 3).Draw(t, "mappings") {
			h.PhoneNumberToLidMappings = append(h.PhoneNumberToLidMappings, &waHistorySync.PhoneNumberToLIDMapping{PnJID: proto.String(text.Draw(t, "number")), LidJID: proto.String("1@lid")})
		}
		h.RecentStickers = []*waHistorySync.StickerMetadata{{}}
		data, err := proto.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		chats, err := chatsIn(packed(t, data))
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&waHistorySync.HistorySync{SyncType: h.SyncType, Conversations: chats}, &waHistorySync.HistorySync{SyncType: h.SyncType, Conversations: h.Conversations}) {
			t.Errorf("chats %v, want %v", chats, h.Conversations)
		}
		rest, err := remainder(packed(t, data))
		if err != nil {
			t.Fatal(err)
		}
		want := &waHistorySync.HistorySync{NctSalt: h.NctSalt, Pushnames: h.Pushnames, PhoneNumberToLidMappings: h.PhoneNumberToLidMappings}
		if !proto.Equal(rest, want) {
			t.Errorf("remainder %v, want %v", rest, want)
		}
		cut := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		if _, err := chatsIn(packed(t, data[:cut])); err != nil && !errors.Is(err, whatsapp.ErrMediaBroken) {
			t.Errorf("cut after %d of %d bytes: %v", cut, len(data), err)
		}
	})
}

func TestADamagedChunkIsBroken(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("no protocol buffer has this as its beginning"), 10)
	whole, err := io.ReadAll(packed(t, data))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 0xff
	for name, r := range map[string]io.Reader{
		"not compressed": bytes.NewReader(data), "empty": bytes.NewReader(nil), "cut": bytes.NewReader(whole[:len(whole)-3]),
		"flipped": bytes.NewReader(flipped), "no fields": packed(t, data), "huge field": packed(t, []byte{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}),
	} {
		if _, err := remainder(r); !errors.Is(err, whatsapp.ErrMediaBroken) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// FuzzChunk unpacks anything.
func FuzzChunk(f *testing.F) {
	good, err := proto.Marshal(&waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_FULL.Enum(), Conversations: []*waHistorySync.Conversation{{ID: proto.String("1@lid")}},
		Pushnames: []*waHistorySync.Pushname{{ID: proto.String("1@lid"), Pushname: proto.String("Ana")}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0x12, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func() error{
			func() error { _, err := remainder(packed(t, data)); return err },
			func() error {
				return eachField(packed(t, data), func(protowire.Number, uint64, io.Reader) error { return nil })
			},
		} {
			if err := read(); err != nil && !errors.Is(err, whatsapp.ErrMediaBroken) && !errors.Is(err, whatsapp.ErrMediaTooLarge) {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestAnAnnouncementHasOneName(t *testing.T) {
	t.Parallel()
	n := &waE2E.HistorySyncNotification{SyncType: waE2E.HistorySyncType_RECENT.Enum(), DirectPath: proto.String("/a"), ChunkOrder: proto.Uint32(3), Progress: proto.Uint32(40)}
	first, err := chunk(n)
	if err != nil {
		t.Fatal(err)
	}
	again := new(waE2E.HistorySyncNotification)
	if err := proto.Unmarshal(first.Ref, again); err != nil {
		t.Fatal(err)
	}
	second, err := chunk(again)
	if err != nil || second.ID != first.ID || first.Order != 3 || first.Progress != 40 {
		t.Errorf("%+v and %+v, %v", first, second, err)
	}
	again.DirectPath = proto.String("/b")
	if other, err := chunk(again); err != nil || other.ID == first.ID {
		t.Errorf("another chunk has the same name, %v", err)
	}
	for typ, want := range map[waE2E.HistorySyncType]bool{waE2E.HistorySyncType_FULL: true, waE2E.HistorySyncType_INITIAL_STATUS_V3: false} {
		n.SyncType = typ.Enum()
		if got := announcement(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{HistorySyncNotification: n}}) != nil; got != want {
			t.Errorf("%s is announced: %v", typ, got)
		}
	}
}
