package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// readers are the methods of store.Store that change nothing.
var readers = strings.Fields(`
	Version PrincipalByToken AccountsOf WorkspaceBySlug ListWorkspaces ListPlans ListMembers ListTokens Account AllAccounts
	Chat ChatByName ChatWith ChatLabels ChatView ListChats BarOf MessageByUID ChatMessages PlaceOf QueueLength
	FileByUID FileForLink Template ListTemplates LedgerEntries AuditLedger APICalls Setting
	Replay DueDownloads NextDownload Backlog Lanes Outgoing FirstContact DueProfiles LostBlobs NewChats DueHistoryChunk NextHistoryChunk
	ListTeams TextTemplate ListTextTemplates ListFiles ListEvents EventID UnsentEvents
	ListWebhooks Webhook PendingWebhooks WaitingDeliveries AsideDeliveries DeliveryBacklog ListDeliveries Delivery
	Audit CountChats Tally CountLabels ListLabels ListTemplateFiles WebhookHealth
	LinkOf ListSessions LoginOf LoginsOf HasPasswords PrincipalBySession
	Firsts PausedAccounts Queue QueueLengths QueuedMessage QueuedOf LedgerPage Spending
	OnAccepted OnEvents OnChanges OtherChanges Close
	AllFiles LatestFiles RecordedFiles`)

// everyMethodHasARow is the test that a new method of store.Store fails
// until it is said which changes it announces: in readers when it writes nothing,
// else in a table of announcements, also when it announces nothing.
func everyMethodHasARow(t *testing.T) {
	all := reflect.TypeFor[store.Store]()
	known := make(map[string]bool)
	for _, name := range slices.Concat(readers, teamReaders, retentionReaders, nodeReaders) {
		known[name] = true
	}
	for name := range allAnnouncements() {
		if known[name] {
			t.Errorf("%s reads and writes at once", name)
		}
		known[name] = true
	}
	for i := range all.NumMethod() {
		name := all.Method(i).Name
		if !known[name] {
			t.Errorf("store.Store.%s is in neither readers nor announcements: say which changes it announces", name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("store.Store has no method %s", name)
	}
}

// listener keeps the changes that are announced.
type listener struct {
	*world
	mu    sync.Mutex
	heard []tideline.Change
	last  string // what was done last
}

// listen opens the world's database once more and lets the world work with that.
func listen(w *world) *listener {
	l := &listener{world: w}
	w.store = w.another()
	w.store.OnChanges(func(changes []tideline.Change) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard = append(l.heard, changes...)
	})
	return l
}

// announces compares the changes that fn announces with those that are wanted;
// order and repetition don't count.
func (l *listener) announces(what string, fn func(), want ...tideline.Change) {
	l.t.Helper()
	l.does(what, fn)
	l.announced(want...)
}

// does begins to listen anew and calls fn. What has an id only after that is
// compared by announced then.
func (l *listener) does(what string, fn func()) {
	l.t.Helper()
	l.mu.Lock()
	l.heard, l.last = nil, what
	l.mu.Unlock()
	fn()
}

func distinctChanges(changes []tideline.Change) []tideline.Change {
	sorted := append([]tideline.Change{}, changes...)
	slices.SortFunc(sorted, func(a, b tideline.Change) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), cmp.Compare(a.WorkspaceID, b.WorkspaceID),
			cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.ChatID, b.ChatID), cmp.Compare(a.MessageID, b.MessageID), cmp.Compare(a.Formerly, b.Formerly))
	})
	return slices.Compact(sorted)
}

func (l *listener) messageChange(chatID, messageID int64) tideline.Change {
	return tideline.Change{WorkspaceID: l.ws.ID, Kind: tideline.ChangeMessage, AccountID: l.acc.ID, ChatID: chatID, MessageID: messageID}
}

func (l *listener) chatChange(chatID int64) tideline.Change {
	return tideline.Change{WorkspaceID: l.ws.ID, Kind: tideline.ChangeChat, AccountID: l.acc.ID, ChatID: chatID}
}

func (l *listener) lostChange(chatID, formerly int64) tideline.Change {
	c := l.chatChange(chatID)
	c.Formerly = formerly
	return c
}

func (l *listener) accountChange(id int64) tideline.Change {
	return tideline.Change{WorkspaceID: l.ws.ID, Kind: tideline.ChangeAccount, AccountID: id}
}

func (l *listener) queueChange(accountID int64) tideline.Change {
	return tideline.Change{WorkspaceID: l.ws.ID, Kind: tideline.ChangeQueue, AccountID: accountID}
}

func (l *listener) settingsChange() tideline.Change {
	return tideline.Change{WorkspaceID: l.ws.ID, Kind: tideline.ChangeSettings}
}

// fresh is a contact that no other row uses.
func (l *listener) fresh() tideline.Peer {
	n := 14850000000 + l.serial.Add(1)
	return tideline.Peer{JID: tideline.JID(fmt.Sprintf("%d@s.whatsapp.net", n)), LID: tideline.JID(fmt.Sprintf("%d@lid", n)), Name: fmt.Sprintf("Contact %d", n)}
}

// freshID is a WhatsApp id that no other row uses.
func (l *listener) freshID() string { return fmt.Sprintf("ROW%d", l.serial.Add(1)) }

// freshChat is a chat that no other row uses.
func (l *listener) freshChat() store.Received {
	l.t.Helper()
	return l.receiveMessage(l.freshID(), from(l.fresh()))
}

// queue accepts a message to nobody that another row writes to.
func (l *listener) queue() (store.Acceptance, store.Accepted) {
	l.t.Helper()
	return l.accept(l.toFresh)
}

func (l *listener) toFresh(a *store.Acceptance) {
	p := l.fresh()
	a.Chat = store.ChatRef{JID: p.JID, Phone: p.Phone()}
}

func changeTests(t *testing.T, create func(t testing.TB) Opener) {
	t.Run("EveryMethodHasARow", func(t *testing.T) {
		t.Parallel()
		everyMethodHasARow(t)
	})
	t.Run("AreAnnounced", func(t *testing.T) {
		t.Parallel()
		l := listen(newWorld(t, create(t)))
		rows := allAnnouncements()
		for _, name := range slices.Sorted(maps.Keys(rows)) {
			t.Run(name, func(t *testing.T) {
				l.t = t
				rows[name](l)
			})
		}
	})
	t.Run("OfWhatFailedAreNot", func(t *testing.T) {
		t.Parallel()
		l := listen(newWorld(t, create(t)))
		refusedWrites(l)
	})
	t.Run("OfOthersAreCounted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, create(t))
		other, count := w.another(), func(s store.Store) int64 {
			n, err := s.OtherChanges(w.ctx())
			w.must(err)
			return n
		}
		mine, theirs := count(w.store), count(other)
		w.must(w.store.PutPlan(w.ctx(), tideline.Plan{Name: "mine"}))
		w.must(w.store.SetAccountName(w.ctx(), w.acc.ID, "Mine"))
		w.wantCode(w.store.SetMemberRole(w.ctx(), w.ws.ID, 4711, tideline.RoleAdmin), tideline.CodeNotFound)
		w.accept()
		same(t, "of others, by who changed", count(w.store), mine)
		same(t, "of others, by who did not", count(other), theirs+2)
	})
	t.Run("AreThereWhenTheyAreAnnounced", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, create(t))
		w.store = w.another()
		other := w.another()
		found := make(chan error, 1)
		w.store.OnChanges(func(changes []tideline.Change) {
			for _, c := range changes {
				if c.Kind == tideline.ChangeMessage {
					_, err := other.Outgoing(w.ctx(), c.MessageID)
					found <- err
				}
			}
		})
		w.accept()
		w.must(<-found)
	})
}

// refusedWrites are calls that change something before they fail.
func refusedWrites(l *listener) {
	chat := l.freshChat()
	_, queued := l.queue()
	hook := l.putHook()
	uid := uuid.Must(uuid.NewV7()).String()
	for what, refused := range map[string]func() error{
		"acceptance above the balance": func() error {
			return l.store.Accept(l.ctx(), l.acceptance(l.toFresh, func(a *store.Acceptance) { a.Message.Credits = 1_000_000 })).Err
		},
		"stale acceptance": func() error {
			return l.store.Accept(l.ctx(), l.acceptance(l.toFresh, func(a *store.Acceptance) { a.Version-- })).Err
		},
		"settlement of another account's message": func() error {
			return l.store.Settle(l.ctx(), store.Settlement{WorkspaceID: l.ws.ID, AccountID: 4711, MessageID: queued.MessageID, Status: tideline.StatusSent, At: l.now})
		},
		"reception of nobody's account": func() error {
			_, err := l.store.Receive(l.ctx(), l.reception(l.freshID(), func(r *store.Reception) { r.AccountID = 4711 }))
			return err
		},
		"chat with a name and an unknown member": func() error {
			return l.store.UpdateChat(l.ctx(), l.ws.ID, chat.ChatID, store.ChatUpdate{Name: ptr("Another"), Responsible: ptr(int64(4711)), At: l.now})
		},
		"template that is not there": func() error {
			return l.store.UpdateTextTemplate(l.ctx(), tideline.TextTemplate{ID: 4711, WorkspaceID: l.ws.ID, Visibility: "all", UpdatedAt: l.now})
		},
		"webhook of an unknown account": func() error {
			_, err := l.store.UpdateWebhook(l.ctx(), l.ws.ID, hook.ID, store.WebhookUpdate{Accounts: &[]int64{4711}, At: l.now})
			return err
		},
		"secret of no webhook": func() error {
			_, err := l.store.RotateSecret(l.ctx(), l.ws.ID, 4711, "whsec_x", "x", l.now, l.now)
			return err
		},
		"account that is not there": func() error { return l.store.RemoveAccount(l.ctx(), l.ws.ID, 4711, l.now) },
		"hold of no account":        func() error { return l.store.SetAccountHold(l.ctx(), 4711, tideline.Hold{}) },
		"note in no chat": func() error {
			return l.store.AddNote(l.ctx(), store.Note{UID: uid, WorkspaceID: l.ws.ID, ChatID: 4711, Text: "x", At: l.now})
		},
		"download that is not there": func() error {
			return l.store.AbandonDownload(l.ctx(), l.ws.ID, 4711, tideline.AttachmentState("expired"))
		},
		"another workspace's member": func() error { return l.store.RemoveMember(l.ctx(), 4711, l.owner.ID, l.now) },
		"file that is not there": func() error {
			_, err := l.store.DeleteFile(l.ctx(), l.ws.ID, uid)
			return err
		},
		"plan of no name that a workspace can have": func() error {
			_, err := l.store.UpdateWorkspace(l.ctx(), l.ws.ID, store.WorkspaceUpdate{Plan: ptr("none"), DisplayName: ptr("x"), At: l.now})
			return err
		},
	} {
		l.announces(what, func() {
			if err := refused(); err == nil {
				l.t.Errorf("%s is not refused", what)
			}
		})
	}
	// Beside one that is accepted, in whatever batch.
	var ok store.Accepted
	l.announces("one good acceptance among bad ones", func() {
		var wg sync.WaitGroup
		good := l.acceptance(l.toFresh)
		for range 20 {
			bad := l.acceptance(l.toFresh, func(a *store.Acceptance) { a.Message.Credits = 1_000_000 })
			wg.Go(func() { l.store.Accept(l.ctx(), bad) })
		}
		wg.Go(func() { ok = l.store.Accept(l.ctx(), good) })
		wg.Wait()
		l.must(ok.Err)
		l.heard = slices.DeleteFunc(l.heard, func(c tideline.Change) bool {
			return c.ChatID == ok.ChatID && (c.Kind == tideline.ChangeChat || c.MessageID == ok.MessageID)
		})
	})
}
