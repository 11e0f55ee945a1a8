package storetest

import (
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// retentionReaders are those of the readers that serve retention.
var retentionReaders = strings.Fields(`Retention Retentions OldMessages InQueue OpenParts PartMessages ListParts`)

// retentionAnnouncements are those of what is deleted because of its age. Of the
// archive nobody is told.
var retentionAnnouncements = map[string]func(*listener){
	"SetRetention": func(l *listener) {
		r := tideline.Retention{Messages: 30, Files: 30}
		l.announces("a setting", func() { l.must(l.store.SetRetention(l.ctx(), l.ws.ID, r, l.now)) }, l.settingsChange())
		l.announces("the same", func() { l.must(l.store.SetRetention(l.ctx(), l.ws.ID, r, l.now)) })
	},
	"DropMessages": func(l *listener) {
		chat := l.freshChat()
		drop := func() {
			_, err := l.store.DropMessages(l.ctx(), l.ws.ID, l.acc.ID, []int64{chat.MessageID}, l.now)
			l.must(err)
		}
		l.announces("a message", drop, l.chatChange(chat.ChatID))
		l.announces("again", drop)
	},
	"DropFiles": func(l *listener) {
		l.oldFile()
		l.announces("a file", func() { l.dropFiles(l.now.Add(-1000 * time.Hour)) })
	},
	"PlanPart": func(l *listener) {
		l.announces("a part", func() { _, err := l.store.PlanPart(l.ctx(), l.ws.ID, "2026-11", []int64{1}); l.must(err) })
	},
	"PartWritten": func(l *listener) {
		p, err := l.store.PlanPart(l.ctx(), l.ws.ID, "2026-11", []int64{1})
		l.must(err)
		p.WrittenAt = l.now
		l.announces("a part", func() { l.must(l.store.PartWritten(l.ctx(), p)) })
	},
	"ClosePart": func(l *listener) {
		p, err := l.store.PlanPart(l.ctx(), l.ws.ID, "2026-11", []int64{1})
		l.must(err)
		l.announces("a part", func() { l.must(l.store.ClosePart(l.ctx(), l.ws.ID, p.ID)) })
	},
}
