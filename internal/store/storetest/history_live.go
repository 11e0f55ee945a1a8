package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// whatComesLiveAndAsHistory has a phone's history overlap with what WhatsApp kept
// for a new device, as it does after pairing.
func whatComesLiveAndAsHistory(t *testing.T, w *world) {
	const messages, parts = 120, 3
	w.receiveMessage("A", at(w.now.Add(-24*time.Hour)), ownPhone) // the chat is there
	var running sync.WaitGroup
	errs := make(chan error, messages+parts)
	before := func(i int) time.Time { return w.now.Add(time.Duration(i-messages) * time.Second) }
	message := func(i int) store.Reception {
		id := fmt.Sprintf("A%03d", i)
		if i%3 == 0 {
			return w.reception(id, at(before(i)), ownPhone, status(tideline.StatusDelivered))
		}
		return w.reception(id, at(before(i)))
	}
	live := make([]store.Reception, messages)
	for i := range live {
		live[i] = message(i)
	}
	running.Go(func() {
		for p := range parts {
			var part []store.Reception
			for i := p * messages / parts; i < (p+1)*messages/parts; i++ {
				part = append(part, message(i))
			}
			_, err := w.store.ReceiveHistory(w.ctx(), w.historyOf(0, part...))
			errs <- err
		}
	})
	for _, in := range live {
		running.Go(func() {
			_, err := w.store.Receive(w.ctx(), in)
			errs <- err
		})
	}
	running.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	chat := w.onlyChat().Chat
	views, _, err := w.store.ChatMessages(w.ctx(), w.ws.ID, chat.ID, store.MessageFilter{}, store.Page{Limit: 2 * messages})
	w.must(err)
	same(t, "messages", len(views), messages+1)
	for _, v := range views {
		if v.Message.Data[tideline.DataHistory] != "" {
			t.Errorf("message %s came live and is marked as history", v.Message.WhatsAppID)
		}
	}
	w.audit()
}

// settlementsBesideATakeover settles what waits in a chat while a history shows
// that the chat is another one's.
func settlementsBesideATakeover(t *testing.T, w *world) {
	const messages = 40
	w.receiveMessage("A1", from(tideline.Peer{LID: anaLID}))
	ids := make([]int64, messages)
	for i := range ids {
		_, out := w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: anaLID} })
		ids[i] = out.MessageID
	}
	w.receiveMessage("A2", from(tideline.Peer{JID: anaJID}))
	var running sync.WaitGroup
	for _, id := range ids {
		in := store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: id, Status: tideline.StatusSent, At: w.now, LaneAt: w.now}
		running.Go(func() {
			if err := w.store.Settle(w.ctx(), in); err != nil {
				t.Errorf("settle: %v", err)
			}
		})
	}
	running.Go(func() {
		_, err := w.store.ReceiveHistory(w.ctx(), store.History{WorkspaceID: w.ws.ID, AccountID: w.acc.ID,
			Contacts: []tideline.Peer{{JID: anaJID, LID: anaLID}}})
		if err != nil {
			t.Errorf("history: %v", err)
		}
	})
	running.Wait()
	chat := w.onlyChat().Chat
	views, _, err := w.store.ChatMessages(w.ctx(), w.ws.ID, chat.ID, store.MessageFilter{}, store.Page{Limit: 2 * messages})
	w.must(err)
	same(t, "messages in the chat that is left", len(views), messages+2)
	w.audit()
}
