package storetest

import (
	"fmt"
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// chatWith makes a chat with labels.
func (w *world) chatWith(serial int, labels ...string) int64 {
	w.t.Helper()
	phone := tideline.Phone(fmt.Sprintf("+1484111%04d", serial))
	_, out := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: phone.JID(), Phone: phone} })
	_, err := w.store.PutLabels(w.ctx(), w.ws.ID, out.ChatID, labels, true)
	w.must(err)
	return out.ChatID
}

// labels reads all labels: name, chosen colour, chats that are open, all chats.
func (w *world) labels(v *store.Viewer) []string {
	w.t.Helper()
	list, err := w.store.ListLabels(w.ctx(), w.ws.ID)
	w.must(err)
	counts, err := w.store.CountLabels(w.ctx(), w.ws.ID, v)
	w.must(err)
	shown := []string{}
	for _, l := range list {
		shown = append(shown, fmt.Sprintf("%s %s %d/%d", l.Name, l.Chosen, counts[l.ID].Open, counts[l.ID].All))
	}
	return shown
}

// labelID finds a label by name.
func (w *world) labelID(name string) int64 {
	w.t.Helper()
	list, err := w.store.ListLabels(w.ctx(), w.ws.ID)
	w.must(err)
	for _, l := range list {
		if l.Name == name {
			return l.ID
		}
	}
	w.t.Fatalf("there is no label %q", name)
	return 0
}

var labelTests = map[string]func(*testing.T, *world){
	"AreListedWithTheirChats": func(t *testing.T, w *world) {
		first := w.chatWith(1, "vip", "Zoo")
		w.chatWith(2, "vip", "älter")
		_, err := w.store.CreateLabel(w.ctx(), tideline.Label{WorkspaceID: w.ws.ID, Name: "empty", Chosen: tideline.ColourTeal})
		w.must(err)
		w.must(w.store.UpdateChat(w.ctx(), w.ws.ID, first, store.ChatUpdate{Closed: ptr(true), By: w.owner.ID, At: w.now}))
		same(t, "labels", w.labels(nil), []string{"Zoo  0/1", "empty teal 0/0", "vip  1/2", "älter  1/1"})

		ben := w.member("ben@example.com", tideline.RoleAgent)
		same(t, "of who sees nothing", w.labels(&store.Viewer{MemberID: ben.ID}), []string{"Zoo  0/0", "empty teal 0/0", "vip  0/0", "älter  0/0"})
		w.must(w.store.UpdateChat(w.ctx(), w.ws.ID, first, store.ChatUpdate{Responsible: &ben.ID, By: w.owner.ID, At: w.now}))
		same(t, "of who sees one chat", w.labels(&store.Viewer{MemberID: ben.ID}), []string{"Zoo  0/1", "empty teal 0/0", "vip  0/1", "älter  0/0"})
		same(t, "of who sees an account", w.labels(&store.Viewer{MemberID: ben.ID, Accounts: []int64{w.acc.ID}}), w.labels(nil))
	},

	"HaveOneNameEach": func(t *testing.T, w *world) {
		w.chatWith(1, "vip")
		_, err := w.store.CreateLabel(w.ctx(), tideline.Label{WorkspaceID: w.ws.ID, Name: "vip"})
		w.wantCode(err, tideline.CodeConflict)
		made, err := w.store.CreateLabel(w.ctx(), tideline.Label{WorkspaceID: w.ws.ID, Name: "VIP"})
		w.must(err)
		_, err = w.store.UpdateLabel(w.ctx(), w.ws.ID, made.ID, store.LabelUpdate{Name: ptr("vip"), Colour: ptr(tideline.ColourRed)})
		w.wantCode(err, tideline.CodeConflict)
		same(t, "after refusals", w.labels(nil), []string{"VIP  0/0", "vip  1/1"})
		_, err = w.store.CreateLabel(w.ctx(), tideline.Label{WorkspaceID: 4711, Name: "vip"})
		w.wantCode(err, tideline.CodeNotFound)
	},

	"ARenamedOneStaysOnItsChats": func(t *testing.T, w *world) {
		chat := w.chatWith(1, "vip")
		id := w.labelID("vip")
		got, err := w.store.UpdateLabel(w.ctx(), w.ws.ID, id, store.LabelUpdate{Name: ptr("gold"), Colour: ptr(tideline.ColourAmber)})
		w.must(err)
		same(t, "label", got, tideline.Label{ID: id, WorkspaceID: w.ws.ID, Name: "gold", Chosen: tideline.ColourAmber})
		// To its own name is no change, to no colour is one.
		got, err = w.store.UpdateLabel(w.ctx(), w.ws.ID, id, store.LabelUpdate{Name: ptr("gold"), Colour: ptr(tideline.Colour(""))})
		w.must(err)
		same(t, "again", got.Chosen, tideline.Colour(""))
		names, err := w.store.ChatLabels(w.ctx(), w.ws.ID, chat)
		w.must(err)
		same(t, "of the chat", names, []string{"gold"})
		// The old name is free: a new message makes it anew.
		_, out := w.accept(func(a *store.Acceptance) { a.Label = "vip" })
		names, err = w.store.ChatLabels(w.ctx(), w.ws.ID, out.ChatID)
		w.must(err)
		same(t, "of the new chat", names, []string{"vip"})
	},

	"AMergedOneLeavesItsChatsToTheOther": func(t *testing.T, w *world) {
		both, one, other := w.chatWith(1, "vip", "gold"), w.chatWith(2, "vip"), w.chatWith(3, "gold")
		gold := w.labelID("gold")
		_, err := w.store.UpdateLabel(w.ctx(), w.ws.ID, gold, store.LabelUpdate{Colour: ptr(tideline.ColourAmber)})
		w.must(err)
		got, err := w.store.UpdateLabel(w.ctx(), w.ws.ID, w.labelID("vip"), store.LabelUpdate{Name: ptr("gold"), Merge: true, Colour: ptr(tideline.ColourRed)})
		w.must(err)
		same(t, "what is left", got, tideline.Label{ID: gold, WorkspaceID: w.ws.ID, Name: "gold", Chosen: tideline.ColourAmber})
		same(t, "labels", w.labels(nil), []string{"gold amber 3/3"})
		for _, chat := range []int64{both, one, other} {
			names, err := w.store.ChatLabels(w.ctx(), w.ws.ID, chat)
			w.must(err)
			same(t, "of a chat", names, []string{"gold"})
		}
		// Where there is nothing to merge with, it is a rename.
		got, err = w.store.UpdateLabel(w.ctx(), w.ws.ID, gold, store.LabelUpdate{Name: ptr("silver"), Merge: true})
		w.must(err)
		same(t, "renamed", []any{got.ID, got.Name}, []any{gold, "silver"})
	},

	"ADeletedOneIsGoneFromChats": func(t *testing.T, w *world) {
		chat := w.chatWith(1, "vip", "gold")
		id := w.labelID("vip")
		w.must(w.store.DeleteLabel(w.ctx(), w.ws.ID, id))
		w.wantCode(w.store.DeleteLabel(w.ctx(), w.ws.ID, id), tideline.CodeNotFound)
		_, err := w.store.UpdateLabel(w.ctx(), w.ws.ID, id, store.LabelUpdate{Name: ptr("x")})
		w.wantCode(err, tideline.CodeNotFound)
		names, err := w.store.ChatLabels(w.ctx(), w.ws.ID, chat)
		w.must(err)
		same(t, "of the chat", names, []string{"gold"})
		w.chatWith(2, "vip")
		same(t, "made anew, it has no old chats", w.labels(nil), []string{"gold  1/1", "vip  1/1"})
	},

	"AnotherWorkspaceHasItsOwn": func(t *testing.T, w *world) {
		w.chatWith(1, "vip")
		id := w.labelID("vip")
		other, _ := w.workspace("other", 10)
		mine, err := w.store.CreateLabel(w.ctx(), tideline.Label{WorkspaceID: other.ID, Name: "vip"})
		w.must(err)
		_, err = w.store.UpdateLabel(w.ctx(), other.ID, id, store.LabelUpdate{Name: ptr("stolen")})
		w.wantCode(err, tideline.CodeNotFound)
		w.wantCode(w.store.DeleteLabel(w.ctx(), other.ID, id), tideline.CodeNotFound)
		counts, err := w.store.CountLabels(w.ctx(), other.ID, nil)
		w.must(err)
		same(t, "counts", len(counts), 0)
		// A merge finds only the workspace's own label of the name.
		got, err := w.store.UpdateLabel(w.ctx(), other.ID, mine.ID, store.LabelUpdate{Name: ptr("gold"), Merge: true})
		w.must(err)
		same(t, "renamed", got.ID, mine.ID)
		same(t, "labels of the first", w.labels(nil), []string{"vip  1/1"})
	},

	// Whoever makes, renames and merges the same names at once: no chat loses its
	// label, and no name is there twice.
	"ChangedAtOnceTheyStayConsistent": func(t *testing.T, w *world) {
		stores := []store.Store{w.store, w.another()}
		chats := make([]int64, 6)
		for i := range chats {
			chats[i] = w.chatWith(i, "a")
		}
		list, err := w.store.ListLabels(w.ctx(), w.ws.ID)
		w.must(err)
		a := list[0].ID
		together(18, func(i int) {
			s := stores[i%2]
			var err error
			switch i % 3 {
			case 0:
				_, err = s.PutLabels(w.ctx(), w.ws.ID, chats[i/3], []string{"b"}, false)
			case 1:
				_, err = s.UpdateLabel(w.ctx(), w.ws.ID, a, store.LabelUpdate{Name: ptr("b"), Merge: true})
			default:
				_, err = s.CreateLabel(w.ctx(), tideline.Label{WorkspaceID: w.ws.ID, Name: "b"})
			}
			if err != nil && !tideline.IsCode(err, tideline.CodeConflict) && !tideline.IsCode(err, tideline.CodeNotFound) {
				t.Error(err)
			}
		})
		same(t, "labels", w.labels(nil), []string{"b  6/6"})
	},
}
