package inbox

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	"unicode"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// row is a chat in the list.
type row struct {
	ID       int64
	URL      string
	Face     face
	Name     string
	Excerpt  string
	Who      string // who wrote it, in groups and when a member did; "" = the contact
	Tick     tick
	At       time.Time // of the last message; zero = none
	Unread   int
	Closed   bool
	Labels   []tideline.Label
	Assignee string // name; "" = nobody
	Mine     bool   // the member who looks is the assignee
	Account  string // name or number, when the member sees several
	Position int    // from 1
	Total    int
}

// maxRowLabels is how many labels a row shows; the panel shows all.
const maxRowLabels = 3

// row shows a chat in the list.
func (s *section) row(q *ui.Request, around *surroundings, v *store.ChatView) row {
	c := &v.Chat
	r := row{
		ID: c.ID, URL: chatPath(c.ID), Face: faceOf(v), Name: c.Name, Unread: c.Unread, Closed: c.Closed, At: c.LastMessageAt,
		Labels: around.coloured(v.Labels[:min(len(v.Labels), maxRowLabels)]),
	}
	if v.Responsible != nil {
		r.Assignee, r.Mine = v.Responsible.DisplayName, v.Responsible.ID == around.me.ID
	}
	if len(around.accounts) > 1 {
		r.Account = accountName(&v.Account)
	}
	if m := v.LastMessage; m != nil {
		r.Excerpt = excerpt(q, m)
		r.Tick = tickOf(&m.Message)
		switch {
		case m.Message.FromMe && m.MemberName != "" && m.Message.MemberID != around.me.ID:
			r.Who = m.MemberName
		case m.Message.FromMe:
			r.Who = q.T("inbox.you")
		case c.JID.IsGroup():
			r.Who = peerName(m.Message.Sender)
		}
	}
	return r
}

func chatPath(id int64) string { return fmt.Sprintf("/inbox/%d", id) }

// accountName is what people call a WhatsApp number.
func accountName(a *tideline.Account) string {
	if a.Name != "" {
		return a.Name
	}
	return string(a.Phone)
}

// peerName is what somebody is called who has no chat here.
func peerName(p tideline.Peer) string {
	if p.Name != "" {
		return p.Name
	}
	if phone := p.Phone(); phone != "" {
		return string(phone)
	}
	user, _, _ := strings.Cut(string(p.Address()), "@")
	return user
}

// face is the picture of somebody, or what stands for one.
type face struct {
	Photo    string // address; "" = none
	Initials string
	Hue      int // one of hues
	Group    bool
}

// hues is how many colours people are told apart by.
const hues = 8

func faceOf(v *store.ChatView) face {
	f := face{Initials: initials(v.Chat.Name), Hue: hueOf(string(v.Chat.JID)), Group: v.Chat.JID.IsGroup()}
	if v.PhotoUID != "" {
		f.Photo = mediaPath(v.PhotoUID) + fmt.Sprintf("?chat=%d", v.Chat.ID)
	}
	return f
}

// hueOf gives a colour that stays the same for the same person.
func hueOf(s string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	return int(h.Sum32() % hues)
}

// initials gives the first letters of the first and last word of a name; "" when
// these are none, as in a phone number.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r == '-' })
	var letters []rune
	for i, w := range words {
		if i > 0 && i < len(words)-1 {
			continue
		}
		if r := []rune(w)[0]; unicode.IsLetter(r) {
			letters = append(letters, unicode.ToUpper(r))
		}
	}
	return string(letters)
}
