package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	bobJID = tideline.JID("14840000101@s.whatsapp.net")
	bobLID = tideline.JID("777000101@lid")
)

// choir is a group of the world's account, ana, and bob whose number is hidden.
func (w *world) choir(change ...func(*tideline.Group)) tideline.Group {
	g := tideline.Group{JID: groupJID, Subject: "Choir", Members: []tideline.GroupMember{
		{Peer: byBoth, Role: tideline.GroupOwner},
		{Peer: tideline.Peer{JID: w.acc.JID}, Role: tideline.GroupNormal},
		{Peer: tideline.Peer{LID: bobLID}, Role: tideline.GroupAdmin},
	}}
	for _, c := range change {
		c(&g)
	}
	return g
}

func (w *world) putGroup(chatID int64, change ...func(*tideline.Group)) {
	w.t.Helper()
	w.must(w.store.PutGroup(w.ctx(), w.ws.ID, chatID, w.choir(change...)))
}

// due lists the chats that are due at a time.
func (w *world) due(at time.Time, resting ...int64) []store.Profile {
	w.t.Helper()
	w.must(w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountActive, "", w.now))
	list, err := w.store.DueProfiles(w.ctx(), at, resting, 100)
	w.must(err)
	return list
}

// onlyDue is the one chat that is due at a time.
func (w *world) onlyDue(at time.Time) store.Profile {
	w.t.Helper()
	list := w.due(at)
	if len(list) != 1 {
		w.t.Fatalf("due are %+v, want one", list)
	}
	return list[0]
}

// picture is a picture with bytes of its own.
func (w *world) picture(id string) *store.Picture {
	uid := uuid.Must(uuid.NewV7()).String()
	return &store.Picture{ID: id, File: &tideline.File{UID: uid, Name: id + ".jpg", MIMEType: "image/jpeg", Size: 5, Blob: "files/" + uid, UploadedAt: w.now}}
}

func (w *world) lost() []string {
	w.t.Helper()
	blobs, err := w.store.LostBlobs(w.ctx(), 100)
	w.must(err)
	return blobs
}

var profileTests = map[string]func(*testing.T, *world){
	"AGroupFollowsItsSubjectUnlessSomebodyChoseItsName": func(t *testing.T, w *world) {
		_, taken := w.accept(to("+14840000101", "Band"))
		g := w.receiveMessage("G1", inGroup(byBoth), func(r *store.Reception) { r.Chat.Name = "" })
		subject := func(s string) func(*tideline.Group) { return func(g *tideline.Group) { g.Subject = s } }
		for _, c := range [][2]string{{"Choir", "Choir"}, {"Band", "Band (2)"}, {"Band", "Band (2)"}, {"Choir", "Choir"},
			{strings.Repeat("ä", 300), strings.Repeat("ä", 256)}, {"", strings.Repeat("ä", 256)}, {"Trio", "Trio"}} {
			w.putGroup(g.ChatID, subject(c[0]))
			same(t, "name after "+c[0], w.chatName(g.ChatID), c[1])
		}
		same(t, "unnamed", w.receiveMessage("G2", inGroup(byBoth), func(r *store.Reception) { r.Chat.Name = "" }).Unnamed, false)
		_, chosen := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: "12036399@g.us", Name: "Our group"} })
		w.putGroup(chosen.ChatID, subject("Their group"))
		same(t, "chosen", w.chatName(chosen.ChatID), "Our group")
		same(t, "the other", w.chatName(taken.ChatID), "Band")
	},

	"AContactFollowsItsNameUnlessSomebodyChoseAnother": func(t *testing.T, w *world) {
		first := w.receiveMessage("A1")
		named := func(name string) tideline.Peer { p := byBoth; p.Name = name; return p }
		w.receiveMessage("A2", from(named("Ana Lima")))
		same(t, "push name", w.chatName(first.ChatID), "Ana Lima")
		w.receiveMessage("A3", from(named("")))
		same(t, "no name", w.chatName(first.ChatID), "Ana Lima")
		_, auto := w.accept(to("+14840000101", ""))
		_, chosen := w.accept(to("+14840000102", "Doctor"))
		w.must(w.store.NameContacts(w.ctx(), w.ws.ID, w.acc.ID, []tideline.Peer{
			{LID: anaLID, Name: "Ana of the shop"}, {JID: bobJID, LID: bobLID, Name: "Bob"},
			{JID: "14840000102@s.whatsapp.net", Name: "Carla"}, {JID: "14840000999@s.whatsapp.net", Name: "no chat"}, {JID: anaJID},
		}))
		same(t, "by hidden id", w.chatName(first.ChatID), "Ana of the shop")
		same(t, "of a send", w.chatName(auto.ChatID), "Bob")
		same(t, "chosen", w.chatName(chosen.ChatID), "Doctor")
		w.must(w.store.NameContacts(w.ctx(), w.ws.ID, w.acc.ID, []tideline.Peer{{JID: bobJID, Name: "Ana of the shop"}}))
		same(t, "taken", w.chatName(auto.ChatID), "Ana of the shop (2)")
		views, _, err := w.store.ListChats(w.ctx(), w.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
		w.must(err)
		same(t, "chats", len(views), 3)
	},

	"AMergedChatKeepsTheBetterName": func(t *testing.T, w *world) {
		_, auto := w.accept(to("+14840000100", ""))
		w.receiveMessage("A1", from(tideline.Peer{LID: anaLID, Name: "Ana"}))
		w.receiveMessage("A2", from(tideline.Peer{JID: anaJID, LID: anaLID}))
		same(t, "name", w.chatName(auto.ChatID), "Ana")
		w.receiveMessage("A3", from(tideline.Peer{JID: anaJID, Name: "Ana Lima"}))
		same(t, "it follows", w.chatName(auto.ChatID), "Ana Lima")
		_, chosen := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: bobLID, Name: "Doctor Bob"} })
		number := w.receiveMessage("B1", from(tideline.Peer{JID: bobJID, Name: "bobby"}))
		w.receiveMessage("B2", from(tideline.Peer{JID: bobJID, LID: bobLID, Name: "bobby"}))
		same(t, "chosen", w.chatName(number.ChatID), "Doctor Bob")
		same(t, "one chat", w.chat(chosen.ChatID).Chat.ID, number.ChatID)
	},

	"MembersAreShownWithTheirOwnChats": func(t *testing.T, w *world) {
		g := w.receiveMessage("G1", inGroup(byBoth))
		w.putGroup(g.ChatID)
		anaView := store.GroupMemberView{Name: "Ana", Phone: "+14840000100", Role: tideline.GroupOwner}
		own := store.GroupMemberView{Phone: w.acc.Phone, Role: tideline.GroupNormal}
		bob := store.GroupMemberView{Role: tideline.GroupAdmin}
		same(t, "members", w.chat(g.ChatID).Members, []store.GroupMemberView{anaView, own, bob})

		direct := w.receiveMessage("A1", from(tideline.Peer{JID: anaJID, Name: "Ana Lima"}))
		hidden := w.receiveMessage("B1", from(tideline.Peer{LID: bobLID, Name: "Bob"}))
		second := w.account(w.ws, "+14840000002")
		w.receiveMessage("A1", func(r *store.Reception) { r.AccountID = second.ID })
		anaView.Name, anaView.ChatID = "Ana Lima", direct.ChatID
		bob.Name, bob.ChatID = "Bob", hidden.ChatID
		want := []store.GroupMemberView{anaView, own, bob}
		same(t, "members", w.chat(g.ChatID).Members, want)
		views, _, err := w.store.ListChats(w.ctx(), w.ws.ID, store.ChatFilter{ContactPhones: []string{"14840000100"}}, store.Page{Limit: 10})
		w.must(err)
		members := 0
		for _, v := range views {
			if v.Chat.ID == g.ChatID {
				same(t, "members in a list", v.Members, want)
				members++
			} else if v.Members != nil {
				t.Errorf("a direct chat has members: %+v", v.Members)
			}
		}
		same(t, "groups found by a member", members, 1)
		same(t, "chats found", len(views), 3)

		w.putGroup(g.ChatID, func(g *tideline.Group) {
			g.Members = g.Members[1:]
			g.Members[1].Role = tideline.GroupOwner
		})
		bob.Role = tideline.GroupOwner
		same(t, "after changes", w.chat(g.ChatID).Members, []store.GroupMemberView{own, bob})
	},

	"AMemberIsCalledAsInMessages": func(t *testing.T, w *world) {
		g := w.receiveMessage("G1", inGroup(byBoth))
		w.putGroup(g.ChatID)
		w.receiveMessage("G2", inGroup(tideline.Peer{LID: bobLID, Name: "Bobby"}))
		w.putGroup(g.ChatID) // which tells no name of bob
		same(t, "name", w.chat(g.ChatID).Members[2].Name, "Bobby")
		w.putGroup(g.ChatID, func(g *tideline.Group) { g.Members[2].Peer.Name = "Bob" })
		same(t, "name", w.chat(g.ChatID).Members[2].Name, "Bob")
	},

	"AGroupThatTheAccountLeftKeepsWhatWasKnown": func(t *testing.T, w *world) {
		g := w.receiveMessage("G1", inGroup(byBoth))
		w.putGroup(g.ChatID)
		same(t, "bar", w.chat(g.ChatID).Chat.Bar, tideline.Bar(""))
		w.must(w.store.PutGroup(w.ctx(), w.ws.ID, g.ChatID, tideline.Group{JID: groupJID, Bar: tideline.BarLeft}))
		v := w.chat(g.ChatID)
		same(t, "bar", v.Chat.Bar, tideline.BarLeft)
		for group, want := range map[tideline.JID]tideline.Bar{groupJID: tideline.BarLeft, "12036399@g.us": ""} {
			bar, err := w.store.BarOf(w.ctx(), w.ws.ID, w.acc.ID, group)
			w.must(err)
			same(t, "bar of the group", bar, want)
			bar, err = w.store.BarOf(w.ctx(), w.ws.ID+1, w.acc.ID, group)
			w.must(err)
			same(t, "bar in another workspace", bar, tideline.Bar(""))
		}
		same(t, "name", v.Chat.Name, "Choir")
		same(t, "members", len(v.Members), 2)
		w.putGroup(g.ChatID, func(g *tideline.Group) { g.Bar = tideline.BarAdminsOnly })
		same(t, "bar", w.chat(g.ChatID).Chat.Bar, tideline.BarAdminsOnly)
		same(t, "members", len(w.chat(g.ChatID).Members), 3)
		w.putGroup(g.ChatID)
		same(t, "bar", w.chat(g.ChatID).Chat.Bar, tideline.Bar(""))
	},

	"AChatIsDueWhenItIsNewOrThereIsNewsOrItWasLongAgo": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1")
		later := w.now.Add(time.Hour)
		p := w.onlyDue(later)
		same(t, "due", p, store.Profile{ChatID: got.ChatID, WorkspaceID: w.ws.ID, AccountID: w.acc.ID, DeviceJID: w.acc.DeviceJID,
			Chat: tideline.Peer{JID: anaJID, LID: anaLID}})
		same(t, "of a resting account", len(w.due(later, w.acc.ID)), 0)
		w.must(w.store.PostponeProfile(w.ctx(), p, later.Add(time.Hour)))
		same(t, "postponed", len(w.due(later)), 0)
		p = w.onlyDue(later.Add(time.Hour))
		same(t, "attempts", p.Attempts, 1)
		w.must(w.store.FinishProfile(w.ctx(), p, later, nil))
		w.receiveMessage("A2")
		same(t, "done", len(w.due(later.Add(time.Hour))), 0)

		w.must(w.store.LookAgain(w.ctx(), w.ws.ID, w.acc.ID, tideline.Peer{LID: anaLID}, later.Add(time.Second), time.Minute))
		same(t, "too soon after the last time", len(w.due(later.Add(time.Minute-1))), 0)
		p = w.onlyDue(later.Add(time.Minute))
		w.must(w.store.LookAgain(w.ctx(), w.ws.ID, w.acc.ID, byNumber, later.Add(2*time.Minute), time.Minute))
		w.must(w.store.FinishProfile(w.ctx(), p, later.Add(2*time.Minute), nil))
		w.must(w.store.PostponeProfile(w.ctx(), p, later.Add(time.Hour))) // of a look that is outdated
		p = w.onlyDue(later.Add(2 * time.Minute))                         // news that came meanwhile is not forgotten
		w.must(w.store.FinishProfile(w.ctx(), p, later, nil))

		w.receiveMessage("A3", func(r *store.Reception) { r.ReceivedAt = later.Add(store.ProfileLife + time.Second) })
		w.onlyDue(later.Add(store.ProfileLife + time.Second))
		w.must(w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountDisconnected, "", w.now))
		list, err := w.store.DueProfiles(w.ctx(), later.Add(2*store.ProfileLife), nil, 100)
		w.must(err)
		same(t, "of an account that is away", len(list), 0)
	},

	"NewsOfWhoNobodyTalksToIsNoReasonToAsk": func(t *testing.T, w *world) {
		w.accept(to("+14840000100", ""))
		for _, p := range []tideline.Peer{byBoth, {JID: bobJID}, {JID: groupJID}} {
			w.must(w.store.LookAgain(w.ctx(), w.ws.ID, w.acc.ID, p, w.now, 0))
		}
		same(t, "due", len(w.due(w.now.Add(time.Hour))), 0)
		_, group := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: groupJID} })
		other, _ := w.workspace("other", 10)
		w.must(w.store.LookAgain(w.ctx(), other.ID, w.acc.ID, tideline.Peer{JID: groupJID}, w.now, 0))
		same(t, "of another workspace", len(w.due(w.now.Add(time.Hour))), 0)
		w.must(w.store.LookAgain(w.ctx(), w.ws.ID, w.acc.ID, tideline.Peer{JID: groupJID}, w.now, 0))
		same(t, "a group", w.onlyDue(w.now).ChatID, group.ChatID)
	},

	"AllGroupsOfAnAccountAreLookedAt": func(t *testing.T, w *world) {
		w.receiveMessage("A1")
		_, one := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: "12036399@g.us"} })
		two := w.receiveMessage("G1", inGroup(byBoth))
		later := w.now.Add(time.Hour)
		for _, p := range w.due(later) {
			w.must(w.store.FinishProfile(w.ctx(), p, w.now, nil))
		}
		second := w.account(w.ws, "+14840000002")
		w.must(w.store.LookAtGroups(w.ctx(), w.ws.ID, second.ID, later))
		w.must(w.store.LookAtGroups(w.ctx(), w.ws.ID+1, w.acc.ID, later))
		same(t, "due", len(w.due(later)), 0)
		w.must(w.store.LookAtGroups(w.ctx(), w.ws.ID, w.acc.ID, later))
		var ids []int64
		for _, p := range w.due(later) {
			ids = append(ids, p.ChatID)
		}
		same(t, "due", ids, []int64{one.ChatID, two.ChatID})
	},

	"ChatsThatSendsMadeAreSeenOnce": func(t *testing.T, w *world) {
		_, one := w.accept(to("+14840000100", ""))
		_, group := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: groupJID} })
		_, hidden := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: bobLID} })
		list, err := w.store.NewChats(w.ctx(), 10)
		w.must(err)
		chat := func(id int64, p tideline.Peer) store.NewChat {
			return store.NewChat{ChatID: id, WorkspaceID: w.ws.ID, AccountID: w.acc.ID, DeviceJID: w.acc.DeviceJID, Chat: p}
		}
		same(t, "new", list, []store.NewChat{chat(one.ChatID, tideline.Peer{JID: anaJID}), chat(group.ChatID, tideline.Peer{JID: groupJID}), chat(hidden.ChatID, tideline.Peer{LID: bobLID})})
		w.must(w.store.SeenChats(w.ctx(), group.ChatID, w.now))
		w.must(w.store.SeenChats(w.ctx(), one.ChatID, w.now)) // late
		same(t, "due", w.onlyDue(w.now).ChatID, group.ChatID)
		list, err = w.store.NewChats(w.ctx(), 10)
		w.must(err)
		same(t, "the rest", list, []store.NewChat{chat(hidden.ChatID, tideline.Peer{LID: bobLID})})
		w.must(w.store.SeenChats(w.ctx(), hidden.ChatID, w.now))
		w.receiveMessage("C1", from(contact(101, "Carla")))
		list, err = w.store.NewChats(w.ctx(), 10)
		w.must(err)
		same(t, "named by a message", len(list) == 1 && list[0].Named, true)
	},

	"PicturesReplaceEachOtherAndLeaveNoBytes": func(t *testing.T, w *world) {
		got := w.receiveMessage("A1")
		first, second := w.picture("p1"), w.picture("p2")
		w.must(w.store.FinishProfile(w.ctx(), w.onlyDue(w.now.Add(time.Hour)), w.now, first))
		same(t, "photo", w.chat(got.ChatID).PhotoUID, first.File.UID)
		f, err := w.store.FileForLink(w.ctx(), first.File.UID)
		w.must(err)
		same(t, "blob", f.Blob, first.File.Blob)
		_, err = w.store.FileByUID(w.ctx(), w.ws.ID, first.File.UID)
		w.wantCode(err, tideline.CodeNotFound) // it can't be sent: it may go at any time
		again := func() store.Profile {
			w.must(w.store.LookAgain(w.ctx(), w.ws.ID, w.acc.ID, byBoth, w.now, 0))
			return w.onlyDue(w.now.Add(time.Hour))
		}
		p := again()
		same(t, "known picture", p.PictureID, "p1")
		w.must(w.store.FinishProfile(w.ctx(), p, w.now, nil))
		same(t, "unchanged", w.chat(got.ChatID).PhotoUID, first.File.UID)
		same(t, "lost", len(w.lost()), 0)
		w.must(w.store.FinishProfile(w.ctx(), again(), w.now, second))
		same(t, "replaced", w.chat(got.ChatID).PhotoUID, second.File.UID)
		same(t, "lost", w.lost(), []string{first.File.Blob})
		_, err = w.store.FileForLink(w.ctx(), first.File.UID)
		w.wantCode(err, tideline.CodeNotFound)
		w.must(w.store.ForgetBlob(w.ctx(), first.File.Blob))
		w.must(w.store.FinishProfile(w.ctx(), again(), w.now, &store.Picture{}))
		same(t, "removed", w.chat(got.ChatID).PhotoUID, "")
		same(t, "lost", w.lost(), []string{second.File.Blob})
		p = again()
		p.ChatID += 1000
		w.wantCode(w.store.FinishProfile(w.ctx(), p, w.now, w.picture("p3")), tideline.CodeNotFound)
		same(t, "lost", w.lost(), []string{second.File.Blob})
	},

	"AMergedChatKeepsOnePicture": func(t *testing.T, w *world) {
		w.receiveMessage("A1", from(tideline.Peer{LID: anaLID, Name: "Ana"}))
		hidden := w.picture("hidden")
		w.must(w.store.FinishProfile(w.ctx(), w.onlyDue(w.now.Add(time.Hour)), w.now, hidden))
		_, number := w.accept(to("+14840000100", ""))
		w.receiveMessage("A2", from(byBoth))
		same(t, "taken over", w.chat(number.ChatID).PhotoUID, hidden.File.UID)

		both := w.receiveMessage("B1", from(tideline.Peer{JID: bobJID}))
		w.must(w.store.FinishProfile(w.ctx(), w.onlyDue(w.now.Add(time.Hour)), w.now, w.picture("number")))
		w.receiveMessage("B2", from(tideline.Peer{LID: bobLID}))
		second := w.picture("second")
		p := w.onlyDue(w.now.Add(time.Hour))
		w.must(w.store.FinishProfile(w.ctx(), p, w.now, second))
		photo := w.chat(both.ChatID).PhotoUID
		w.receiveMessage("B3", from(tideline.Peer{JID: bobJID, LID: bobLID}))
		same(t, "photo", w.chat(both.ChatID).PhotoUID, photo)
		same(t, "lost", w.lost(), []string{second.File.Blob})
		w.wantCode(w.store.FinishProfile(w.ctx(), p, w.now, nil), tideline.CodeNotFound)
	},
}
