package storetest

import (
	"cmp"
	"slices"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// cancel takes some messages of one account out of the queue, whatever became of
// them before.
func (m *model) cancel(rt *rapid.T) {
	w, account := m.world, rapid.IntRange(0, len(m.accounts)-1).Draw(rt, "account")
	var ids, gone, sent []int64
	for range rapid.IntRange(1, 3).Draw(rt, "messages") {
		if msg := m.pick(rt); msg != nil && !slices.Contains(ids, msg.id) {
			ids = append(ids, msg.id)
		}
	}
	c, err := w.store.CancelQueued(w.ctx(), w.ws.ID, m.accounts[account].ID, ids, "", w.now)
	w.must(err)
	slices.Sort(ids)
	for _, id := range ids {
		i := slices.IndexFunc(m.messages, func(msg *modelMessage) bool { return msg.id == id })
		msg := m.messages[i]
		if msg.account != account || msg.status != tideline.StatusPending {
			continue
		}
		gone = append(gone, id)
		if m.end(msg, tideline.StatusFailed); msg.status != tideline.StatusFailed {
			sent = append(sent, id)
		}
	}
	same(rt, "cancelled", c, store.Cancelled{Gone: gone, Sent: sent})
}

func (m *model) putFirst(rt *rapid.T) {
	msg := m.pick(rt)
	if msg == nil {
		return
	}
	err := m.world.store.PutFirst(m.world.ctx(), m.world.ws.ID, msg.id)
	if msg.status != tideline.StatusPending {
		wantCode(rt, "putting first what is not queued", err, tideline.CodeNotFound)
		return
	}
	m.world.must(err)
	lowest := 0
	for _, other := range m.messages {
		if other.account == msg.account && other.status == tideline.StatusPending {
			lowest = min(lowest, other.place)
		}
	}
	msg.place = lowest - 1
}

// compareOrder compares the order in which each lane's messages are to be sent.
func (m *model) compareOrder(rt *rapid.T) {
	w := m.world
	for i, a := range m.accounts {
		var want []*modelMessage
		for _, msg := range m.messages {
			if msg.account == i && msg.status == tideline.StatusPending {
				want = append(want, msg)
			}
		}
		slices.SortFunc(want, func(a, b *modelMessage) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.id, b.id)) })
		items, _, err := w.store.Queue(w.ctx(), w.ws.ID, store.QueueFilter{AccountID: a.ID}, store.Page{Limit: 1000})
		w.must(err)
		var got, ids []int64
		for _, item := range items {
			got = append(got, item.View.Message.ID)
		}
		for _, msg := range want {
			ids = append(ids, msg.id)
		}
		same(rt, "order of the lane", got, ids)
		for at, id := range ids {
			p, err := w.store.PlaceOf(w.ctx(), w.ws.ID, id)
			w.must(err)
			same(rt, "place", p, items[at].Place)
		}
	}
}
