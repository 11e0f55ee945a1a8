package scene

import (
	"cmp"
	"slices"
	"time"
)

// Bubble is a message as a phone shows it, with what came after it.
type Bubble struct {
	Message
	Quote     *Message // the message that it answers
	Reactions []string // emoji, one per person, in the order of giving
	Edited    bool
	Deleted   bool
	State     string // of an own message: "", delivered, read or played
}

// Chat is a conversation on a phone.
type Chat struct {
	With    string // number or group's JID
	Last    time.Time
	Bubbles []Bubble
}

// Fold makes conversations of what a phone received and sent, the one with the
// latest message first. Reactions, edits and deletions are worked into the
// messages that they are about; what is about a message that the phone doesn't
// have is left out. notes give own messages their state.
func Fold(messages []Message, notes []Note) []Chat {
	messages = slices.Clone(messages)
	slices.SortStableFunc(messages, func(a, b Message) int { return a.At.Compare(b.At) })
	state := map[string]string{}
	for _, n := range notes {
		if rank(n.Kind) > rank(state[n.Message]) {
			state[n.Message] = n.Kind
		}
	}
	type place struct{ chat, bubble int }
	at := map[string]place{}
	byChat := map[string]int{}
	given := map[[2]string]string{} // message, person → emoji
	var order [][2]string           // of giving
	var chats []Chat
	for _, m := range messages {
		switch m.Kind {
		case KindReaction:
			key := [2]string{m.Target, m.From}
			order = slices.DeleteFunc(order, func(k [2]string) bool { return k == key })
			if given[key] = m.Text; m.Text != "" {
				order = append(order, key)
			}
			continue
		case KindEdit, KindRevoke:
			if p, ok := at[m.Target]; ok {
				b := &chats[p.chat].Bubbles[p.bubble]
				if m.Kind == KindEdit {
					b.Text, b.Edited = m.Text, true
				} else {
					b.Text, b.File, b.Deleted = "", nil, true
				}
			}
			continue
		}
		i, ok := byChat[m.Chat]
		if !ok {
			i = len(chats)
			byChat[m.Chat] = i
			chats = append(chats, Chat{With: m.Chat})
		}
		b := Bubble{Message: m}
		if m.Own {
			b.State = state[m.ID]
		}
		if p, ok := at[m.Target]; ok {
			quoted := chats[p.chat].Bubbles[p.bubble].Message
			b.Quote = &quoted
		}
		at[m.ID] = place{i, len(chats[i].Bubbles)}
		chats[i].Bubbles = append(chats[i].Bubbles, b)
		chats[i].Last = m.At
	}
	for _, key := range order {
		if p, ok := at[key[0]]; ok {
			b := &chats[p.chat].Bubbles[p.bubble]
			b.Reactions = append(b.Reactions, given[key])
		}
	}
	slices.SortStableFunc(chats, func(a, b Chat) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.With, b.With))
	})
	return chats
}

// rank orders the states of a message by how far it has come.
func rank(state string) int { return slices.Index([]string{"", "delivered", "read", "played"}, state) }
