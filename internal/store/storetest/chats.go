package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// to sends an acceptance to the customer with a number, wishing for a chat name.
func to(phone tideline.Phone, name string) func(*store.Acceptance) {
	return func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: phone.JID(), Phone: phone, Name: name} }
}

var chatTests = map[string]func(*testing.T, *world){
	"OneChatPerContact": func(t *testing.T, w *world) {
		_, first := w.accept(to("+14840000100", ""))
		_, again := w.accept(to("+14840000100", "Carla"))
		_, other := w.accept(to("+14840000101", ""))
		same(t, "chat", again.ChatID, first.ChatID)
		if other.ChatID == first.ChatID {
			t.Fatal("two contacts share a chat")
		}
		c, err := w.store.Chat(w.ctx(), w.ws.ID, first.ChatID)
		w.must(err)
		same(t, "chat", c, tideline.Chat{ID: first.ChatID, WorkspaceID: w.ws.ID, AccountID: w.acc.ID,
			JID: "14840000100@s.whatsapp.net", Phone: "+14840000100", Name: "+14840000100", CreatedAt: w.now})
	},

	"EachAccountHasItsOwnChats": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		_, first := w.accept(to("+14840000100", ""))
		_, other := w.accept(to("+14840000100", ""), func(a *store.Acceptance) { a.AccountID = second.ID })
		if other.ChatID == first.ChatID {
			t.Fatal("two accounts share a chat")
		}
		same(t, "name", w.chatName(other.ChatID), "+14840000100 (2)")
	},

	"NamesAreUniqueInTheWorkspace": func(t *testing.T, w *world) {
		long := strings.Repeat("ä", tideline.MaxChatName)
		var got []string
		for i, wish := range []string{"Carla", "Carla", "Carla", "Carla (2)", long, long} {
			_, out := w.accept(to(tideline.Phone(fmt.Sprintf("+1484000010%d", i)), wish))
			got = append(got, w.chatName(out.ChatID))
		}
		same(t, "names", got, []string{"Carla", "Carla (2)", "Carla (3)", "Carla (2) (2)", long,
			strings.Repeat("ä", tideline.MaxChatName-4) + " (2)"})
	},

	"AChatIsFoundByItsExactName": func(t *testing.T, w *world) {
		_, out := w.accept(to("+14840000100", "Carla"))
		other, _ := w.workspace("other", 10)
		c, err := w.store.ChatByName(w.ctx(), w.ws.ID, "Carla")
		w.must(err)
		same(t, "chat", c.ID, out.ChatID)
		for _, name := range []string{"carla", "Carla ", "", "%"} {
			if _, err := w.store.ChatByName(w.ctx(), w.ws.ID, name); !tideline.IsCode(err, tideline.CodeNotFound) {
				t.Errorf("%q: got %v, want not found", name, err)
			}
		}
		if _, err := w.store.ChatByName(w.ctx(), other.ID, "Carla"); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("in another workspace: got %v, want not found", err)
		}
	},

	"LabelsAreMadeAndAttachedOnce": func(t *testing.T, w *world) {
		var chat int64
		for _, label := range []string{"vip", "berlin", "vip", ""} {
			_, out := w.accept(func(a *store.Acceptance) { a.Label = label })
			chat = out.ChatID
		}
		labels, err := w.store.ChatLabels(w.ctx(), w.ws.ID, chat)
		w.must(err)
		same(t, "labels", labels, []string{"berlin", "vip"})
	},
}

func (w *world) chatName(id int64) string {
	w.t.Helper()
	c, err := w.store.Chat(w.ctx(), w.ws.ID, id)
	w.must(err)
	return c.Name
}
