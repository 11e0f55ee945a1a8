package inbox_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/wasim"
)

const friend = "+14840000002"

const days = 24 * time.Hour

// past is a phone with a history: what its test wants to see of it, and when it was.
type past struct {
	group  tideline.JID
	now    time.Time
	inside string // WhatsApp id of a picture that the shop has sent
}

// remember gives the shop's phone a history of 30 days and one that is older.
func remember(t *testing.T, l *live, mode wasim.HistoryMode) *past {
	t.Helper()
	l.history = 30 * days
	for _, o := range []wasim.PhoneOptions{{Number: shop, Name: "Shop", History: mode}, {Number: friend, Name: "Bruno"}} {
		if _, err := l.net.AddPhone(l.ctx(), o); err != nil {
			t.Fatal(err)
		}
	}
	choir, err := l.phone(shop).CreateGroup(l.ctx(), "Choir", customer, friend)
	l.must(err)
	p := &past{group: tideline.JID(choir.String()), now: time.Now().Truncate(time.Second)}
	p.inside, err = l.phone(shop).SendFile(l.ctx(), customer, wasim.File{Kind: "image", MIME: "image/png", Data: picturePNG(t), Caption: "look"})
	l.must(err)
	ago := func(d time.Duration) time.Time { return p.now.Add(-d) }
	answer := &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("at nine"),
		ContextInfo: &waE2E.ContextInfo{StanzaID: proto.String("A1"), QuotedMessage: said("when?")}}}
	edited := &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: messageKey("A3", false), EditedMessage: said("thank you")}}}}
	l.must(l.phone(shop).AddHistory(l.ctx(),
		wasim.PastMessage{Chat: customer, ID: "A0", Timestamp: ago(31 * days), Message: said("long ago")},
		wasim.PastMessage{Chat: customer, ID: "A1", Timestamp: ago(20 * days), Message: said("when?"), Reactions: []wasim.PastReaction{
			{FromMe: true, Emoji: "👍", Timestamp: ago(20 * days)}, {Emoji: "🎉", Timestamp: ago(19 * days)}}},
		wasim.PastMessage{Chat: customer, ID: "A2", Timestamp: ago(19 * days), Message: answer, FromMe: true, Status: waWeb.WebMessageInfo_DELIVERY_ACK},
		wasim.PastMessage{Chat: customer, ID: "A3", Timestamp: ago(3 * days), Message: said("thanks"), Unread: true},
		wasim.PastMessage{Chat: customer, ID: "A4", Timestamp: ago(2 * days), Message: edited},
		wasim.PastMessage{Chat: customer, ID: "A5", Timestamp: ago(2 * days), FromMe: true, Message: said("never left"), Status: waWeb.WebMessageInfo_PENDING},
		wasim.PastMessage{Chat: customer, ID: "A6", Timestamp: ago(8 * days), Message: &waE2E.Message{StickerMessage: &waE2E.StickerMessage{Mimetype: proto.String("image/webp")}}},
		wasim.PastMessage{Chat: string(p.group), ID: "G1", From: friend, Timestamp: ago(10 * days), Message: said("shall we sing?"),
			Reactions: []wasim.PastReaction{{From: customer, Emoji: "🎶", Timestamp: ago(9 * days)}}},
		wasim.PastMessage{Chat: friend, ID: "B0", Timestamp: ago(40 * days), Message: said("only long ago")},
	))
	return p
}

// allChats lists the chats, the latest first.
func (l *live) allChats() []store.ChatView {
	l.t.Helper()
	views, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 100})
	l.must(err)
	return views
}

// shown is what tests look at of a message.
type shown struct {
	ID, Text, Sender string
	Kind             tideline.Kind
	Status           tideline.Status
	At               time.Time
	Reactions        []string
	Past, Answer     bool
	Attachment       string
}

// show lists the messages of a chat, the oldest first.
func (l *live) show(chatID int64) []shown {
	l.t.Helper()
	views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, chatID, store.MessageFilter{OldestFirst: true}, store.Page{Limit: 10000})
	l.must(err)
	all := make([]shown, 0, len(views))
	for _, v := range views {
		m := v.Message
		s := shown{ID: m.WhatsAppID, Text: m.Text, Sender: m.Sender.Name, Kind: m.Kind, Status: m.Status, At: m.SentAt,
			Past: m.Data[tideline.DataHistory] == "true", Answer: v.ReplyToUID != "", Attachment: m.Data[tideline.DataAttachment]}
		if v.File != nil {
			s.Attachment = v.File.MIMEType
		}
		for _, r := range v.Reactions {
			who := r.Peer.Name
			if r.Own {
				who = "us"
			}
			s.Reactions = append(s.Reactions, who+" "+r.Emoji)
		}
		all = append(all, s)
	}
	return all
}

// ask reads numbers from the database.
func (l *live) ask(query string, numbers ...any) {
	l.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(l.dir, "tideline.db"))
	l.must(err)
	defer db.Close()
	l.must(db.QueryRowContext(l.ctx(), query).Scan(numbers...))
}

// count gives the number of messages that are stored.
func (l *live) count() (n int) {
	l.t.Helper()
	l.ask(`SELECT count(*) FROM messages`, &n)
	return n
}

// read waits until as many chunks were read, and nothing is left to be read or
// fetched.
func (l *live) read(chunks int) {
	l.t.Helper()
	l.until(fmt.Sprintf("end of %d chunks and of downloads", chunks), func() bool {
		var done, open, downloads int
		l.ask(`SELECT count(finished_at), count(due_at), (SELECT count(*) FROM downloads) FROM history_chunks`, &done, &open, &downloads)
		return done >= chunks && open == 0 && downloads == 0
	})
}

func TestAPhoneBringsItsHistory(t *testing.T) {
	t.Parallel()
	for _, mode := range []wasim.HistoryMode{wasim.HistoryInline, wasim.HistoryExternal} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			var p *past
			l := newLiveAfter(t, wasim.Options{}, func(l *live) { p = remember(t, l, mode) })
			l.read(2)
			chats := l.allChats()
			var got []any
			for _, c := range chats {
				got = append(got, []any{c.Chat.Name, c.Chat.Phone, c.Chat.Unread, c.Chat.Closed, c.Chat.CreatedAt})
			}
			want := []any{
				[]any{"Ana", tideline.Phone(customer), 1, false, p.now.Add(-20 * days)},
				[]any{"Choir", tideline.Phone(""), 0, false, p.now.Add(-10 * days)},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("chats (-want +got):\n%s", diff)
			}
			text, delivered := tideline.KindText, tideline.StatusDelivered
			direct := []shown{
				{ID: "A1", Text: "when?", Sender: "Ana", Kind: text, Status: delivered, At: p.now.Add(-20 * days), Reactions: []string{"us 👍", "Ana 🎉"}, Past: true},
				{ID: "A2", Text: "at nine", Kind: text, Status: delivered, At: p.now.Add(-19 * days), Past: true, Answer: true},
				{ID: "A6", Sender: "Ana", Kind: tideline.KindSticker, Status: delivered, At: p.now.Add(-8 * days), Past: true, Attachment: "not_fetched"},
				{ID: "A3", Text: "thank you", Sender: "Ana", Kind: text, Status: delivered, At: p.now.Add(-3 * days), Past: true},
				{ID: p.inside, Text: "look", Kind: tideline.KindImage, Status: tideline.StatusRead, Past: true, Attachment: "image/png"},
			}
			messages := l.show(chats[0].Chat.ID)
			if len(messages) == len(direct) {
				direct[4].At = messages[4].At // when the picture was sent, about now
			}
			if diff := cmp.Diff(direct, messages); diff != "" {
				t.Errorf("direct chat (-want +got):\n%s", diff)
			}
			group := []shown{{ID: "G1", Text: "shall we sing?", Sender: "Bruno", Kind: text, Status: delivered, At: p.now.Add(-10 * days), Reactions: []string{"Ana 🎶"}, Past: true}}
			if diff := cmp.Diff(group, l.show(chats[1].Chat.ID)); diff != "" {
				t.Errorf("group (-want +got):\n%s", diff)
			}
			b, err := l.store.Balance(l.ctx(), l.ws.ID, time.Now())
			l.must(err)
			if b.Used != 0 {
				t.Errorf("%d credits were used", b.Used)
			}
			// What comes from now on is no history, and goes to the same chats.
			id := l.sends(customer, shop, said("and now?"))
			l.until("new message", func() bool {
				all := l.show(chats[0].Chat.ID)
				last := all[len(all)-1]
				return last.ID == id && !last.Past
			})
			if c := l.allChats()[0].Chat; len(l.allChats()) != 2 || c.Unread != 2 {
				t.Errorf("%d chats, the first one is %+v", len(l.allChats()), c)
			}
		})
	}
}

// TestPairingAgainDoublesNothing pairs the phone once more, which passes its whole
// history on again, with what has happened since.
func TestPairingAgainDoublesNothing(t *testing.T) {
	t.Parallel()
	l := newLiveAfter(t, wasim.Options{}, func(l *live) { remember(t, l, wasim.HistoryExternal) })
	l.read(2)
	id := l.sends(customer, shop, said("and now?"))
	l.until("new message", func() bool { return l.allChats()[0].Chat.Unread == 2 })
	before, messages := l.allChats(), l.show(l.allChats()[0].Chat.ID)
	l.stop()
	l.openStore()
	old := l.acc.DeviceJID
	l.acc = tideline.Account{} // start pairs
	l.start()
	l.pair()
	if l.acc.DeviceJID == old {
		t.Fatal("it was not paired again; the test shows nothing")
	}
	l.read(4)
	after := l.allChats()
	for i := range after { // the account has another device
		after[i].Account, before[i].Account = tideline.Account{}, tideline.Account{}
		// Asked for in the background, now or later.
		after[i].Members, before[i].Members = nil, nil
		after[i].PhotoUID, before[i].PhotoUID = "", ""
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("chats (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(messages, l.show(after[0].Chat.ID)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if i := slices.IndexFunc(l.show(after[0].Chat.ID), func(s shown) bool { return s.ID == id && s.Past }); i >= 0 {
		t.Error("a message that came live is history now")
	}
}

// TestAHistoryIsReadToItsEndOverRestarts stops everything again and again while a
// long history is being read.
func TestAHistoryIsReadToItsEndOverRestarts(t *testing.T) {
	t.Parallel()
	const messages = 1500
	l := newLiveAfter(t, wasim.Options{}, func(l *live) {
		l.history = 30 * days
		_, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: shop, Name: "Shop", History: wasim.HistoryInline})
		l.must(err)
		first := time.Now().Add(-20 * days)
		all := make([]wasim.PastMessage, messages)
		for i := range all {
			all[i] = wasim.PastMessage{Chat: customer, ID: fmt.Sprintf("P%05d", i), FromMe: i%2 == 0, Timestamp: first.Add(time.Duration(i) * time.Minute), Message: said(fmt.Sprint("message ", i))}
		}
		l.must(l.phone(shop).AddHistory(l.ctx(), all...))
	})
	stops, active := 0, 0
	for seen := 0; seen < messages && stops < 4; stops++ {
		l.stop()
		l.openStore()
		l.start()
		l.until("progress", func() bool {
			l.ask(`SELECT count(*) FROM accounts WHERE state = 'active'`, &active)
			return active == 1 && l.count() > seen
		})
		seen = l.count()
	}
	if stops < 3 {
		t.Errorf("it was stopped %d times; the test shows nothing", stops)
	}
	l.read(2 + (messages-20+499)/500)
	chats := l.allChats()
	if len(chats) != 1 {
		t.Fatalf("%d chats", len(chats))
	}
	got := l.show(chats[0].Chat.ID)
	if len(got) != messages {
		t.Fatalf("%d messages, want %d", len(got), messages)
	}
	for i, m := range got {
		if m.ID != fmt.Sprintf("P%05d", i) || !m.Past {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	if c := chats[0].Chat; c.LastMessageAt != got[messages-1].At || !c.CreatedAt.Equal(got[0].At) || c.Unread != 0 {
		t.Errorf("chat %+v", c)
	}
}

func TestWithoutHistoryNothingOfItIsTakenIn(t *testing.T) {
	t.Parallel()
	l := newLiveAfter(t, wasim.Options{}, func(l *live) {
		remember(t, l, wasim.HistoryExternal)
		l.history = 0
	})
	l.stored(l.sends(customer, shop, said("hi")), anything)
	if got := l.messages(); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}
