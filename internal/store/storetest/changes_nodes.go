package storetest

import "github.com/tidelinehq/tideline/internal/store"

// nodeReaders are those of the readers that serve nodes.
var nodeReaders = []string{
	"ListNodes", "HoldsOf", "HolderOf", "CountAccounts", "Fence", "AccountsByID", "LaneStart", "NewestQueued", "QueuedAfter",
	"DueDownloadsFrom", "DueHistoryChunkFrom", "DueProfilesFrom", "NextDownloadAfter", "NextHistoryChunkAfter",
	"Notifies", "Notify", "Listen",
}

// nodeAnnouncements are those of nodes: pages show nothing of them.
var nodeAnnouncements = map[string]func(*listener){
	"Join": func(l *listener) { l.announces("a node", func() { l.node() }) },
	"Renew": func(l *listener) {
		id := l.node()
		l.announces("a lease", func() { l.must(l.store.Renew(l.ctx(), id, lease)) })
	},
	"MarkLeaving": func(l *listener) {
		id := l.node()
		l.announces("a node that leaves", func() { l.must(l.store.MarkLeaving(l.ctx(), id)) })
	},
	"Leave": func(l *listener) {
		id := l.node()
		l.announces("a node that left", func() { l.must(l.store.Leave(l.ctx(), id)) })
	},
	"ExpelDead": func(l *listener) {
		id, dead := l.node(), l.node()
		l.must(l.store.Renew(l.ctx(), dead, over))
		l.announces("a node that died", func() { _, err := l.store.ExpelDead(l.ctx(), id); l.must(err) })
	},
	"Claim": func(l *listener) {
		id := l.node()
		l.announces("accounts that are held", func() { _, err := l.store.Claim(l.ctx(), id, 1); l.must(err) })
	},
	"ClaimAccount": func(l *listener) {
		id := l.node()
		l.announces("an account that is held", func() { _, _, err := l.store.ClaimAccount(l.ctx(), id, l.acc.ID); l.must(err) })
	},
	"Release": func(l *listener) {
		id := l.node()
		_, err := l.store.Claim(l.ctx(), id, 1)
		l.must(err)
		l.announces("an account that is free", func() { l.must(l.store.Release(l.ctx(), id, []int64{l.acc.ID})) })
	},
	"TakeDuty": func(l *listener) {
		id := l.node()
		l.announces("a duty", func() { _, err := l.store.TakeDuty(l.ctx(), id, "of the row"); l.must(err) })
	},
	"DropDuty": func(l *listener) {
		l.announces("a duty", func() { l.must(l.store.DropDuty(l.ctx(), l.node(), "of the row")) })
	},
	"PutCall": func(l *listener) { l.announces("a call", func() { l.call() }) },
	"TakeCalls": func(l *listener) {
		l.call()
		l.announces("a call", func() { _, err := l.store.TakeCalls(l.ctx(), 2); l.must(err) })
	},
	"AnswerCall": func(l *listener) {
		id := l.call()
		l.announces("an answer", func() { l.must(l.store.AnswerCall(l.ctx(), id, []byte("yes"))) })
	},
	"TakeReply": func(l *listener) {
		id := l.call()
		l.must(l.store.AnswerCall(l.ctx(), id, []byte("yes")))
		l.announces("an answer", func() { _, _, err := l.store.TakeReply(l.ctx(), id); l.must(err) })
	},
	"DropCall": func(l *listener) {
		id := l.call()
		l.announces("a call", func() { l.must(l.store.DropCall(l.ctx(), id)) })
	},
}

// call makes a call from one node to another.
func (l *listener) call() int64 {
	l.t.Helper()
	id, err := l.store.PutCall(l.ctx(), store.NodeCall{Caller: 1, Target: 2, Method: "of the row", Args: []byte("{}")})
	l.must(err)
	return id
}

// node makes a node, behind which nothing is fenced.
func (l *listener) node() int64 {
	l.t.Helper()
	n, err := l.store.Join(l.ctx(), store.NodeInfo{Name: "box"}, lease)
	l.must(err)
	return n.ID
}
