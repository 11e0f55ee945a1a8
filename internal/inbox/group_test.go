package inbox_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/wasim"
)

const (
	colleague = "+14840000101"
	bruno     = "+14840000002"
)

// choir makes a group of the customer, the shop, the colleague and bruno.
func (l *live) choir() types.JID {
	l.t.Helper()
	for number, name := range map[string]string{bruno: "Bruno", colleague: "Colleague"} {
		_, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: number, Name: name})
		l.must(err)
	}
	g, err := l.phone(customer).CreateGroup(l.ctx(), "Choir", shop, colleague, bruno)
	l.must(err)
	return g
}

// chats lists the chats with a JID.
func (l *live) chats(jid string) []store.ChatView {
	l.t.Helper()
	all, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 50})
	l.must(err)
	return slices.DeleteFunc(all, func(v store.ChatView) bool { return string(v.Chat.JID) != jid })
}

// chatAs waits until the only chat with a JID fits.
func (l *live) chatAs(what, jid string, fits func(store.ChatView) bool) (found store.ChatView) {
	l.t.Helper()
	l.until("chat with "+what, func() bool {
		for _, v := range l.chats(jid) {
			if found = v; fits(v) {
				return true
			}
		}
		return false
	})
	return found
}

// storedIn waits until the message with a WhatsApp id is in a chat and fits.
func (l *live) storedIn(chatID int64, id string, fits func(store.MessageView) bool) (found store.MessageView) {
	l.t.Helper()
	l.until("message "+id+" in the chat as wanted", func() bool {
		views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, chatID, store.MessageFilter{}, store.Page{Limit: 100})
		l.must(err)
		i := slices.IndexFunc(views, func(v store.MessageView) bool { return v.Message.WhatsAppID == id && fits(v) })
		if i >= 0 {
			found = views[i]
		}
		return i >= 0
	})
	return found
}

func TestEveryKindArrivesInAGroup(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	g := l.choir().String()
	picture := picturePNG(t)
	l.sends(customer, g, said("hello"))
	chat := l.chatAs("a message", g, func(v store.ChatView) bool { return v.LastMessageUID != "" }).Chat.ID
	for _, from := range []string{customer, bruno, shop} {
		fromMe := from == shop
		lid := l.phone(from).LID().String()
		key := func(id string) *waCommon.MessageKey {
			k := &waCommon.MessageKey{ID: &id, FromMe: proto.Bool(true), RemoteJID: &g}
			return k
		}
		// As others name it: by group, id and writer.
		others := func(id string) *waCommon.MessageKey {
			return &waCommon.MessageKey{ID: &id, FromMe: proto.Bool(false), RemoteJID: &g, Participant: &lid}
		}
		written := func(m tideline.Message) bool {
			if fromMe {
				return m.FromMe && m.Sender == (tideline.Peer{})
			}
			p := l.phone(from)
			return !m.FromMe && m.Sender == tideline.Peer{JID: tideline.JID(p.JID().String()), LID: tideline.JID(lid), Name: p.Options().Name}
		}
		first := l.sends(from, g, said("first"))
		target := l.storedIn(chat, first, anything)
		if m := target.Message; !written(m) || m.Text != "first" || m.Kind != tideline.KindText {
			t.Errorf("%s: text %+v", from, m)
		}
		id, err := l.phone(from).SendFile(l.ctx(), g, wasim.File{Kind: "image", MIME: "image/png", Data: picture, Caption: "look"})
		l.must(err)
		if v := l.storedIn(chat, id, func(v store.MessageView) bool { return v.File != nil }); !written(v.Message) || v.Message.Text != "look" || v.File.Size != int64(len(picture)) {
			t.Errorf("%s: image %+v, file %+v", from, v.Message, v.File)
		}
		answer := l.sends(bruno, g, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("second"),
			ContextInfo: &waE2E.ContextInfo{StanzaID: &first, Participant: &lid, QuotedMessage: said("first")}}})
		if v := l.storedIn(chat, answer, anything); v.ReplyToUID != target.Message.UID {
			t.Errorf("%s: the answer is to %q, want %q", from, v.ReplyToUID, target.Message.UID)
		}
		for _, emoji := range []string{"👍", "❤️", ""} {
			l.sends(customer, g, &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Key: others(first), Text: &emoji, SenderTimestampMS: proto.Int64(time.Now().UnixMilli())}})
			l.storedIn(chat, first, func(v store.MessageView) bool {
				if emoji == "" {
					return len(v.Reactions) == 0
				}
				return len(v.Reactions) == 1 && v.Reactions[0].Emoji == emoji && v.Reactions[0].Peer.Phone() == customer
			})
		}
		l.sends(from, g, &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key(first), EditedMessage: said("better")}}}})
		l.storedIn(chat, first, func(v store.MessageView) bool { return v.Message.Text == "better" && !v.Message.EditedAt.IsZero() })
		l.sends(from, g, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key(first)}})
		l.storedIn(chat, first, func(v store.MessageView) bool { return v.Message.Text == "" && !v.Message.DeletedAt.IsZero() })
		// An admin takes back what another one wrote.
		bad := l.sends(from, g, said("bad"))
		l.storedIn(chat, bad, anything)
		l.sends(customer, g, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: others(bad)}})
		l.storedIn(chat, bad, func(v store.MessageView) bool { return !v.Message.DeletedAt.IsZero() })
	}
	if n := len(l.chats(g)); n != 1 {
		t.Errorf("the group is %d chats, want one", n)
	}
}

func TestTwoAccountsInOneGroupAreTwoChats(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	g := l.choir().String()
	l.link(colleague)
	id := l.sends(customer, g, said("to both"))
	own := l.sends(shop, g, said("from one to the other"))
	l.until("two chats of the group with both messages", func() bool {
		chats := l.chats(g)
		n := 0
		for _, c := range chats {
			views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, c.Chat.ID, store.MessageFilter{}, store.Page{Limit: 10})
			l.must(err)
			for _, v := range views {
				ownAccount := v.Account.Phone == shop
				if v.Message.WhatsAppID == id && !v.Message.FromMe || v.Message.WhatsAppID == own && v.Message.FromMe == ownAccount {
					n++
				}
			}
		}
		return len(chats) == 2 && n == 4
	})
	l.until("names of both", func() bool {
		var names []string
		for _, c := range l.chats(g) {
			names = append(names, c.Chat.Name)
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"Choir", "Choir (2)"})
	})
}

// inWords gives the members of a group with their roles.
func inWords(v store.ChatView) (words []string) {
	for _, m := range v.Members {
		words = append(words, string(m.Phone)+" "+m.Name+" "+string(m.Role))
	}
	return words
}

func TestAGroupFollowsWhatsApp(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	g := l.choir()
	l.sends(customer, g.String(), said("hello"))
	l.sends(customer, shop, said("hello"))
	direct := l.chatAs("the customer", l.phone(customer).JID().String(), func(store.ChatView) bool { return true }).Chat.ID
	becomes := func(what, name string, bar tideline.Bar, members ...string) store.ChatView {
		t.Helper()
		return l.chatAs("the group as it is "+what, g.String(), func(v store.ChatView) bool {
			return v.Chat.Name == name && v.Chat.Bar == bar && slices.Equal(inWords(v), members)
		})
	}
	change := func(number string, c wasim.GroupChange) { l.must(l.phone(number).ChangeGroup(l.ctx(), g, c)) }
	ana, own := customer+" Ana Owner", shop+"  Member"
	v := becomes("new", "Choir", "", ana, own, colleague+"  Member", bruno+"  Member")
	if v.Members[0].ChatID != direct || v.Members[2].ChatID != 0 {
		t.Errorf("members %+v, want the first to have chat %d", v.Members, direct)
	}
	change(customer, wasim.GroupChange{Subject: proto.String("Band"), Promote: []string{bruno}, Remove: []string{colleague}})
	becomes("changed", "Band", "", ana, own, bruno+"  Admin")
	change(bruno, wasim.GroupChange{Announce: proto.Bool(true), Add: []string{colleague}})
	becomes("for admins", "Band", tideline.BarAdminsOnly, ana, own, bruno+"  Admin", colleague+"  Member")
	change(customer, wasim.GroupChange{Promote: []string{shop}})
	becomes("as an admin", "Band", "", ana, shop+"  Admin", bruno+"  Admin", colleague+"  Member")

	l.stop()
	change(customer, wasim.GroupChange{Subject: proto.String("Trio"), Remove: []string{colleague}})
	l.openStore()
	l.start()
	becomes("changed while away", "Trio", "", ana, shop+"  Admin", bruno+"  Admin")
	l.stop()
	change(customer, wasim.GroupChange{Remove: []string{shop}})
	l.openStore()
	l.start()
	becomes("left while away", "Trio", tideline.BarLeft, ana, bruno+"  Admin")
	change(customer, wasim.GroupChange{Announce: proto.Bool(false), Add: []string{shop}})
	becomes("added again", "Trio", "", ana, bruno+"  Admin", own)
	change(shop, wasim.GroupChange{Leave: true})
	becomes("left on the phone", "Trio", tideline.BarLeft, ana, bruno+"  Admin")
}

func TestNamesFollowTheAddressBook(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	jid := l.phone(customer).JID().String()
	called := func(name string) {
		t.Helper()
		l.chatAs("the name "+name, jid, func(v store.ChatView) bool { return v.Chat.Name == name })
	}
	l.sends(customer, shop, said("hi"))
	called("Ana")
	_, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: customer, Name: "Ana 🌻"})
	l.must(err)
	l.sends(customer, shop, said("I have a new name"))
	called("Ana 🌻")
	l.must(l.phone(shop).SaveContact(l.ctx(), customer, "Ana", "Ana Lima"))
	called("Ana Lima")
	v := l.stored(l.sends(customer, shop, said("hi again")), anything)
	if v.Chat.Name != "Ana Lima" || v.Message.Sender.Name != "Ana Lima" {
		t.Errorf("chat %q, sender %q", v.Chat.Name, v.Message.Sender.Name)
	}
	l.stop()
	l.must(l.phone(shop).SaveContact(l.ctx(), customer, "Ana", "Ana (Lisbon)"))
	l.openStore()
	l.start()
	called("Ana (Lisbon)")
}

func TestPicturesFollowWhatsApp(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	g := l.choir()
	first := picturePNG(t)
	l.must(l.phone(customer).SetPicture(l.ctx(), first))
	l.sends(customer, shop, said("hi"))
	l.sends(customer, g.String(), said("hi"))
	shown := func(jid string, image []byte, not string) store.ChatView {
		t.Helper()
		v := l.chatAs("another picture than "+not, jid, func(v store.ChatView) bool { return v.PhotoUID != not })
		if image == nil {
			return v
		}
		f, err := l.store.FileForLink(l.ctx(), v.PhotoUID)
		l.must(err)
		r, err := l.blobs.Open(l.ctx(), f.Blob)
		l.must(err)
		defer r.Close()
		data, err := io.ReadAll(r)
		l.must(err)
		if !bytes.Equal(data, image) || f.MIMEType != "image/png" {
			t.Errorf("the picture is %d bytes of %s, want %d", len(data), f.MIMEType, len(image))
		}
		return v
	}
	gone := func(v store.ChatView, blobKey string) {
		t.Helper()
		if _, err := l.store.FileForLink(l.ctx(), v.PhotoUID); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("a replaced picture has a link: %v", err)
		}
		l.until("end of the bytes", func() bool {
			_, err := l.blobs.Stat(l.ctx(), blobKey)
			return errors.Is(err, blob.ErrNotFound)
		})
	}
	second := append(bytes.Clone(first), 0) // after the end of an image
	for jid, set := range map[string]func(image []byte) error{
		l.phone(customer).JID().String(): func(image []byte) error { return l.phone(customer).SetPicture(l.ctx(), image) },
		g.String():                       func(image []byte) error { return l.phone(customer).SetGroupPicture(l.ctx(), g, image) },
	} {
		if jid == g.String() {
			l.chatAs("its members", jid, func(v store.ChatView) bool { return len(v.Members) > 0 })
			l.must(set(first))
		}
		one := shown(jid, first, "")
		f, err := l.store.FileForLink(l.ctx(), one.PhotoUID)
		l.must(err)
		l.must(set(second))
		two := shown(jid, second, one.PhotoUID)
		gone(one, f.Blob)
		f, err = l.store.FileForLink(l.ctx(), two.PhotoUID)
		l.must(err)
		l.must(set(nil))
		if v := shown(jid, nil, two.PhotoUID); v.PhotoUID != "" {
			t.Errorf("photo %q after it was removed", v.PhotoUID)
		}
		gone(two, f.Blob)
	}
}
