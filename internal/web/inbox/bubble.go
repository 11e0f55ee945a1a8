package inbox

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// bubble is a message as a conversation shows it.
type bubble struct {
	ID     int64
	UID    string
	ChatID int64
	Day    string // 2026-11-22, in the workspace's zone
	First  bool   // of its day, among those that are shown with it
	At     time.Time
	Clock  string // 15:04
	From   string // tells who wrote it apart from others; not for people
	Mine   bool   // the account's side wrote it
	Note   bool
	Call   bool
	Missed bool
	Who    string // of the team or of a group; "" = the contact, or nobody known
	Hue    int    // with Who, of a group's member

	Kind    tideline.Kind
	Text    []piece
	Plain   string // the text as it was typed, to be quoted or copied
	Big     bool   // a few emoji and nothing else
	Media   *media
	Place   *place
	Cards   []string
	Calling string // of a call: what became of it

	Tick    tick
	Reason  string // why it failed
	Waiting *waiting
	Quote   *quote
	Reacted []reacted
	Own     string // the account's own reaction; "" = none
	Edited  bool
	Deleted bool
	History bool

	MayReact, MayReply, MayRepeat bool
}

// media is the attachment of a bubble.
type media struct {
	URL      string // "" = it is not there
	Name     string
	Type     string
	Size     int64
	Seconds  int64
	Waveform string
	State    tideline.AttachmentState // why it is not there
}

// place is where a location is.
type place struct{ URL string }

// quote is the message that a bubble answers.
type quote struct {
	UID     string // "" = it is not here any more
	Who     string
	Excerpt string
}

// reacted is an emoji and who gave it.
type reacted struct {
	Emoji string
	Count int
	Names string
	Own   bool
}

// bubbles makes views, in their order, ready to be shown.
func (s *section) bubbles(q *ui.Request, v *store.ChatView, views []store.MessageView) ([]bubble, error) {
	quotes, err := s.quotes(q, v, views)
	if err != nil {
		return nil, err
	}
	members := memberNames(v)
	loc := q.Principal.Workspace.Location()
	list := make([]bubble, len(views))
	for i := range views {
		b := bubbleOf(q, v, &views[i], members, loc)
		if views[i].Message.ReplyTo != "" {
			b.Quote = quotes[views[i].ReplyToUID]
			if b.Quote == nil {
				b.Quote = &quote{Excerpt: q.T("inbox.quote.gone")}
			}
		}
		if b.Tick == tickPending {
			if b.Waiting, err = s.waiting(q, v, &views[i].Message); err != nil {
				return nil, err
			}
		}
		b.First = i == 0 || list[i-1].Day != b.Day
		list[i] = b
	}
	return list, nil
}

func bubbleOf(q *ui.Request, v *store.ChatView, view *store.MessageView, members map[string]string, loc *time.Location) bubble {
	m := &view.Message
	at := m.SentAt
	if at.IsZero() {
		at = m.AcceptedAt
	}
	b := bubble{
		ID: m.ID, UID: m.UID, ChatID: v.Chat.ID, At: at, Day: at.In(loc).Format(time.DateOnly), Clock: at.In(loc).Format("15:04"),
		Mine: m.FromMe, Note: m.Kind == tideline.KindNote, Call: m.Kind == tideline.KindCall, Kind: kindOf(view), Tick: tickOf(m),
		Edited: !m.EditedAt.IsZero(), Deleted: !m.DeletedAt.IsZero(), History: m.Data[tideline.DataHistory] == "true",
	}
	b.Who, b.From, b.Hue = writer(q, v, view, members)
	live := !b.Deleted && m.Type() == tideline.TypeWhatsApp && m.Status != tideline.StatusPending && m.Status != tideline.StatusFailed
	sender := q.Principal.Member.Role.MaySend()
	b.MayReact = live && sender && v.Chat.Bar != tideline.BarLeft && m.WhatsAppID != ""
	b.MayReply = live && sender && v.Chat.Bar == ""
	b.MayRepeat = b.Tick == tickFailed && sender
	if b.Deleted {
		return b
	}
	if b.Call {
		b.Calling, b.Missed = callText(q, m), m.Status == tideline.CallMissed
		return b
	}
	if b.Tick == tickFailed {
		b.Reason = reasonText(q, m.Reason)
	}
	b.Plain = m.Text
	b.Text = pieces(m.Text)
	b.Media = mediaOf(view)
	b.Big = b.Media == nil && onlyEmoji(m.Text)
	switch b.Kind {
	case tideline.KindLocation:
		b.Place = placeOf(m)
	case tideline.KindContact:
		b.Cards, b.Text = strings.Split(m.Text, "\n"), nil
	}
	b.Reacted, b.Own = reactions(q, view.Reactions, members)
	return b
}

// writer says who wrote a message: its name to people, and what tells it apart.
func writer(q *ui.Request, v *store.ChatView, view *store.MessageView, members map[string]string) (name, from string, hue int) {
	m := &view.Message
	switch {
	case m.MemberID != 0:
		return view.MemberName, "m" + strconv.FormatInt(m.MemberID, 10), 0
	case m.FromMe && m.Origin == tideline.OriginWhatsApp:
		return q.T("inbox.from_phone"), "p", 0
	case m.FromMe:
		return "", "p", 0
	case !v.Chat.JID.IsGroup():
		return "", "c", 0
	}
	address := string(m.Sender.Address())
	return memberName(m.Sender, members), "g" + strconv.Itoa(hueOf(address)) + address, hueOf(address)
}

// memberNames are what a group's members are called, by phone number.
func memberNames(v *store.ChatView) map[string]string {
	names := make(map[string]string, len(v.Members))
	for i := range v.Members {
		if m := &v.Members[i]; m.Name != "" && m.Phone != "" {
			names[string(m.Phone)] = m.Name
		}
	}
	return names
}

func memberName(p tideline.Peer, members map[string]string) string {
	if name := members[string(p.Phone())]; name != "" {
		return name
	}
	return peerName(p)
}

// mediaOf gives the attachment of a message; nil when it has none.
func mediaOf(view *store.MessageView) *media {
	m := &view.Message
	a := &media{State: tideline.AttachmentState(m.Data[tideline.DataAttachment]), Waveform: m.Data[tideline.DataWaveform]}
	a.Seconds, _ = strconv.ParseInt(m.Data[tideline.DataDuration], 10, 64) // 0 = not known
	if f := view.File; f != nil {
		a.Name, a.Type, a.Size = f.Name, f.MIMEType, f.Size
		a.URL = mediaPath(f.UID) + "?message=" + m.UID
		return a
	}
	if a.State == "" && m.FileID == 0 {
		return nil
	}
	if a.State == "" {
		a.State = tideline.AttachmentGone
	}
	return a
}

// placeOf gives a link to a map, outside of Tideline, for who wants to follow it.
func placeOf(m *tideline.Message) *place {
	latitude, err1 := strconv.ParseFloat(m.Data[tideline.DataLatitude], 64)
	longitude, err2 := strconv.ParseFloat(m.Data[tideline.DataLongitude], 64)
	if err1 != nil || err2 != nil {
		return nil
	}
	at := func(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }
	return &place{URL: "https://www.openstreetmap.org/?mlat=" + at(latitude) + "&mlon=" + at(longitude) + "#map=16/" + at(latitude) + "/" + at(longitude)}
}

// reactions joins equal emoji, in the order in which they were given.
func reactions(q *ui.Request, given []tideline.Reaction, members map[string]string) (list []reacted, own string) {
	index := map[string]int{}
	for _, r := range given {
		i, ok := index[r.Emoji]
		if !ok {
			i = len(list)
			index[r.Emoji] = i
			list = append(list, reacted{Emoji: r.Emoji})
		}
		name := memberName(r.Peer, members)
		if r.Own {
			name, own, list[i].Own = q.T("inbox.you"), r.Emoji, true
		}
		if list[i].Count++; list[i].Names != "" && name != "" {
			list[i].Names += ", "
		}
		list[i].Names += name
	}
	return list, own
}
