package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// member adds a member to the world's workspace.
func (w *world) member(email string, role tideline.Role) tideline.Member {
	w.t.Helper()
	m, err := w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: email, DisplayName: email, Role: role, CreatedAt: w.now})
	w.must(err)
	return m
}

// update changes a chat; it must succeed.
func (w *world) update(chatID int64, change func(*store.ChatUpdate)) tideline.Chat {
	w.t.Helper()
	u := store.ChatUpdate{By: w.owner.ID, At: w.now}
	change(&u)
	w.must(w.store.UpdateChat(w.ctx(), w.ws.ID, chatID, u))
	return w.chat(chatID).Chat
}

func (w *world) note(chatID int64, text string, at time.Time) string {
	w.t.Helper()
	n := store.Note{UID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ws.ID, ChatID: chatID, MemberID: w.owner.ID, Text: text, Private: true, At: at}
	w.must(w.store.AddNote(w.ctx(), n))
	return n.UID
}

var teamTests = map[string]func(*testing.T, *world){
	"AChatIsAssignedToAPresentMember": func(t *testing.T, w *world) {
		chat := w.receiveMessage("A1").ChatID
		ben := w.member("Ben@example.com", tideline.RoleAgent)
		c := w.update(chat, func(u *store.ChatUpdate) { u.Responsible = &ben.ID })
		same(t, "responsible", c.Responsible, ben.ID)
		view := w.chat(chat)
		if view.Responsible == nil || view.Responsible.Email != "Ben@example.com" || view.Responsible.DisplayName != ben.DisplayName {
			t.Errorf("shown as responsible: %+v", view.Responsible)
		}
		for _, f := range []store.ChatFilter{{Responsible: []string{"ben@EXAMPLE.com"}}, {VisibleTo: &store.Viewer{MemberID: ben.ID}}} {
			names, _ := w.names(f, store.Page{Limit: 10})
			same(t, "chats found", names, []string{"Ana"})
		}
		other, _ := w.workspace("other", 10)
		stranger, err := w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: other.ID, Email: "x@example.com", Role: tideline.RoleAgent, CreatedAt: w.now})
		w.must(err)
		err = w.store.UpdateChat(w.ctx(), w.ws.ID, chat, store.ChatUpdate{Responsible: &stranger.ID, Closed: new(true), At: w.now})
		w.wantCode(err, tideline.CodeNotFound)
		same(t, "what else a refused change does", w.chat(chat).Chat.Closed, false)
		w.must(w.store.RemoveMember(w.ctx(), w.ws.ID, ben.ID, w.now))
		same(t, "responsible after they left", w.chat(chat).Chat.Responsible, int64(0))
		w.wantCode(w.store.UpdateChat(w.ctx(), w.ws.ID, chat, store.ChatUpdate{Responsible: &ben.ID, At: w.now}), tideline.CodeNotFound)
		w.wantCode(w.store.UpdateChat(w.ctx(), other.ID, chat, store.ChatUpdate{Closed: new(true), At: w.now}), tideline.CodeNotFound)
	},

	"AssignmentsAreAnnounced": func(t *testing.T, w *world) {
		chat := w.receiveMessage("A1").ChatID
		second := w.receiveMessage("B1", from(contact(101, "Cat"))).ChatID
		ben, cat := w.member("ben@example.com", tideline.RoleAgent), w.member("cat@example.com", tideline.RoleAgent)
		before := w.lastEvent()
		to := func(chatID, member int64) {
			t.Helper()
			w.update(chatID, func(u *store.ChatUpdate) { u.Responsible = &member })
		}
		for _, member := range []int64{ben.ID, ben.ID, cat.ID, 0, 0} { // what changes nothing is not announced
			to(chat, member)
		}
		stranger := int64(99)
		w.wantCode(w.store.UpdateChat(w.ctx(), w.ws.ID, chat, store.ChatUpdate{Responsible: &stranger, At: w.now}), tideline.CodeNotFound)
		to(chat, cat.ID)
		to(second, cat.ID)
		left := w.now.Add(time.Hour)
		w.must(w.store.RemoveMember(w.ctx(), w.ws.ID, cat.ID, left))
		type line struct {
			kind               tideline.EventType
			chat, by           int64
			previous, now      string // e-mails
			previousName, name string
		}
		var got []line
		for _, v := range w.events(before) {
			e := v.Event
			got = append(got, line{e.Kind, e.ChatID, e.MemberID, e.Detail.PreviousEmail, e.Detail.ResponsibleEmail, e.Detail.PreviousName, e.Detail.ResponsibleName})
			same(t, "account", e.AccountID, w.acc.ID)
		}
		assigned := func(kind tideline.EventType, chatID, by int64, previous, now string) line {
			return line{kind, chatID, by, previous, now, previous, now} // members are called by their e-mail here
		}
		want := []line{
			assigned(tideline.EventChatAssigned, chat, w.owner.ID, "", "ben@example.com"),
			assigned(tideline.EventChatAssigned, chat, w.owner.ID, "ben@example.com", "cat@example.com"),
			assigned(tideline.EventChatUnassigned, chat, w.owner.ID, "cat@example.com", ""),
			assigned(tideline.EventChatAssigned, chat, w.owner.ID, "", "cat@example.com"),
			assigned(tideline.EventChatAssigned, second, w.owner.ID, "", "cat@example.com"),
			assigned(tideline.EventChatUnassigned, chat, 0, "cat@example.com", ""),
			assigned(tideline.EventChatUnassigned, second, 0, "cat@example.com", ""),
		}
		if len(got) != len(want) {
			t.Fatalf("events: %+v", got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("event %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	},

	"ANameThatAPersonChoseIsUniqueAndStays": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1").ChatID
		second := w.receiveMessage("B1", from(contact(101, "Ben"))).ChatID
		same(t, "name", w.update(first, func(u *store.ChatUpdate) { u.Name = new("Our best customer") }).Name, "Our best customer")
		w.wantCode(w.store.UpdateChat(w.ctx(), w.ws.ID, second, store.ChatUpdate{Name: new("Our best customer"), At: w.now}), tideline.CodeConflict)
		same(t, "its own name again", w.update(first, func(u *store.ChatUpdate) { u.Name = new("Our best customer") }).Name, "Our best customer")
		w.receiveMessage("A2", from(tideline.Peer{JID: anaJID, LID: anaLID, Name: "Ana Maria"}))
		same(t, "name after the contact changed theirs", w.chat(first).Chat.Name, "Our best customer")
		w.update(second, func(u *store.ChatUpdate) { u.Name = new("Ben") })
		w.receiveMessage("B2", from(contact(101, "Benjamin")))
		same(t, "a chosen name that was WhatsApp's", w.chat(second).Chat.Name, "Ben")
	},

	"AClosedChatOpensWhenTheContactWrites": func(t *testing.T, w *world) {
		chat := w.receiveMessage("A1").ChatID
		c := w.update(chat, func(u *store.ChatUpdate) { u.Closed, u.Read = new(true), new(true) })
		same(t, "closed", c.Closed, true)
		same(t, "unread", c.Unread, 0)
		w.receiveMessage("A2", ownPhone)
		same(t, "closed after the owner wrote", w.chat(chat).Chat.Closed, true)
		w.receiveMessage("A3")
		same(t, "closed after the contact wrote", w.chat(chat).Chat.Closed, false)
		same(t, "unread", w.chat(chat).Chat.Unread, 1)
		same(t, "marked as unread", w.update(chat, func(u *store.ChatUpdate) { u.Read = new(false) }).Unread, 1)
		w.update(chat, func(u *store.ChatUpdate) { u.Read = new(true) })
		same(t, "marked as unread once more", w.update(chat, func(u *store.ChatUpdate) { u.Read = new(false) }).Unread, 1)
		same(t, "automatic answers", w.update(chat, func(u *store.ChatUpdate) { u.AutoReply = new(true) }).AutoReply, true)
		for _, f := range []struct {
			filter store.ChatFilter
			want   int
		}{{store.ChatFilter{AutoReply: new(true)}, 1}, {store.ChatFilter{AutoReply: new(false)}, 0}} {
			names, _ := w.names(f.filter, store.Page{Limit: 10})
			same(t, "chats by automatic answers", len(names), f.want)
		}
	},

	"LabelsAreReplacedOrAdded": func(t *testing.T, w *world) {
		chat := w.receiveMessage("A1").ChatID
		put := func(replace bool, labels ...string) []string {
			t.Helper()
			got, err := w.store.PutLabels(w.ctx(), w.ws.ID, chat, labels, replace)
			w.must(err)
			same(t, "labels of the chat", w.chat(chat).Labels, got)
			return got
		}
		same(t, "added", put(false, "vip", "new", "vip"), []string{"new", "vip"})
		same(t, "added again", put(false, "vip"), []string{"new", "vip"})
		same(t, "replaced", put(true, "Étage", "vip"), []string{"vip", "Étage"})
		if got := put(true); len(got) != 0 {
			t.Errorf("labels after taking all away: %q", got)
		}
		other, _ := w.workspace("other", 10)
		_, err := w.store.PutLabels(w.ctx(), other.ID, chat, []string{"x"}, false)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"LabelsPutAtTheSameTimeAreOne": func(t *testing.T, w *world) {
		chat := w.receiveMessage("A1").ChatID
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := w.store.PutLabels(w.ctx(), w.ws.ID, chat, []string{"a", "b"}, false)
				if err != nil {
					t.Errorf("put labels: %v", err)
				}
			})
			all.Go(func() {
				if out := w.store.Accept(w.ctx(), w.acceptance(func(a *store.Acceptance) { a.Label = "a" })); out.Err != nil {
					t.Errorf("accept: %v", out.Err)
				}
			})
		}
		all.Wait()
		same(t, "labels", w.chat(chat).Labels, []string{"a", "b"})
	},

	"ANoteIsPartOfTheHistoryAndNothingElse": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1")
		before, event := w.chat(got.ChatID), w.lastEvent()
		uid := w.note(got.ChatID, "she likes tea", w.now.Add(time.Minute))
		w.note(got.ChatID, "and cake", w.now.Add(2*time.Minute))
		same(t, "texts", w.texts(got.ChatID, store.MessageFilter{}), []string{"and cake", "she likes tea", "text of A1"})
		same(t, "chat", w.chat(got.ChatID), before)
		same(t, "events", w.kinds(event), []tideline.EventType{})
		v := w.view(uid)
		same(t, "type", v.Message.Type(), tideline.TypeNote)
		same(t, "by", v.MemberName, w.owner.DisplayName)
		same(t, "data", v.Message.Data, map[string]string{tideline.DataPrivate: "true"})
		same(t, "credits", v.Message.Credits, tideline.Credits(0))
		w.receiveMessage("", ownPhone, func(r *store.Reception) { r.Message.WhatsAppID = "B1" })
		w.audit()
		other, _ := w.workspace("other", 10)
		w.wantCode(w.store.AddNote(w.ctx(), store.Note{UID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: other.ID, ChatID: got.ChatID, At: w.now}), tideline.CodeNotFound)
	},

	"WhatATeamDidSurvivesTheMergeOfTwoChats": func(t *testing.T, w *world) {
		hidden := w.receiveMessage("A1", from(byLID)).ChatID
		number := w.receiveMessage("A2", from(byNumber), at(w.now.Add(-time.Hour))).ChatID
		w.update(hidden, func(u *store.ChatUpdate) { u.Responsible = &w.owner.ID })
		uid := w.note(hidden, "she likes tea", w.now.Add(time.Hour))
		_, err := w.store.PutLabels(w.ctx(), w.ws.ID, hidden, []string{"vip"}, false)
		w.must(err)
		event := w.lastEvent()
		merged := w.receiveMessage("A3", at(w.now.Add(-time.Minute))).ChatID
		same(t, "the chat that stays", merged, number)
		same(t, "events of the merge", w.kinds(event), []tideline.EventType{tideline.EventMessageReceived})
		c := w.chat(merged)
		same(t, "responsible", c.Chat.Responsible, w.owner.ID)
		same(t, "labels", c.Labels, []string{"vip"})
		same(t, "note's chat", w.view(uid).Message.ChatID, merged)
		same(t, "last message", w.view(c.LastMessageUID).Message.WhatsAppID, "A1")
		w.note(hidden, "under the old id", w.now)
		same(t, "messages", len(w.texts(merged, store.MessageFilter{})), 5)
	},

	"AViewerSeesSomeAccountsAndTheirOwnChats": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		w.receiveMessage("1", from(contact(101, "of the first")))
		w.receiveMessage("2", from(contact(102, "of the second")), func(r *store.Reception) { r.AccountID = second.ID })
		ben := w.member("ben@example.com", tideline.RoleAgent)
		see := func(v store.Viewer, want ...string) {
			t.Helper()
			got, _ := w.names(store.ChatFilter{VisibleTo: &v}, store.Page{Limit: 10})
			same(t, "seen", got, want)
		}
		see(store.Viewer{MemberID: ben.ID})
		see(store.Viewer{MemberID: ben.ID, Accounts: []int64{second.ID}}, "of the second")
		see(store.Viewer{MemberID: ben.ID, Accounts: []int64{second.ID, w.acc.ID}}, "of the first", "of the second")
	},

	"AnInvitedMemberJoinsWithTheFirstToken": func(t *testing.T, w *world) {
		invite := func(email, team string, role tideline.Role) (tideline.Member, bool) {
			t.Helper()
			m, added, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: email, DisplayName: "Ben", Role: role,
				CreatedAt: w.now, InvitedAt: w.now}, team, -1)
			w.must(err)
			return m, added
		}
		ben, added := invite("ben@example.com", "Sales", tideline.RoleAgent)
		same(t, "added", added, true)
		same(t, "status", ben.Status(), tideline.MemberInvited)
		same(t, "invitation", ben.Invitation(w.now), tideline.InvitationPending)
		same(t, "invitation later", ben.Invitation(w.now.Add(tideline.InvitationLife)), tideline.InvitationExpired)
		again, added := invite("BEN@example.com", "Default team", tideline.RoleTeammate)
		same(t, "added again", added, false)
		same(t, "the same member", again.ID, ben.ID)
		same(t, "team", again.TeamID, int64(0))
		same(t, "role", again.Role, tideline.RoleTeammate)
		teams, err := w.store.ListTeams(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "teams", len(teams), 1)
		same(t, "title", teams[0].Title, "Sales")
		_, err = w.store.CreateToken(w.ctx(), tideline.Token{WorkspaceID: w.ws.ID, MemberID: ben.ID, CreatedAt: w.now}, [32]byte{1})
		w.must(err)
		members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "members", len(members), 2)
		same(t, "status with a token", members[1].Status(), tideline.MemberActive)
		same(t, "invitation", members[1].Invitation(w.now), tideline.InvitationAccepted)
		w.wantCode(w.store.RevokeInvitation(w.ctx(), w.ws.ID, ben.ID, w.now), tideline.CodeConflict)
		_, _, err = w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: w.owner.Email, Role: tideline.RoleAgent, CreatedAt: w.now, InvitedAt: w.now}, "", -1)
		w.wantCode(err, tideline.CodeConflict)
	},

	"ARevokedInvitationIsGone": func(t *testing.T, w *world) {
		ben, _, err := w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "ben@example.com", Role: tideline.RoleAgent, CreatedAt: w.now, InvitedAt: w.now}, "", 2)
		w.must(err)
		_, _, err = w.store.Invite(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "cat@example.com", Role: tideline.RoleAgent, CreatedAt: w.now, InvitedAt: w.now}, "", 2)
		w.wantCode(err, tideline.CodePlanFeatureUnavailable)
		other, _ := w.workspace("other", 10)
		w.wantCode(w.store.RevokeInvitation(w.ctx(), other.ID, ben.ID, w.now), tideline.CodeNotFound)
		w.must(w.store.RevokeInvitation(w.ctx(), w.ws.ID, ben.ID, w.now))
		w.wantCode(w.store.RevokeInvitation(w.ctx(), w.ws.ID, ben.ID, w.now), tideline.CodeNotFound)
		members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "members", len(members), 1)
	},

	"UploadsAreListedAndDeleted": func(t *testing.T, w *world) {
		file := func(name string, member int64) tideline.File {
			t.Helper()
			f, err := w.store.CreateFile(w.ctx(), tideline.File{UID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ws.ID, MemberID: member,
				Name: name, MIMEType: "text/plain", Size: 1, Blob: name, UploadedBy: "a@example.com", UploadedAt: w.now})
			w.must(err)
			return f
		}
		ben := w.member("ben@example.com", tideline.RoleAgent)
		price := file("Price_list.PDF", w.owner.ID)
		file("terms.txt", ben.ID)
		file("came with a message", 0)
		list := func(part string) (names []string) {
			t.Helper()
			files, err := w.store.ListFiles(w.ctx(), w.ws.ID, part)
			w.must(err)
			for _, f := range files {
				names = append(names, f.Name+" "+f.UploadedBy)
			}
			return names
		}
		w.must(w.store.RemoveMember(w.ctx(), w.ws.ID, ben.ID, w.now))
		same(t, "all", list(""), []string{"terms.txt " + tideline.RemovedUploader, "Price_list.PDF a@example.com"})
		same(t, "by name", list("E_LIST"), []string{"Price_list.PDF a@example.com"})
		_, err := w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "prices", FileID: price.ID, CreatedAt: w.now})
		w.must(err)
		other, _ := w.workspace("other", 10)
		_, err = w.store.DeleteFile(w.ctx(), other.ID, price.UID)
		w.wantCode(err, tideline.CodeNotFound)
		gone, err := w.store.DeleteFile(w.ctx(), w.ws.ID, price.UID)
		w.must(err)
		same(t, "deleted", gone.Blob, price.Blob)
		_, err = w.store.FileByUID(w.ctx(), w.ws.ID, price.UID)
		w.wantCode(err, tideline.CodeNotFound)
		templates, err := w.store.ListTemplates(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "attachment templates", len(templates), 0)
	},
}

var textTemplateTests = map[string]func(*testing.T, *world){
	"TheLatestChangedComesFirst": func(t *testing.T, w *world) {
		create := func(name string, team *int64) tideline.TextTemplate {
			t.Helper()
			w.now = w.now.Add(time.Second)
			tmpl, err := w.store.CreateTextTemplate(w.ctx(), tideline.TextTemplate{WorkspaceID: w.ws.ID, Name: name, Text: "Hello",
				Visibility: tideline.VisibilityPublic, TeamID: team, AuthorID: w.owner.ID, CreatedAt: w.now})
			w.must(err)
			return tmpl
		}
		first := create("first", nil)
		second := create("first", new(int64))
		third := create("third", new(int64(7)))
		for _, want := range []tideline.TextTemplate{first, second, third} {
			got, err := w.store.TextTemplate(w.ctx(), w.ws.ID, want.ID)
			w.must(err)
			same(t, "template", got, want)
		}
		first.Text, first.TeamID, first.UpdatedAt, first.EditorID = "Bye", nil, w.now.Add(time.Minute), 99
		w.must(w.store.UpdateTextTemplate(w.ctx(), first))
		w.must(w.store.CountTextTemplateUse(w.ctx(), w.ws.ID, third.ID))
		third.Uses = 1
		all, err := w.store.ListTextTemplates(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "all", all, []tideline.TextTemplate{first, third, second})
		w.must(w.store.DeleteTextTemplate(w.ctx(), w.ws.ID, second.ID))
		_, err = w.store.TextTemplate(w.ctx(), w.ws.ID, second.ID)
		w.wantCode(err, tideline.CodeNotFound)
		other, _ := w.workspace("other", 10)
		_, err = w.store.TextTemplate(w.ctx(), other.ID, first.ID)
		w.wantCode(err, tideline.CodeNotFound)
		first.WorkspaceID = other.ID
		w.wantCode(w.store.UpdateTextTemplate(w.ctx(), first), tideline.CodeNotFound)
		w.wantCode(w.store.DeleteTextTemplate(w.ctx(), other.ID, first.ID), tideline.CodeNotFound)
		w.wantCode(w.store.CountTextTemplateUse(w.ctx(), other.ID, first.ID), tideline.CodeNotFound)
	},
}
