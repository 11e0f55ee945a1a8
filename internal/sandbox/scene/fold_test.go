package scene

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	shop = "+14840000000"
	ana  = "+14840000001"
)

func at(second int) time.Time { return time.Unix(int64(second), 0) }

func TestConversationsShowWhatBecameOfTheirMessages(t *testing.T) {
	t.Parallel()
	got := Fold([]Message{
		{ID: "3", Chat: shop, From: ana, Own: true, Kind: KindText, Text: "When?", Target: "1", At: at(3)},
		{ID: "1", Chat: shop, From: shop, Kind: KindText, Text: "Ready", At: at(1)},
		{ID: "2", Chat: "g@g.us", From: shop, Kind: KindMedia, Text: "look", File: &File{Kind: "image"}, At: at(2)},
		{ID: "4", Chat: shop, From: ana, Own: true, Kind: KindReaction, Text: "👍", Target: "1", At: at(4)},
		{ID: "5", Chat: shop, From: shop, Kind: KindReaction, Text: "🎉", Target: "1", At: at(5)},
		{ID: "6", Chat: shop, From: ana, Own: true, Kind: KindReaction, Text: "❤️", Target: "1", At: at(6)},
		{ID: "7", Chat: shop, From: shop, Kind: KindEdit, Text: "Ready at nine", Target: "1", At: at(7)},
		{ID: "8", Chat: "g@g.us", From: shop, Kind: KindRevoke, Target: "2", At: at(8)},
		{ID: "9", Chat: shop, From: shop, Kind: KindReaction, Text: "👍", Target: "unknown", At: at(9)},
		{ID: "10", Chat: shop, From: shop, Kind: KindReaction, Text: "", Target: "1", At: at(10)},
	}, []Note{
		{Kind: "read", Message: "3"}, {Kind: "delivered", Message: "3"}, {Kind: "composing", From: shop}, {Kind: "retry", Message: "3"},
	})
	quoted := Message{ID: "1", Chat: shop, From: shop, Kind: KindText, Text: "Ready", At: at(1)}
	edited := quoted
	edited.Text = "Ready at nine"
	want := []Chat{
		{With: shop, Last: at(3), Bubbles: []Bubble{
			{Message: edited, Edited: true, Reactions: []string{"❤️"}},
			{Message: Message{ID: "3", Chat: shop, From: ana, Own: true, Kind: KindText, Text: "When?", Target: "1", At: at(3)}, Quote: &quoted, State: "read"},
		}},
		{With: "g@g.us", Last: at(2), Bubbles: []Bubble{
			{Message: Message{ID: "2", Chat: "g@g.us", From: shop, Kind: KindMedia, At: at(2)}, Deleted: true},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chats (-want +got):\n%s", diff)
	}
}
