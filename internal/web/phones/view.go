package phones

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const (
	shownBubbles = 120
	shownNotes   = 40
	// typingLasts is how long somebody is shown as typing who doesn't say that they stopped.
	typingLasts = 10 * time.Second
)

// reactions are offered under every message.
var reactions = []string{"👍", "❤️", "😂", "😮", "🙏"}

// told are the kinds of notes that there are words for: phones.note.KIND.
var told = []string{
	"delivered", "read", "read-self", "played", "played-self", "sender", "retry", "server-error", "hist_sync", "peer_msg",
	"available", "unavailable", "composing", "recording", "paused", "call_reject", "call_terminate",
}

// view is what the templates show.
type view struct {
	Seen     string // what was looked at; goes back with the next question
	Now      time.Time
	Phones   []row
	Phone    scene.Phone
	ID       string // digits of the phone's number
	Limited  bool
	Chats    []chatTab
	With     string // the chat that is shown: a number or a group's JID
	WithName string
	Typing   string // "", composing or recording
	Bubbles  []bubble
	Groups   []scene.Group // that the phone is in
	Others   []row         // everybody else, for a new group
	Faults   []faultGroup
	Armed    int // faults that are set, of any phone
	Notes    []note
	Pairings []scene.Pairing
	React    []string
}

// row is a phone of the list.
type row struct {
	scene.Phone
	ID      string
	Current bool
	Last    *scene.Message
}

// chatTab is a chat of the phone, also one that is still empty.
type chatTab struct {
	With, Name string
	Group      bool
	Current    bool
}

type bubble struct {
	scene.Bubble
	FromName  string // of the writer, in a group
	QuoteName string
	NewDay    bool // the first of its day
	Unread    bool // the owner has not read it yet, and can
}

type note struct {
	scene.Note
	FromName string
	Text     string // beginning of the message that it is about
}

type faultGroup struct {
	Key  string
	List []faultRow
}

type faultRow struct {
	scenario
	On bool
}

// look gathers what is shown of a phone. chat names the conversation, "" the
// latest one.
func (s *section) look(number, chat string) (*view, error) {
	count, _ := s.world.Changes()
	v := &view{Seen: fmt.Sprint(count), Now: s.world.Now(), Pairings: s.world.Pairings(), React: reactions}
	names := map[string]string{}
	for _, p := range s.world.Phones() {
		names[p.Number] = p.Name
		r := row{Phone: p, ID: digits(p.Number), Current: p.Number == number}
		if r.Current {
			v.Phone, v.ID, v.Limited = p, r.ID, p.Limited.After(v.Now)
		} else {
			v.Others = append(v.Others, r)
		}
		v.Phones = append(v.Phones, r)
	}
	if v.ID == "" {
		return nil, ui.Missing()
	}
	for _, g := range s.world.Groups() {
		names[g.JID] = g.Subject
		if slices.Contains(g.Members, number) {
			v.Groups = append(v.Groups, g)
		}
	}
	for i, r := range v.Phones {
		messages, err := s.world.Messages(r.Number)
		if err != nil {
			return nil, err
		}
		for _, m := range slices.Backward(messages) {
			if m.Kind == scene.KindText || m.Kind == scene.KindMedia {
				v.Phones[i].Last = &m
				break
			}
		}
		if r.Current {
			if err := s.converse(v, messages, chat, names); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(v.Phones, func(a, b row) int { return cmp.Compare(weight(a.Phone), weight(b.Phone)) })
	faults := s.world.Faults()
	v.Armed = len(faults)
	for _, g := range scenarios() {
		shown := faultGroup{Key: g.Key}
		for _, one := range g.Scenarios {
			shown.List = append(shown.List, faultRow{one, len(one.active(v.Phone, faults)) > 0})
		}
		v.Faults = append(v.Faults, shown)
	}
	return v, nil
}

// weight puts business numbers first, and those that are not on WhatsApp last.
func weight(p scene.Phone) int {
	switch {
	case p.Business():
		return 0
	case p.Registered:
		return 1
	}
	return 2
}

// converse adds the phone's chats, and what was said to it.
func (s *section) converse(v *view, messages []scene.Message, chat string, names map[string]string) error {
	notes, err := s.world.Notes(v.Phone.Number)
	if err != nil {
		return err
	}
	chats := scene.Fold(messages, notes)
	add := func(with string) {
		if !slices.ContainsFunc(v.Chats, func(c chatTab) bool { return c.With == with }) {
			v.Chats = append(v.Chats, chatTab{With: with, Name: cmp.Or(names[with], with), Group: isGroup(with)})
		}
	}
	for _, c := range chats {
		add(c.With)
	}
	for _, p := range v.Phones { // whom the phone has never written to
		if p.Business() != v.Phone.Business() && p.Registered {
			add(p.Number)
		}
	}
	for _, g := range v.Groups {
		add(g.JID)
	}
	if chat == "" && len(v.Chats) > 0 {
		chat = v.Chats[0].With
	}
	for i := range v.Chats {
		if v.Chats[i].With == chat {
			v.Chats[i].Current, v.With, v.WithName = true, chat, v.Chats[i].Name
		}
	}
	texts := map[string]string{}
	for _, c := range chats {
		for _, b := range c.Bubbles {
			texts[b.ID] = b.Text
		}
		if c.With == v.With {
			v.show(c.Bubbles, names)
		}
	}
	for _, n := range slices.Backward(notes) {
		if len(v.Notes) == shownNotes {
			break
		}
		if !slices.Contains(told, n.Kind) {
			n.Kind = "other"
		}
		v.Notes = append(v.Notes, note{n, cmp.Or(names[n.From], n.From), texts[n.Message]})
	}
	v.Typing = typing(notes, v.With, v.Now)
	return nil
}

// show adds the bubbles of the chat.
func (v *view) show(bubbles []scene.Bubble, names map[string]string) {
	bubbles = bubbles[max(0, len(bubbles)-shownBubbles):]
	for i, b := range bubbles {
		one := bubble{Bubble: b, NewDay: i == 0 || !sameDay(bubbles[i-1].At, b.At)}
		if isGroup(v.With) && !b.Own {
			one.FromName = cmp.Or(names[b.From], b.From)
		}
		if b.Quote != nil {
			one.QuoteName = cmp.Or(names[b.Quote.From], b.Quote.From)
		}
		one.Unread = !b.Own && !v.Phone.Reads && !v.Phone.Business()
		v.Bubbles = append(v.Bubbles, one)
	}
}

// typing tells whether the other side is typing to the phone.
func typing(notes []scene.Note, with string, now time.Time) string {
	for _, n := range slices.Backward(notes) {
		if n.From != with && n.Group != with {
			continue
		}
		switch n.Kind {
		case "composing", "recording":
			if now.Sub(n.At) < typingLasts {
				return n.Kind
			}
			return ""
		case "paused", "unavailable":
			return ""
		}
	}
	return ""
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

func isGroup(chat string) bool { return strings.HasSuffix(chat, "@g.us") }

func digits(number string) string { return strings.TrimPrefix(number, "+") }
