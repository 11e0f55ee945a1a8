package storetest

import (
	"fmt"
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// archiveTests are about parts of the archive, and who reaches what of retention.
var archiveTests = map[string]func(*testing.T, *world){
	"WallsBetweenWorkspaces": func(t *testing.T, w *world) {
		in, out := w.sent("+14840000056")
		f := w.oldFile()
		part, err := w.store.PlanPart(w.ctx(), w.ws.ID, "2026-11", []int64{out.MessageID})
		w.must(err)
		other, _ := w.workspace("second", 10)
		w.now = w.now.Add(50 * day)
		gone, err := w.store.DropMessages(w.ctx(), other.ID, w.acc.ID, []int64{out.MessageID}, w.now)
		w.must(err)
		same(t, "deleted", gone, store.DroppedMessages{})
		w.view(in.Message.UID)
		page, err := w.store.OldMessages(w.ctx(), other.ID, store.OldMessages{Before: w.now, Ended: w.now, Limit: 10,
			From: store.OldCursor{ChatID: out.ChatID}})
		w.must(err)
		same(t, "old", len(page.Messages), 0)
		views, err := w.store.PartMessages(w.ctx(), other.ID, []int64{out.MessageID})
		w.must(err)
		same(t, "read", len(views), 0)
		for _, list := range []func(int64) ([]store.ArchivePart, error){
			func(id int64) ([]store.ArchivePart, error) { return w.store.OpenParts(w.ctx(), id) },
			func(id int64) ([]store.ArchivePart, error) { return w.store.ListParts(w.ctx(), id) },
		} {
			parts, err := list(other.ID)
			w.must(err)
			same(t, "parts", len(parts), 0)
		}
		w.wantCode(w.store.ClosePart(w.ctx(), other.ID, part.ID), tideline.CodeNotFound)
		part.WorkspaceID = other.ID
		w.wantCode(w.store.PartWritten(w.ctx(), part), tideline.CodeNotFound)
		_, err = w.store.FileByUID(w.ctx(), w.ws.ID, f.UID)
		w.must(err)
	},

	"APartIsPlannedOnceAndWrittenOnce": func(t *testing.T, w *world) {
		_, one := w.sent("+14840000056")
		_, two := w.sent("+14840000056")
		first, err := w.store.PlanPart(w.ctx(), w.ws.ID, "2026-11", []int64{one.MessageID})
		w.must(err)
		second, err := w.store.PlanPart(w.ctx(), w.ws.ID, "2026-11", []int64{two.MessageID})
		w.must(err)
		same(t, "numbers", []int{first.Number, second.Number}, []int{1, 2})
		same(t, "blob", first.Blob, fmt.Sprintf("archive/%d-%s/2026-11/000001", w.ws.ID, w.ws.Slug))
		open, err := w.another().OpenParts(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "open", open, []store.ArchivePart{first, second})
		first.Bytes, first.SHA256, first.WrittenAt = 12, [32]byte{1, 2}, w.now
		w.must(w.store.PartWritten(w.ctx(), first))
		w.wantCode(w.store.PartWritten(w.ctx(), first), tideline.CodeNotFound)
		w.must(w.store.ClosePart(w.ctx(), w.ws.ID, first.ID))
		w.must(w.store.ClosePart(w.ctx(), w.ws.ID, second.ID)) // never written, so forgotten
		open, err = w.store.OpenParts(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "open", len(open), 0)
		parts, err := w.store.ListParts(w.ctx(), w.ws.ID)
		w.must(err)
		first.Planned = nil
		same(t, "written", parts, []store.ArchivePart{first})
		_, err = w.store.PlanPart(w.ctx(), w.ws.ID, "2026-13", []int64{1})
		if err == nil {
			t.Error("a part of the thirteenth month was planned")
		}
	},

	"APartIsReadWhole": func(t *testing.T, w *world) {
		f := w.oldFile()
		in, out := w.sent("+14840000056", func(a *store.Acceptance) { a.Message.FileID = f.ID; a.MemberID = w.owner.ID })
		w.receive(tideline.StatusRead, w.now, in.Message.WhatsAppID)
		got := w.receiveMessage("A1", from(contact(3, "Cat")))
		w.receiveMessage("A1", from(contact(3, "Cat")), react("x", w.now))
		views, err := w.store.PartMessages(w.ctx(), w.ws.ID, []int64{got.MessageID, out.MessageID, 4711, out.MessageID})
		w.must(err)
		same(t, "messages", len(views), 2)
		same(t, "sent", views[0].Message, w.view(in.Message.UID).Message)
		same(t, "history", views[0].History, w.view(in.Message.UID).History)
		same(t, "file", views[0].File.UID, f.UID)
		same(t, "account", views[0].Account.JID, w.acc.JID)
		same(t, "chat", views[1].Chat.Name, "Cat")
		same(t, "reactions", len(views[1].Reactions), 1)
	},
}
