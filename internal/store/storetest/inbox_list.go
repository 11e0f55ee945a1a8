package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// names lists the names of chats in the order of the list.
func (w *world) names(f store.ChatFilter, p store.Page) ([]string, bool) {
	w.t.Helper()
	views, more, err := w.store.ListChats(w.ctx(), w.ws.ID, f, p)
	w.must(err)
	var names []string
	for _, v := range views {
		names = append(names, v.Chat.Name)
	}
	return names, more
}

func contact(n int, name string) tideline.Peer {
	return tideline.Peer{JID: tideline.JID(fmt.Sprintf("1484000%04d@s.whatsapp.net", n)), Name: name}
}

var inboxListTests = map[string]func(*testing.T, *world){
	"ChatsByTheirLastMessageThenByName": func(t *testing.T, w *world) {
		w.receiveMessage("1", from(contact(101, "old")))
		w.receiveMessage("2", from(contact(102, "b")), at(w.now.Add(time.Minute)))
		w.receiveMessage("3", from(contact(103, "a")), at(w.now.Add(time.Minute)))
		w.accept(to("+14840000104", "waits in the queue"))
		w.receiveMessage("4", from(contact(105, "late news")), at(w.now.Add(-time.Hour)))
		all := []string{"a", "b", "old", "late news", "waits in the queue"}
		got, more := w.names(store.ChatFilter{}, store.Page{Limit: 50})
		same(t, "all", got, all)
		same(t, "more", more, false)
		for i := range all {
			got, more = w.names(store.ChatFilter{}, store.Page{Offset: i, Limit: 1})
			same(t, "page", got, all[i:i+1])
			same(t, "more after it", more, i < len(all)-1)
		}
		views, _, err := w.store.ListChats(w.ctx(), w.ws.ID, store.ChatFilter{WithLastMessage: true}, store.Page{Limit: 50})
		w.must(err)
		same(t, "last message", views[1].LastMessage.Message.WhatsAppID, "2")
		same(t, "account of the last message", views[1].LastMessage.Account.Phone, w.acc.Phone)
		if views[4].LastMessage != nil {
			t.Error("a message in the queue is the last message")
		}
	},

	"ChatsByFilter": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		w.receiveMessage("1", from(contact(101, "Ana Lima")))
		w.receiveMessage("2", from(contact(102, "100% sure")), func(r *store.Reception) { r.AccountID = second.ID })
		w.receiveMessage("3", inGroup(byBoth))
		w.receiveMessage("4", from(contact(101, "")), ownPhone)
		w.accept(to("+14840000104", "Bob"), func(a *store.Acceptance) { a.Label = "vip" })
		yes, no := true, false
		for name, c := range map[string]struct {
			filter store.ChatFilter
			want   []string
		}{
			"group":           {store.ChatFilter{Group: &yes}, []string{"Choir"}},
			"not group":       {store.ChatFilter{Group: &no}, []string{"100% sure", "Ana Lima", "Bob"}},
			"unread":          {store.ChatFilter{Read: &no}, []string{"100% sure", "Choir"}},
			"read":            {store.ChatFilter{Read: &yes}, []string{"Ana Lima", "Bob"}},
			"closed":          {store.ChatFilter{Closed: &yes}, nil},
			"label":           {store.ChatFilter{Labels: []string{"other", "vip"}}, []string{"Bob"}},
			"name":            {store.ChatFilter{Names: []string{"ana l", "xyz"}}, []string{"Ana Lima"}},
			"name with %":     {store.ChatFilter{Names: []string{"0%"}}, []string{"100% sure"}},
			"account":         {store.ChatFilter{Accounts: []tideline.JID{second.JID}}, []string{"100% sure"}},
			"whole phone":     {store.ChatFilter{Phone: "+14840000104"}, []string{"Bob"}},
			"part of phone":   {store.ChatFilter{Phone: "000010"}, []string{"100% sure", "Ana Lima", "Bob"}},
			"contact":         {store.ChatFilter{ContactPhones: []string{"14840000101", "04840000104"}}, []string{"Ana Lima", "Bob"}},
			"created before":  {store.ChatFilter{CreatedBefore: w.now}, []string{"Bob"}},
			"created after":   {store.ChatFilter{CreatedAfter: w.now.Add(time.Millisecond), Group: &yes}, []string{"Choir"}},
			"two that differ": {store.ChatFilter{Names: []string{"Bob"}, Group: &yes}, nil},
		} {
			got, _ := w.names(c.filter, store.Page{Limit: 50})
			same(t, name, got, c.want)
		}
	},

	"CaseDoesNotMatterInAnyAlphabet": func(t *testing.T, w *world) {
		all := []string{"Étienne Ştefan", "ärzte [50% off?*]", "ΣΟΦΊΑ", "Kasse"}
		for i, name := range all {
			w.receiveMessage(name, from(contact(101+i, name)), at(w.now.Add(time.Duration(-i)*time.Minute)))
		}
		for part, want := range map[string][]string{
			"étienne": all[:1], "ÉTIENNE ş": all[:1], "ŞTEFAN": all[:1],
			"ÄRZ": all[1:2], "Ärzte [50% OFF?*]": all[1:2], "[50%": all[1:2], "ä_zte": nil, "ä*e": nil, "är.te": nil,
			"σοφία": all[2:3], "Σοφία": all[2:3],
			"KASSE": all[3:], "ss": all[3:], "ß": nil, "kasse ": nil,
			"e": {all[0], all[1], all[3]},
		} {
			got, _ := w.names(store.ChatFilter{Names: []string{part}}, store.Page{Limit: 10})
			same(t, "chats with "+part, got, want)
			_, err := w.store.CreateFile(w.ctx(), tideline.File{UID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ws.ID, MemberID: w.owner.ID,
				Name: "ein " + part + ".pdf", Blob: part, UploadedAt: w.now})
			w.must(err)
		}
		files, err := w.store.ListFiles(w.ctx(), w.ws.ID, "ÉTIENNE")
		w.must(err)
		same(t, "files", len(files), 2)
		chat := w.receiveMessage("A1").ChatID
		ozge := w.member("Özge@example.com", tideline.RoleAgent)
		w.update(chat, func(u *store.ChatUpdate) { u.Responsible = &ozge.ID })
		got, _ := w.names(store.ChatFilter{Responsible: []string{"özGE@example.com"}}, store.Page{Limit: 10})
		same(t, "by responsible", len(got), 1)
		got, _ = w.names(store.ChatFilter{Responsible: []string{"nobody@example.com"}}, store.Page{Limit: 10})
		same(t, "by somebody unknown", len(got), 0)
	},

	"FewAndManyAreListedAlike": func(t *testing.T, w *world) {
		// Filters that select few chats are answered in another way than those that
		// select many; both must give the same order and the same pages.
		second := w.account(w.ws, "+14840000002")
		ben := w.member("ben@example.com", tideline.RoleAgent)
		for i := range 6 {
			got := w.receiveMessage(fmt.Sprint(i), from(contact(101+i, fmt.Sprint("chat ", i))), at(w.now.Add(time.Duration(i%3)*time.Minute)),
				func(r *store.Reception) {
					if i == 5 {
						r.AccountID = second.ID
					}
				})
			_, err := w.store.PutLabels(w.ctx(), w.ws.ID, got.ChatID, []string{"all", fmt.Sprint("odd ", i%2 == 1)}, false)
			w.must(err)
			w.update(got.ChatID, func(u *store.ChatUpdate) { u.Responsible, u.Closed = &ben.ID, new(i == 1) })
		}
		order := []string{"chat 2", "chat 5", "chat 1", "chat 4", "chat 0", "chat 3"}
		for name, f := range map[string]store.ChatFilter{
			"label": {Labels: []string{"all", "odd true"}}, "responsible": {Responsible: []string{"ben@example.com"}},
			"label and responsible": {Labels: []string{"all"}, Responsible: []string{"BEN@example.com"}},
			"names":                 {Names: []string{"chat"}}, "numbers": {ContactPhones: []string{"14840000101", "14840000102", "14840000103",
				"14840000104", "14840000105", "14840000106"}},
		} {
			for i := range order {
				got, more := w.names(f, store.Page{Offset: i, Limit: 1})
				same(t, name, got, order[i:i+1])
				same(t, name+", more", more, i < len(order)-1)
			}
		}
		got, _ := w.names(store.ChatFilter{Labels: []string{"odd true"}, Responsible: []string{"ben@example.com"}, Closed: new(false),
			Accounts: []tideline.JID{w.acc.JID, "1@s.whatsapp.net"}}, store.Page{Limit: 9})
		same(t, "of all kinds", got, []string{"chat 3"})
		got, _ = w.names(store.ChatFilter{Accounts: []tideline.JID{"1@s.whatsapp.net"}, Labels: []string{"all"}}, store.Page{Limit: 9})
		same(t, "of an unknown account", len(got), 0)
		other, _ := w.workspace("other", 10)
		views, _, err := w.store.ListChats(w.ctx(), other.ID, store.ChatFilter{ContactPhones: []string{"14840000101"}}, store.Page{Limit: 9})
		w.must(err)
		same(t, "of another workspace", len(views), 0)
	},

	"MessagesByTimeInBothDirections": func(t *testing.T, w *world) {
		var uids []string
		var chat int64
		for i, text := range []string{"one", "two", "three", "four"} {
			got := w.receiveMessage(text, at(w.now.Add(time.Duration(i)*time.Minute)), func(r *store.Reception) {
				r.Message.Text = text
				if i == 1 {
					ownPhone(r)
				}
			})
			uids, chat = append(uids, got.UID), got.ChatID
		}
		w.receiveMessage("early", at(w.now.Add(-time.Minute)), func(r *store.Reception) { r.Message.Text = "zero" })
		w.accept(to("+14840000100", ""), func(a *store.Acceptance) {
			a.Message.Text, a.Message.At = "queued", w.now.Add(150*time.Second)
		})
		yes, no := true, false
		for name, c := range map[string]struct {
			filter store.MessageFilter
			want   []string
		}{
			"all":           {store.MessageFilter{}, []string{"four", "queued", "three", "two", "one", "zero"}},
			"oldest first":  {store.MessageFilter{OldestFirst: true}, []string{"zero", "one", "two", "three", "queued", "four"}},
			"from me":       {store.MessageFilter{FromMe: &yes}, []string{"queued", "two"}},
			"from them":     {store.MessageFilter{FromMe: &no}, []string{"four", "three", "one", "zero"}},
			"after, before": {store.MessageFilter{After: w.now, Before: w.now.Add(2 * time.Minute)}, []string{"three", "two", "one"}},
			"after one":     {store.MessageFilter{AfterMessage: uids[1]}, []string{"four", "queued", "three"}},
			"before one":    {store.MessageFilter{BeforeMessage: uids[1]}, []string{"one", "zero"}},
			"between two":   {store.MessageFilter{AfterMessage: uids[0], BeforeMessage: uids[3]}, []string{"queued", "three", "two"}},
		} {
			same(t, name, w.texts(chat, c.filter), c.want)
		}
		page, more, err := w.store.ChatMessages(w.ctx(), w.ws.ID, chat, store.MessageFilter{}, store.Page{Offset: 4, Limit: 2})
		w.must(err)
		same(t, "page", []any{len(page), more}, []any{2, false})
		_, more, err = w.store.ChatMessages(w.ctx(), w.ws.ID, chat, store.MessageFilter{}, store.Page{Offset: 3, Limit: 2})
		w.must(err)
		same(t, "more", more, true)
		_, _, err = w.store.ChatMessages(w.ctx(), w.ws.ID, chat, store.MessageFilter{AfterMessage: "nothing"}, store.Page{Limit: 2})
		w.wantCode(err, tideline.CodeNotFound)
	},

	"AFailedMessageStaysInTheHistory": func(t *testing.T, w *world) {
		_, out := w.accept(to("+14840000100", ""))
		w.settle(out.MessageID, tideline.StatusFailed)
		same(t, "texts", w.texts(out.ChatID, store.MessageFilter{}), []string{"hello"})
		same(t, "last message", w.chat(out.ChatID).Chat.LastMessageID, out.MessageID)
	},

	"ManyAtTheSameTimeAreAllStoredOnce": func(t *testing.T, w *world) {
		const n = 60
		var wg sync.WaitGroup
		in := make([]store.Reception, 0, 2*n)
		for i := range n {
			for _, peer := range []tideline.Peer{byLID, byBoth} { // each message twice
				in = append(in, w.reception(fmt.Sprint("M", i), from(peer)))
			}
		}
		ctx := w.ctx()
		for _, r := range in {
			wg.Go(func() {
				if _, err := w.store.Receive(ctx, r); err != nil {
					t.Errorf("receive: %v", err)
				}
			})
			wg.Go(func() {
				a := store.Acceptance{
					WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MemberID: w.owner.ID, Version: -1,
					Message: store.NewMessage{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: uuid.NewString(), Text: "hi", Credits: 1, At: w.now},
					Chat:    store.ChatRef{JID: anaJID, Phone: "+14840000100"}, Grant: w.ws.Grant(), Location: time.UTC,
				}
				a.Version, _ = w.store.Version(ctx)
				if out := w.store.Accept(ctx, a); out.Err != nil {
					t.Errorf("accept: %v", out.Err)
				}
			})
		}
		wg.Wait()
		last := w.receiveMessage("last", from(byBoth))
		views, _, err := w.store.ChatMessages(ctx, w.ws.ID, last.ChatID, store.MessageFilter{}, store.Page{Limit: 1000})
		w.must(err)
		same(t, "messages", len(views), n+2*n+1)
		chats, _ := w.names(store.ChatFilter{}, store.Page{Limit: 10})
		same(t, "chats", len(chats), 1)
		same(t, "unread", w.chat(last.ChatID).Chat.Unread, n+1)
		w.audit()
	},
}

// testInboxModel breaks idempotency with any order of deliveries, each repeated,
// under any of a contact's addresses: what is shown at the end must be the same
// as with each delivered once under both.
func testInboxModel(t *testing.T, create func(testing.TB) Opener) {
	open := create(t)
	w := newWorld(t, open)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		acc := w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484555%04d", serial)))
		const n = 5
		type step struct{ message, kind, peer int }
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.IntRange(0, n-1).Draw(t, "message"), rapid.IntRange(0, 3).Draw(t, "kind"), rapid.IntRange(0, 2).Draw(t, "peer")}
		}), 1, 40).Draw(rt, "steps")
		want := make(map[int]*struct {
			text, emoji           string
			here, edited, deleted bool
		})
		var chat int64
		deliver := func(s step) {
			peer := []tideline.Peer{byNumber, byLID, byBoth}[s.peer]
			id := fmt.Sprint("M", s.message)
			change := []func(*store.Reception){from(peer), func(r *store.Reception) { r.AccountID = acc.ID }}
			switch s.kind {
			case 1:
				change = append(change, react("👍", w.now))
			case 2:
				change = append(change, edit("edited"), at(w.now.Add(time.Minute)))
			case 3:
				change = append(change, remove, at(w.now.Add(time.Hour)))
			}
			got, err := w.store.Receive(context.Background(), w.reception(id, change...))
			if err != nil {
				rt.Fatalf("receive: %v", err)
			}
			chat = got.ChatID
			m := want[s.message]
			if m == nil {
				m = new(struct {
					text, emoji           string
					here, edited, deleted bool
				})
				want[s.message] = m
			}
			switch s.kind {
			case 0:
				m.here = true
			case 1:
				m.emoji = "👍"
			case 2:
				m.edited = true
			case 3:
				m.deleted = true
			}
		}
		for _, s := range steps {
			deliver(s)
		}
		deliver(step{n, 0, 2}) // both addresses
		views, _, err := w.store.ChatMessages(context.Background(), w.ws.ID, chat, store.MessageFilter{}, store.Page{Limit: 100})
		if err != nil {
			rt.Fatalf("chat messages: %v", err)
		}
		got := make(map[string]string)
		for _, v := range views {
			text := v.Message.Text
			for _, r := range v.Reactions {
				text += r.Emoji
			}
			if _, twice := got[v.Message.WhatsAppID]; twice {
				rt.Fatalf("message %s is stored twice", v.Message.WhatsAppID)
			}
			got[v.Message.WhatsAppID] = text
		}
		expect := make(map[string]string)
		for i, m := range want {
			id := fmt.Sprint("M", i)
			text := "text of " + id
			switch {
			case !m.here:
				continue
			case m.deleted:
				text = ""
			case m.edited:
				text = "edited"
			}
			expect[id] = text + m.emoji
		}
		same(rt, "messages", got, expect)
	})
}
