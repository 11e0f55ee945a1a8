package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// token makes a token of the owner and gives its hash.
func (w *world) token(expires time.Time) (tideline.Token, [32]byte) {
	w.t.Helper()
	hash := [32]byte{byte(w.serial.Add(1)), 7}
	k, err := w.store.CreateToken(w.ctx(), tideline.Token{WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Name: "ci", Prefix: "tl_ab",
		CreatedAt: w.now, ExpiresAt: expires}, hash)
	w.must(err)
	return k, hash
}

var directoryTests = map[string]func(*testing.T, *world){
	"ATokenNamesItsPrincipal": func(t *testing.T, w *world) {
		k, hash := w.token(time.Time{})
		p, err := w.store.PrincipalByToken(w.ctx(), hash, w.now)
		w.must(err)
		same(t, "principal", p, tideline.Principal{Workspace: w.ws, Member: w.owner, Token: k, Version: w.version()})
	},

	"ABadTokenIsInvalid": func(t *testing.T, w *world) {
		_, err := w.store.PrincipalByToken(w.ctx(), [32]byte{1}, w.now)
		w.wantCode(err, tideline.CodeInvalidToken)
		_, expired := w.token(w.now.Add(time.Hour))
		_, err = w.store.PrincipalByToken(w.ctx(), expired, w.now.Add(time.Hour-time.Millisecond))
		w.must(err)
		_, err = w.store.PrincipalByToken(w.ctx(), expired, w.now.Add(time.Hour))
		w.wantCode(err, tideline.CodeInvalidToken)
		k, revoked := w.token(time.Time{})
		for range 2 {
			w.must(w.store.RevokeToken(w.ctx(), w.ws.ID, k.ID, w.now))
		}
		_, err = w.store.PrincipalByToken(w.ctx(), revoked, w.now)
		w.wantCode(err, tideline.CodeInvalidToken)
		w.wantCode(w.store.RevokeToken(w.ctx(), w.ws.ID, 4711, w.now), tideline.CodeNotFound)
	},

	"TheTokenOfARemovedMemberNamesNobody": func(t *testing.T, w *world) {
		m, err := w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "bob@example.com", Role: tideline.RoleAgent, CreatedAt: w.now})
		w.must(err)
		hash := [32]byte{42}
		_, err = w.store.CreateToken(w.ctx(), tideline.Token{WorkspaceID: w.ws.ID, MemberID: m.ID, CreatedAt: w.now}, hash)
		w.must(err)
		w.must(w.store.RemoveMember(w.ctx(), w.ws.ID, m.ID, w.now))
		_, err = w.store.PrincipalByToken(w.ctx(), hash, w.now)
		w.wantCode(err, tideline.CodeMemberNotFound)
		w.wantCode(w.store.RemoveMember(w.ctx(), w.ws.ID, m.ID, w.now), tideline.CodeNotFound)
		// The address is free again.
		_, err = w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "Bob@example.com", Role: tideline.RoleAgent, CreatedAt: w.now})
		w.must(err)
		_, err = w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "bob@EXAMPLE.com", Role: tideline.RoleAgent, CreatedAt: w.now})
		w.wantCode(err, tideline.CodeConflict)
		members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "members", len(members), 2)
	},

	"AWorkspaceHasOneOwner": func(t *testing.T, w *world) {
		m, err := w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "bob@example.com", Role: tideline.RoleAgent, CreatedAt: w.now})
		w.must(err)
		w.wantCode(w.store.SetMemberRole(w.ctx(), w.ws.ID, m.ID, tideline.RoleOwner), tideline.CodeConflict)
		w.must(w.store.SetMemberRole(w.ctx(), w.ws.ID, m.ID, tideline.RoleAdmin))
		w.wantCode(w.store.SetMemberRole(w.ctx(), w.ws.ID, 4711, tideline.RoleAdmin), tideline.CodeNotFound)
	},

	"EveryChangeOfTheConfigurationChangesTheVersion": func(t *testing.T, w *world) {
		k, _ := w.token(time.Time{})
		m, err := w.store.AddMember(w.ctx(), tideline.Member{WorkspaceID: w.ws.ID, Email: "bob@example.com", Role: tideline.RoleAgent, CreatedAt: w.now})
		w.must(err)
		other := w.another()
		last := w.version()
		for name, change := range map[string]func() error{
			"workspace": func() error {
				_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{DisplayName: ptr("New"), At: w.now})
				return err
			},
			"plan":    func() error { return w.store.PutPlan(w.ctx(), tideline.Plan{Name: "tiny"}) },
			"role":    func() error { return w.store.SetMemberRole(w.ctx(), w.ws.ID, m.ID, tideline.RoleAdmin) },
			"token":   func() error { return w.store.RevokeToken(w.ctx(), w.ws.ID, k.ID, w.now) },
			"account": func() error { _, err := w.store.PutAccount(w.ctx(), w.acc); return err },
			"state": func() error {
				return w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountDisconnected, "", w.now)
			},
			"new workspace": func() error { w.workspace("third", 1); return nil },
		} {
			w.must(change())
			v, err := other.Version(w.ctx())
			w.must(err)
			if v <= last {
				t.Errorf("%s: version %d after %d", name, v, last)
			}
			last = v
		}
	},

	"TheMostRecentlyConnectedAccountIsFirst": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		w.must(w.store.SetAccountState(w.ctx(), second.ID, tideline.AccountActive, "", w.now.Add(time.Hour))) // it is active already
		w.must(w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountDisconnected, "", w.now))
		w.must(w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountActive, "", w.now.Add(time.Minute)))
		accounts, version, err := w.store.AccountsOf(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "version", version, w.version())
		same(t, "accounts", len(accounts), 2)
		same(t, "first", accounts[0].ID, w.acc.ID)
		same(t, "connected", accounts[0].ConnectedOn, w.now.Add(time.Minute))
		same(t, "second", accounts[1].ConnectedOn, w.now)
	},
}

var workspaceTests = map[string]func(*testing.T, *world){
	"AreMadeWithAnOwnerAndAnOpenPeriod": func(t *testing.T, w *world) {
		same(t, "role", w.owner.Role, tideline.RoleOwner)
		same(t, "plan", w.ws.Plan.Name, tideline.DefaultPlan)
		b := w.balance()
		same(t, "granted", b.Granted, tideline.Credits(1000))
		same(t, "end", b.PeriodEnd, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
		found, err := w.store.WorkspaceBySlug(w.ctx(), "first")
		w.must(err)
		same(t, "workspace", found, w.ws)
		_, err = w.store.WorkspaceBySlug(w.ctx(), "nobody")
		w.wantCode(err, tideline.CodeNotFound)
	},

	"RefuseWhatMakesNoSense": func(t *testing.T, w *world) {
		good := tideline.Workspace{Slug: "second", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: w.now}
		for code, change := range map[tideline.Code]func(*tideline.Workspace){
			tideline.CodeConflict:   func(ws *tideline.Workspace) { ws.Slug = "first" },
			tideline.CodeNotFound:   func(ws *tideline.Workspace) { ws.Plan.Name = "none" },
			tideline.CodeValidation: func(ws *tideline.Workspace) { ws.TimeZone = "Mars/Olympus" },
		} {
			bad := good
			change(&bad)
			_, _, err := w.store.CreateWorkspace(w.ctx(), bad, tideline.Member{Email: "a@example.com", CreatedAt: w.now})
			w.wantCode(err, code)
		}
		all, err := w.store.ListWorkspaces(w.ctx())
		w.must(err)
		same(t, "workspaces", len(all), 1)
	},

	"APlanFollowsItsPriceList": func(t *testing.T, w *world) {
		plans, err := w.store.ListPlans(w.ctx())
		w.must(err)
		var names []string
		for _, p := range plans {
			names = append(names, p.Name)
		}
		same(t, "plans", names, []string{"business", "inbox-only", "self-hosted", "shared-inbox"})
		ws, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{Plan: ptr("shared-inbox"), At: w.now})
		w.must(err)
		if ws.Credits != nil || ws.Plan.GapAdjustable || ws.Plan.MaxFileBytes != 2<<20 || ws.Plan.Credits != 500 {
			t.Fatalf("workspace after the change of plan: %+v", ws)
		}
		same(t, "granted", w.balance().Granted, tideline.Credits(500))
		w.must(w.store.PutPlan(w.ctx(), tideline.Plan{Name: "shared-inbox", Credits: 5, API: true}))
		same(t, "granted in the running period", w.balance().Granted, tideline.Credits(500))
		w.now = w.now.AddDate(0, 1, 0)
		same(t, "granted in the next", w.balance().Granted, tideline.Credits(5))
		w.audit()
	},

	"AnotherGrantKeepsWhatWasUsed": func(t *testing.T, w *world) {
		for range 4 {
			w.accept()
		}
		w.setCredits(3)
		same(t, "left of 3", w.balance().Period, tideline.Credits(0))
		w.setCredits(10)
		same(t, "left of 10", w.balance().Period, tideline.Credits(6))
		same(t, "note", w.entries()[len(w.entries())-1].Note, "test")
		w.audit()
	},

	"ANewGapRescalesTheQueue": func(t *testing.T, w *world) {
		for _, gap := range []time.Duration{time.Second, 1500 * time.Millisecond, 3 * time.Second} {
			w.accept(func(a *store.Acceptance) { a.Message.Gap = gap })
		}
		set := func(lo, hi time.Duration) (gaps []time.Duration) {
			_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{Gap: &tideline.Gap{Min: lo, Max: hi}, At: w.now})
			w.must(err)
			for _, q := range w.backlog() {
				gaps = append(gaps, q.Gap)
			}
			return gaps
		}
		same(t, "wider", set(10*time.Second, 30*time.Second), []time.Duration{10 * time.Second, 15 * time.Second, 30 * time.Second})
		same(t, "fixed", set(time.Second, time.Second), []time.Duration{time.Second, time.Second, time.Second})
		same(t, "from fixed", set(2*time.Second, 4*time.Second), []time.Duration{3 * time.Second, 3 * time.Second, 3 * time.Second})
	},
}

var accountTests = map[string]func(*testing.T, *world){
	"ANumberPairedAgainKeepsItsAccount": func(t *testing.T, w *world) {
		again := w.acc
		again.DeviceJID, again.Name, again.OwnerName, again.State = "14840000001:9@s.whatsapp.net", "", "Bea", ""
		put, err := w.store.PutAccount(w.ctx(), again)
		w.must(err)
		same(t, "id", put.ID, w.acc.ID)
		same(t, "device", put.DeviceJID, again.DeviceJID)
		same(t, "name", put.Name, "Shop")
		same(t, "owner", put.OwnerName, "Bea")
		same(t, "state", put.State, tideline.AccountActive)
	},

	"ANumberBelongsToOneWorkspace": func(t *testing.T, w *world) {
		other, _ := w.workspace("second", 1)
		stolen := w.acc
		stolen.WorkspaceID = other.ID
		_, err := w.store.PutAccount(w.ctx(), stolen)
		w.wantCode(err, tideline.CodeConflict)
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		moved, err := w.store.PutAccount(w.ctx(), stolen)
		w.must(err)
		_, err = w.store.PutAccount(w.ctx(), w.acc)
		w.wantCode(err, tideline.CodeConflict)
		all, err := w.store.AllAccounts(w.ctx())
		w.must(err)
		same(t, "accounts", len(all), 1)
		same(t, "account", all[0].ID, moved.ID)
	},

	"RemovingFailsTheQueueAndHidesTheAccount": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		var uids []string
		for range 3 {
			in, _ := w.accept()
			uids = append(uids, in.Message.UID)
		}
		_, other := w.accept(func(a *store.Acceptance) { a.AccountID = second.ID })
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		for _, uid := range uids {
			same(t, "reason", w.view(uid).Message.Reason, tideline.ReasonAccountRemoved)
		}
		same(t, "left", w.balance().Period, tideline.Credits(999))
		same(t, "queue", w.backlog()[0].MessageID, other.MessageID)
		_, err := w.store.Account(w.ctx(), w.ws.ID, w.acc.ID)
		w.wantCode(err, tideline.CodeNotFound)
		w.wantCode(w.store.Accept(w.ctx(), w.acceptance()).Err, tideline.CodeNotFound)
		w.wantCode(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now), tideline.CodeNotFound)
		w.wantCode(w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountActive, "", w.now), tideline.CodeNotFound)
		w.wantCode(w.store.SetAccountName(w.ctx(), w.acc.ID, "x"), tideline.CodeNotFound)
		w.audit()
	},

	"ARemovedNumberComesBackWithItsChats": func(t *testing.T, w *world) {
		_, before := w.accept()
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		back, err := w.store.PutAccount(w.ctx(), w.acc)
		w.must(err)
		_, after := w.accept(func(a *store.Acceptance) { a.AccountID = back.ID })
		same(t, "chat", after.ChatID, before.ChatID)
	},
}

// file makes a file of the workspace.
func (w *world) file(name string) tideline.File {
	w.t.Helper()
	f, err := w.store.CreateFile(w.ctx(), tideline.File{UID: uuid.NewString(), WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Name: name,
		MIMEType: "application/pdf", Size: 1234, Blob: "ab/cd", UploadedBy: w.owner.Email, UploadedAt: w.now})
	w.must(err)
	return f
}

var fileTests = map[string]func(*testing.T, *world){
	"AreFoundByUID": func(t *testing.T, w *world) {
		f := w.file("a.pdf")
		found, err := w.store.FileByUID(w.ctx(), w.ws.ID, f.UID)
		w.must(err)
		same(t, "file", found, f)
		found, err = w.store.FileForLink(w.ctx(), f.UID)
		w.must(err)
		same(t, "file by link", found, f)
		_, err = w.store.FileForLink(w.ctx(), "none")
		w.wantCode(err, tideline.CodeNotFound)
	},

	"AllAreListedAndRecordedOnesAreKnown": func(t *testing.T, w *world) {
		one := w.file("a.pdf")
		other, member := w.workspace("other", 10)
		two, err := w.store.CreateFile(w.ctx(), tideline.File{UID: uuid.NewString(), WorkspaceID: other.ID, MemberID: member.ID, Name: "b",
			MIMEType: "text/plain", Size: 2, Blob: "b", UploadedBy: member.Email, UploadedAt: w.now})
		w.must(err)
		gone := w.file("c.pdf")
		w.must(w.store.WithdrawFile(w.ctx(), w.ws.ID, gone.ID))
		for after, want := range map[int64][]tideline.File{0: {one, two}, one.ID: {two}, two.ID: nil} {
			got, err := w.store.AllFiles(w.ctx(), after, 10)
			w.must(err)
			same(t, "files", got, want)
		}
		first, err := w.store.AllFiles(w.ctx(), 0, 1)
		w.must(err)
		same(t, "first", first, []tideline.File{one})
		latest, err := w.store.LatestFiles(w.ctx(), 10)
		w.must(err)
		same(t, "latest", latest, []tideline.File{two, one})
		for _, c := range []struct{ ask, want []string }{
			{nil, nil}, {[]string{gone.UID, "none"}, nil}, {[]string{two.UID, gone.UID, one.UID}, []string{one.UID, two.UID}},
		} {
			known, err := w.store.RecordedFiles(w.ctx(), c.ask)
			w.must(err)
			slices.Sort(known)
			slices.Sort(c.want)
			same(t, "recorded", known, c.want)
		}
	},

	"AWithdrawnFileIsGone": func(t *testing.T, w *world) {
		f, stays := w.file("a.pdf"), w.file("b.pdf")
		other, _ := w.workspace("other", 10)
		w.must(w.store.WithdrawFile(w.ctx(), other.ID, f.ID)) // not theirs
		_, err := w.store.FileByUID(w.ctx(), w.ws.ID, f.UID)
		w.must(err)
		for range 2 {
			w.must(w.store.WithdrawFile(w.ctx(), w.ws.ID, f.ID))
		}
		_, err = w.store.FileByUID(w.ctx(), w.ws.ID, f.UID)
		w.wantCode(err, tideline.CodeNotFound)
		_, err = w.store.FileByUID(w.ctx(), w.ws.ID, stays.UID)
		w.must(err)
	},

	"TemplatesKeepAFile": func(t *testing.T, w *world) {
		f := w.file("a.pdf")
		made, err := w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "menu", FileID: f.ID, CreatedAt: w.now})
		w.must(err)
		tmpl, file, err := w.store.Template(w.ctx(), w.ws.ID, made.ID)
		w.must(err)
		same(t, "template", tmpl, made)
		same(t, "file", file, f)
		all, err := w.store.ListTemplates(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "templates", all, []tideline.AttachmentTemplate{made})
		_, err = w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, FileID: 4711, CreatedAt: w.now})
		w.wantCode(err, tideline.CodeNotFound)
	},
}

var settingsTests = map[string]func(*testing.T, *world){
	"ASecretIsMadeOnce": func(t *testing.T, w *world) {
		other := w.another()
		secrets := make(chan string, 8)
		for i := range cap(secrets) {
			s := []store.Store{w.store, other}[i%2]
			go func() {
				v, err := s.Secret(w.ctx(), "links", 32)
				if err != nil {
					t.Error(err)
				}
				secrets <- string(v)
			}()
		}
		first := <-secrets
		same(t, "size", len(first), 32)
		for range cap(secrets) - 1 {
			if next := <-secrets; next != first {
				t.Error("two callers got two secrets")
			}
		}
		another, err := w.store.Secret(w.ctx(), "cookies", 32)
		w.must(err)
		if string(another) == first {
			t.Error("two names have one secret")
		}
	},
}
