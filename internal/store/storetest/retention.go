package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const day = 24 * time.Hour

// old walks through the workspace in pages and gives what may be deleted.
func (w *world) old(before time.Time, page int) (all []store.OldMessage) {
	w.t.Helper()
	q := store.OldMessages{Before: before, Ended: w.now.Add(-tideline.MessageRest), Limit: page}
	for {
		p, err := w.store.OldMessages(w.ctx(), w.ws.ID, q)
		w.must(err)
		if len(p.Messages) > page {
			w.t.Fatalf("a page of %d has %d messages", page, len(p.Messages))
		}
		all = append(all, p.Messages...)
		if p.Done {
			return all
		}
		if p.Next == q.From {
			w.t.Fatalf("the walk stands still at %+v", p.Next)
		}
		q.From = p.Next
	}
}

// drop deletes messages, each account's together.
func (w *world) drop(old []store.OldMessage) (n int64) {
	w.t.Helper()
	byAccount := make(map[int64][]int64)
	for _, m := range old {
		byAccount[m.AccountID] = append(byAccount[m.AccountID], m.ID)
	}
	for account, ids := range byAccount {
		gone, err := w.store.DropMessages(w.ctx(), w.ws.ID, account, ids, w.now)
		w.must(err)
		n += gone.Messages
	}
	return n
}

// sent accepts and sends a message to a number at the world's time.
func (w *world) sent(phone tideline.Phone, change ...func(*store.Acceptance)) (store.Acceptance, store.Accepted) {
	w.t.Helper()
	in, out := w.accept(append([]func(*store.Acceptance){to(phone, "")}, change...)...)
	w.settle(out.MessageID, tideline.StatusSent)
	return in, out
}

// dropFiles walks through the files.
func (w *world) dropFiles(before time.Time) (files, bytes int64) {
	w.t.Helper()
	queued, err := w.store.InQueue(w.ctx(), w.ws.ID)
	w.must(err)
	return w.dropFilesAfter(before, queued)
}

func (w *world) dropFilesAfter(before time.Time, queued store.QueuedFiles) (files, bytes int64) {
	w.t.Helper()
	q := store.OldFiles{Before: before, Limit: 2, Queued: queued}
	for {
		p, err := w.store.DropFiles(w.ctx(), w.ws.ID, q)
		w.must(err)
		files, bytes = files+p.Files, bytes+p.Bytes
		if p.Done {
			return files, bytes
		}
		q.From = p.Next
	}
}

// oldFile makes a file with a blob of its own.
func (w *world) oldFile() tideline.File {
	w.t.Helper()
	f, err := w.store.CreateFile(w.ctx(), tideline.File{UID: uuid.NewString(), WorkspaceID: w.ws.ID, MemberID: w.owner.ID, Name: "a.pdf",
		MIMEType: "application/pdf", Size: 100, Blob: fmt.Sprintf("f/%d-%d", w.ws.ID, w.serial.Add(1)), UploadedBy: w.owner.Email, UploadedAt: w.now})
	w.must(err)
	return f
}

var retentionTests = map[string]func(*testing.T, *world){
	"ASettingIsTheWorkspacesOwn": func(t *testing.T, w *world) {
		other, _ := w.workspace("second", 10)
		get := func(id int64) tideline.Retention {
			r, err := w.another().Retention(w.ctx(), id)
			w.must(err)
			return r
		}
		same(t, "at first", get(w.ws.ID), tideline.RetentionDefault)
		want := tideline.Retention{Messages: 365, Files: tideline.KeepForever, Archive: tideline.ArchiveFiles}
		w.must(w.store.SetRetention(w.ctx(), w.ws.ID, want, w.now))
		same(t, "set", get(w.ws.ID), want)
		same(t, "of another workspace", get(other.ID), tideline.RetentionDefault)
		w.wantCode(w.store.SetRetention(w.ctx(), 4711, want, w.now), tideline.CodeNotFound)
		_, err := w.store.Retention(w.ctx(), 4711)
		w.wantCode(err, tideline.CodeNotFound)
		w.wantCode(w.store.SetRetention(w.ctx(), w.ws.ID, tideline.Retention{Messages: 1}, w.now), tideline.CodeValidation)
		all, err := w.store.Retentions(w.ctx())
		w.must(err)
		same(t, "all", all, []store.WorkspaceRetention{
			{WorkspaceID: w.ws.ID, Slug: w.ws.Slug, Set: want}, {WorkspaceID: other.ID, Slug: other.Slug, Set: tideline.RetentionDefault}})
	},

	"OnlyWhatEndedLongAgoIsOld": func(t *testing.T, w *world) {
		_, waiting := w.accept()                                   // waits in the queue for ever
		_, cancelled := w.accept()                                 // is ended a moment ago
		_, failed := w.accept(to("+14840000055", ""))              // failed then
		in, sent := w.sent("+14840000056")                         // its receipt comes late
		history := w.now.Add(-300 * day)                           // an old message with a new id
		received := w.receiveMessage("OLD", from(contact(1, "A"))) // old by now
		w.settle(failed.MessageID, tideline.StatusFailed)
		w.now = w.now.Add(100 * day)
		w.remember(0, w.reception("PAST", from(contact(2, "B")), at(history), func(r *store.Reception) { r.ReceivedAt = w.now }))
		w.receiveMessage("NEW", from(contact(1, "A")))
		w.receive(tideline.StatusRead, w.now, in.Message.WhatsAppID)
		_, err := w.store.CancelQueued(w.ctx(), w.ws.ID, w.acc.ID, []int64{cancelled.MessageID}, "", w.now)
		w.must(err)
		ids := func() (ids []int64) {
			for _, page := range []int{1, 2, 100} {
				ids = nil
				for _, m := range w.old(w.now.Add(-30*day), page) {
					ids = append(ids, m.ID)
				}
				slices.Sort(ids)
			}
			return ids
		}
		same(t, "old", ids(), []int64{failed.MessageID, received.MessageID})
		w.now = w.now.Add(tideline.MessageRest + time.Minute)
		chat, err := w.store.ChatByName(w.ctx(), w.ws.ID, "B")
		w.must(err)
		views, _, err := w.store.ChatMessages(w.ctx(), w.ws.ID, chat.ID, store.MessageFilter{}, store.Page{Limit: 2})
		w.must(err)
		past := views[0].Message.ID
		same(t, "old when a while has passed", ids(), []int64{cancelled.MessageID, failed.MessageID, sent.MessageID, received.MessageID, past})
		gone, err := w.store.DropMessages(w.ctx(), w.ws.ID, w.acc.ID, []int64{waiting.MessageID}, w.now)
		w.must(err)
		same(t, "of what waits is deleted", gone, store.DroppedMessages{})
		same(t, "queue", len(w.backlog()), 1)
		w.audit()
	},

	"AMessageGoesWithAllThatHangsOnIt": func(t *testing.T, w *world) {
		in, out := w.sent("+14840000056")
		chat := w.receiveMessage("A1", from(contact(3, "Cat")))
		w.receiveMessage("A1", from(contact(3, "Cat")), react("x", w.now))
		keptAt := w.now.Add(50 * day)
		w.now = keptAt
		later := w.receiveMessage("A2", from(contact(3, "Cat")), func(r *store.Reception) { r.Message.ReplyTo = "A1" })
		old := w.old(w.now.Add(-30*day), 10)
		same(t, "deleted", w.drop(old), int64(2))
		same(t, "deleted again", w.drop(old), int64(0))
		for _, uid := range []string{in.Message.UID, chat.UID} {
			_, err := w.store.MessageByUID(w.ctx(), w.ws.ID, uid)
			w.wantCode(err, tideline.CodeNotFound)
		}
		v := w.view(later.UID)
		same(t, "the one it answered", v.ReplyToUID, "")
		same(t, "texts", w.texts(chat.ChatID, store.MessageFilter{}), []string{"text of A2"})
		same(t, "texts of the emptied chat", len(w.texts(out.ChatID, store.MessageFilter{})), 0)
		// The same WhatsApp id again is another message now, without the old one's reaction.
		again := w.receiveMessage("A1", from(contact(3, "Cat")))
		same(t, "duplicate", again.Duplicate, false)
		same(t, "reactions", len(w.reactions(again.UID)), 0)
		w.audit()
	},

	"AChatStaysAndFitsToWhatIsLeft": func(t *testing.T, w *world) {
		ana := from(contact(3, "Cat"))
		first := w.receiveMessage("A1", ana)
		w.receiveMessage("A2", ana)
		w.receiveMessage("B1", from(contact(4, "Dan")))
		emptied := w.chat(w.receiveMessage("B2", from(contact(4, "Dan"))).ChatID)
		then := w.now
		w.now = w.now.Add(50 * day)
		last := w.receiveMessage("A3", ana)
		w.drop(w.old(w.now.Add(-30*day), 10))
		c := w.chat(first.ChatID)
		same(t, "unread", c.Chat.Unread, 1)
		same(t, "last message", c.LastMessageUID, last.UID)
		c = w.chat(emptied.Chat.ID)
		same(t, "unread of the emptied one", c.Chat.Unread, 0)
		same(t, "last message of the emptied one", c.LastMessageUID, "")
		same(t, "its time", c.Chat.LastMessageAt, then)
		same(t, "its name", c.Chat.Name, emptied.Chat.Name)
		names, _ := w.names(store.ChatFilter{WithLastMessage: true}, store.Page{Limit: 10})
		same(t, "list", names, []string{"Cat", "Dan"})
		n, err := w.store.FirstContact(w.ctx(), w.ws.ID, emptied.Chat.ID)
		w.must(err)
		same(t, "a stranger", n, false)
		w.receiveMessage("B3", from(contact(4, "Dan")))
		same(t, "unread after another one", w.chat(emptied.Chat.ID).Chat.Unread, 1)
	},

	"WhoWasNeverReachedStaysAStranger": func(t *testing.T, w *world) {
		_, out := w.accept()
		w.settle(out.MessageID, tideline.StatusFailed)
		w.now = w.now.Add(50 * day)
		same(t, "deleted", w.drop(w.old(w.now.Add(-30*day), 10)), int64(1))
		n, err := w.store.FirstContact(w.ctx(), w.ws.ID, out.ChatID)
		w.must(err)
		same(t, "a stranger", n, true)
	},

	"TheLedgerAddsUpWithoutItsMessages": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		for i := range 6 { // two months and the running one
			w.sent("+14840000056", func(a *store.Acceptance) { a.Message.Credits = 2 })
			_, out := w.accept(func(a *store.Acceptance) { a.AccountID = second.ID })
			_, late := w.accept()
			w.settle(out.MessageID, tideline.StatusFailed, func(s *store.Settlement) { s.AccountID = second.ID })
			if i == 2 { // refunded in the period after
				w.now = w.now.Add(15 * day)
			}
			w.settle(late.MessageID, tideline.StatusFailed)
			w.now = w.now.Add(9 * day)
		}
		w.now = time.Date(2027, 1, 28, 0, 0, 0, 0, time.UTC)
		w.sent("+14840000056")
		before, entries := w.balance(), w.entries()
		spent := func() []store.Spent {
			s, err := w.store.Spending(w.ctx(), w.ws.ID, start, w.now, time.UTC)
			w.must(err)
			return s
		}
		old := w.old(w.now.Add(-8*day), 100) // parts of the running period too
		cut := len(old) / 2
		w.drop(old[:cut])
		w.audit()
		middle := spent() // the sums were never asked for before
		w.drop(old[cut:])
		w.drop(old)
		w.audit()
		same(t, "balance", w.balance(), before)
		same(t, "spending", spent(), middle)
		var charged, refunded tideline.Credits
		for _, d := range middle {
			charged, refunded = charged+d.Charged, refunded+d.Refunded
		}
		same(t, "charged", charged, tideline.Credits(6*4+1))
		same(t, "refunded", refunded, tideline.Credits(6*2))
		now := w.entries()
		var sum tideline.Balance
		months := make(map[time.Month]int)
		for _, e := range now {
			sum.Period, sum.Extra = sum.Period+e.Period, sum.Extra+e.Extra
			if e.Kind == tideline.EntryCarried {
				months[e.At.Month()]++
			}
		}
		same(t, "sum", sum, tideline.Balance{Period: before.Period, Extra: before.Extra})
		same(t, "carried", months, map[time.Month]int{time.November: 1, time.December: 1, time.January: 1})
		same(t, "fewer entries", len(now) < len(entries)/2, true)
		same(t, "the last one's end", now[len(now)-1].After, entries[len(entries)-1].After)
		views, _, err := w.store.LedgerPage(w.ctx(), w.ws.ID, 0, 1000)
		w.must(err)
		same(t, "page", len(views), len(now))
		w.sent("+14840000056")
		w.audit()
	},

	"ARefundStaysOnceAfterItsMessageIsGone": func(t *testing.T, w *world) {
		_, out := w.accept()
		w.settle(out.MessageID, tideline.StatusFailed)
		w.now = w.now.Add(50 * day)
		w.drop(w.old(w.now.Add(-30*day), 10))
		before := w.balance()
		err := w.store.Settle(w.ctx(), store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: out.MessageID,
			Status: tideline.StatusFailed, Reason: tideline.ReasonRejected, At: w.now})
		w.wantCode(err, tideline.CodeNotFound)
		same(t, "balance", w.balance(), before)
		w.audit()
	},

	"FilesStayWhileAnythingUsesThem": func(t *testing.T, w *world) {
		with := func(f tideline.File) func(*store.Acceptance) {
			return func(a *store.Acceptance) { a.Message.FileID = f.ID }
		}
		unused, template, queued, recent, once := w.oldFile(), w.oldFile(), w.oldFile(), w.oldFile(), w.oldFile()
		_, err := w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "menu", FileID: template.ID, CreatedAt: w.now})
		w.must(err)
		w.accept(with(queued))
		w.sent("+14840000056", with(once))
		w.sent("+14840000056", with(recent))
		other, _ := w.workspace("second", 10)
		w.now = w.now.Add(50 * day)
		theirs := w.oldFile()
		w.sent("+14840000056", with(recent))
		files, bytes := w.dropFiles(w.now.Add(-30 * day))
		same(t, "files", files, int64(2))
		same(t, "bytes", bytes, unused.Size+once.Size)
		for _, f := range []tideline.File{template, queued, recent, theirs} {
			_, err := w.store.FileByUID(w.ctx(), w.ws.ID, f.UID)
			w.must(err)
		}
		lost := []string{unused.Blob, once.Blob}
		slices.Sort(lost)
		same(t, "lost", w.lost(), lost)
		page, err := w.store.DropFiles(w.ctx(), other.ID, store.OldFiles{Before: w.now.Add(day), Limit: 100})
		w.must(err)
		same(t, "of another workspace", page, store.FilesPage{Done: true})
	},

	"AFileThatComesToBeUsedMeanwhileStays": func(t *testing.T, w *world) {
		f := w.oldFile()
		w.now = w.now.Add(50 * day)
		queued, err := w.store.InQueue(w.ctx(), w.ws.ID)
		w.must(err)
		w.accept(func(a *store.Acceptance) { a.Message.FileID = f.ID })
		n, _ := w.dropFilesAfter(w.now.Add(-30*day), queued)
		same(t, "files", n, int64(0))
	},

	"NeverBothAcceptedAndWithoutItsFile": func(t *testing.T, w *world) {
		files := make([]tideline.File, 20)
		for i := range files {
			files[i] = w.oldFile()
		}
		w.now = w.now.Add(50 * day)
		queued, err := w.store.InQueue(w.ctx(), w.ws.ID)
		w.must(err)
		var wg sync.WaitGroup
		accepted := make([]bool, len(files))
		for i, f := range files {
			in := w.acceptance(func(a *store.Acceptance) { a.Message.FileID = f.ID })
			wg.Go(func() {
				out := w.store.Accept(w.ctx(), in)
				accepted[i] = out.Err == nil
			})
		}
		wg.Go(func() { w.dropFilesAfter(w.now.Add(-30*day), queued) })
		wg.Wait()
		for i, f := range files {
			_, err := w.store.FileByUID(w.ctx(), w.ws.ID, f.UID)
			if there := err == nil; there != accepted[i] && accepted[i] {
				t.Errorf("file %d: accepted %v, there %v", i, accepted[i], there)
			}
		}
	},

	"DeletingBesideReceiptsLeavesNoHistory": func(t *testing.T, w *world) {
		var ids []string
		for range 40 {
			in, _ := w.sent("+14840000056")
			ids = append(ids, in.Message.WhatsAppID)
		}
		w.now = w.now.Add(50 * day)
		old := w.old(w.now.Add(-30*day), 100)
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() { w.receive(tideline.StatusDelivered, w.now, id) })
		}
		wg.Go(func() { w.drop(old) })
		wg.Wait()
		w.drop(old)
		same(t, "left", len(w.old(w.now.Add(day), 100)), 0)
		w.audit()
	},
}
