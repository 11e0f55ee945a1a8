package storetest

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var chatCountTests = map[string]func(*testing.T, *world){
	"ChatsByWhatSomebodyLooksFor": func(t *testing.T, w *world) {
		w.receiveMessage("1", from(contact(101, "Ana Lima")))
		w.receiveMessage("2", from(contact(202, "100% sure")))
		w.receiveMessage("3", inGroup(byBoth))
		w.receiveMessage("4", from(contact(303, "Élodie 101")))
		for search, want := range map[string][]string{
			"":                    {"100% sure", "Ana Lima", "Choir", "Élodie 101"},
			"  ":                  {"100% sure", "Ana Lima", "Choir", "Élodie 101"},
			" ana ":               {"Ana Lima"},
			"ÉLO":                 {"Élodie 101"},
			"0% S":                {"100% sure"},
			"%":                   {"100% sure"},
			"_":                   nil,
			"'; --":               nil,
			"101":                 {"Ana Lima", "Élodie 101"},
			"01":                  {"Élodie 101"}, // too few digits for numbers
			"+1 (484) 000-0202":   {"100% sure"},
			"1484000":             {"100% sure", "Ana Lima", "Élodie 101"},
			"484 x":               nil,
			"nobody is called so": nil,
		} {
			f := store.ChatFilter{Search: search}
			got, _ := w.names(f, store.Page{Limit: 50})
			same(t, "chats for "+search, got, want)
			w.counts(f, len(want))
		}
	},

	"ChatsThatNobodyIsResponsibleFor": func(t *testing.T, w *world) {
		first := w.receiveMessage("1", from(contact(101, "Ana"))).ChatID
		w.receiveMessage("2", from(contact(102, "Bob")))
		agent := w.member("agent@example.com", tideline.RoleAgent)
		w.update(first, func(u *store.ChatUpdate) { u.Responsible = &agent.ID })
		got, _ := w.names(store.ChatFilter{Unassigned: true}, store.Page{Limit: 50})
		same(t, "unassigned", got, []string{"Bob"})
		w.counts(store.ChatFilter{Unassigned: true}, 1)
		w.counts(store.ChatFilter{Unassigned: true, Responsible: []string{agent.Email}}, 0)
	},

	"CountsAreOfWhatTheListShows": func(t *testing.T, w *world) {
		other, _ := w.workspace("other", 10)
		chat := w.receiveMessage("1", from(contact(101, "Ana"))).ChatID
		w.receiveMessage("2", from(contact(102, "Bob")))
		w.accept(to("+14840000104", "queued"), func(a *store.Acceptance) { a.Label = "vip" })
		w.accept(to("+14840000105", "queued too"), func(a *store.Acceptance) { a.Label = "vip" })
		w.counts(store.ChatFilter{}, 4)
		w.counts(store.ChatFilter{Labels: []string{"vip"}}, 2)
		w.counts(store.ChatFilter{Labels: []string{"nothing"}}, 0)
		w.counts(store.ChatFilter{Accounts: []tideline.JID{"1@s.whatsapp.net"}}, 0)
		w.counts(store.ChatFilter{VisibleTo: &store.Viewer{MemberID: w.owner.ID}}, 0)
		w.update(chat, func(u *store.ChatUpdate) { u.Responsible = &w.owner.ID })
		w.counts(store.ChatFilter{VisibleTo: &store.Viewer{MemberID: w.owner.ID}}, 1)
		n, err := w.store.CountChats(w.ctx(), other.ID, store.ChatFilter{})
		w.must(err)
		same(t, "chats of another workspace", n, 0)
	},

	"TheTallyIsOfOpenChats": func(t *testing.T, w *world) {
		agent := w.member("agent@example.com", tideline.RoleAgent)
		yes := true
		ana := w.receiveMessage("1", from(contact(101, "Ana"))).ChatID
		bob := w.receiveMessage("2", from(contact(102, "Bob"))).ChatID
		done := w.receiveMessage("3", from(contact(103, "Done"))).ChatID
		w.update(done, func(u *store.ChatUpdate) { u.Closed, u.Responsible = &yes, &agent.ID })
		w.update(bob, func(u *store.ChatUpdate) { u.Read, u.Responsible = &yes, &agent.ID })
		tally := func(member int64, v *store.Viewer) store.Tally {
			got, err := w.store.Tally(w.ctx(), w.ws.ID, member, v)
			w.must(err)
			return got
		}
		same(t, "owner's", tally(w.owner.ID, nil), store.Tally{Unread: 1, Unassigned: 1})
		same(t, "agent's", tally(agent.ID, nil), store.Tally{Unread: 1, Mine: 1, Unassigned: 1})
		same(t, "of what the agent sees", tally(agent.ID, &store.Viewer{MemberID: agent.ID}), store.Tally{Mine: 1})
		same(t, "with the account", tally(agent.ID, &store.Viewer{MemberID: agent.ID, Accounts: []int64{w.acc.ID}}),
			store.Tally{Unread: 1, Mine: 1, Unassigned: 1})
		w.update(ana, func(u *store.ChatUpdate) { u.Closed = &yes })
		same(t, "when all but one are closed", tally(agent.ID, nil), store.Tally{Mine: 1})
	},
}

// counts checks how many chats a filter selects.
func (w *world) counts(f store.ChatFilter, want int) {
	w.t.Helper()
	got, err := w.store.CountChats(w.ctx(), w.ws.ID, f)
	w.must(err)
	same(w.t, "count", got, want)
}
