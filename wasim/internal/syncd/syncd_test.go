package syncd

import (
	"fmt"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

func numbered(t interface{ Fatal(...any) }, raw []byte, version int) []byte {
	var patch waServerSync.SyncdPatch
	if err := proto.Unmarshal(raw, &patch); err != nil {
		t.Fatal(err)
	}
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(uint64(version))}
	out, err := proto.Marshal(&patch)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBooksWithTheSamePatchesAgree lets one book write and another follow: both end with the last value of
// each setting.
func TestBooksWithTheSamePatchesAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		key := NewKey()
		writer, reader := NewBook(key), NewBook(key)
		want := map[string]bool{}
		for i := range rapid.IntRange(1, 12).Draw(r, "patches") {
			jid := types.NewJID(fmt.Sprint(1000+rapid.IntRange(0, 2).Draw(r, "chat")), types.HiddenUserServer)
			muted := rapid.Bool().Draw(r, "muted")
			raw, err := writer.Encode(appstate.BuildMute(jid, muted, time.Hour))
			if err != nil {
				r.Fatal(err)
			}
			patch := numbered(r, raw, i+1)
			for _, b := range []*Book{writer, reader} {
				if err := b.Apply(string(appstate.WAPatchRegularHigh), patch); err != nil {
					r.Fatal(err)
				}
			}
			want[jid.String()] = muted
		}
		for _, b := range []*Book{writer, reader} {
			settings := b.Settings()
			if len(settings) != len(want) {
				r.Fatalf("%d settings, want %d", len(settings), len(want))
			}
			for _, s := range settings {
				if s.Value.GetMuteAction().GetMuted() != want[s.Index[1]] {
					r.Fatalf("%v is %v", s.Index, s.Value)
				}
			}
		}
	})
}

func TestPatchOutOfTurnOrOfAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	key := NewKey()
	writer := NewBook(key)
	jid := types.NewJID("1000", types.HiddenUserServer)
	raw, err := writer.Encode(appstate.BuildPin(jid, true))
	if err != nil {
		t.Fatal(err)
	}
	other := NewKey()
	other.ID = []byte{0, 1, 0, 0, 0, 1}
	for name, one := range map[string]struct {
		book  *Book
		patch []byte
	}{
		"another key":          {NewBook(other), numbered(t, raw, 1)},
		"the same id, not key": {NewBook(NewKey()), numbered(t, raw, 1)},
		"another version":      {NewBook(key), numbered(t, raw, 2)},
		"garbage":              {NewBook(key), []byte("garbage")},
	} {
		if err := one.book.Apply("regular_low", one.patch); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := writer.Apply("regular_low", numbered(t, raw, 1)); err != nil {
		t.Error(err)
	}
}
