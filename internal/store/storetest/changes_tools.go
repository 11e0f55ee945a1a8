package storetest

import (
	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// newLabel makes a label.
func (l *listener) newLabel(name string) tideline.Label {
	l.t.Helper()
	made, err := l.store.CreateLabel(l.ctx(), tideline.Label{WorkspaceID: l.ws.ID, Name: name})
	l.must(err)
	return made
}

// fileTemplate makes an attachment template.
func (l *listener) fileTemplate() tideline.AttachmentTemplate {
	l.t.Helper()
	made, err := l.store.CreateTemplate(l.ctx(), tideline.AttachmentTemplate{WorkspaceID: l.ws.ID, Name: uuid.NewString(), FileID: l.file("t.pdf").ID, CreatedAt: l.now})
	l.must(err)
	return made
}

// toolAnnouncements are those of what a team works with besides chats. A label
// that changes is a change of the settings, on however many chats it is.
var toolAnnouncements = map[string]func(*listener){
	"CreateLabel": func(l *listener) {
		l.announces("a label", func() { l.newLabel("made") }, l.settingsChange())
		l.announces("nothing", func() {
			_, err := l.store.CreateLabel(l.ctx(), tideline.Label{WorkspaceID: l.ws.ID, Name: "made"})
			l.wantCode(err, tideline.CodeConflict)
		})
	},
	"UpdateLabel": func(l *listener) {
		one, other := l.newLabel("one"), l.newLabel("other")
		for what, u := range map[string]store.LabelUpdate{
			"a colour": {Colour: ptr(tideline.ColourRed)}, "a name": {Name: ptr("uno")},
		} {
			l.announces(what, func() { _, err := l.store.UpdateLabel(l.ctx(), l.ws.ID, one.ID, u); l.must(err) }, l.settingsChange())
		}
		l.announces("a merged label", func() {
			_, err := l.store.UpdateLabel(l.ctx(), l.ws.ID, one.ID, store.LabelUpdate{Name: &other.Name, Merge: true})
			l.must(err)
		}, l.settingsChange())
	},
	"DeleteLabel": func(l *listener) {
		made := l.newLabel("gone")
		l.announces("a label", func() { l.must(l.store.DeleteLabel(l.ctx(), l.ws.ID, made.ID)) }, l.settingsChange())
	},
	"UpdateTemplate": func(l *listener) {
		made := l.fileTemplate()
		l.announces("a template", func() {
			l.must(l.store.UpdateTemplate(l.ctx(), l.ws.ID, made.ID, store.TemplateUpdate{Name: ptr("new")}))
		}, l.settingsChange())
	},
	"DeleteTemplate": func(l *listener) {
		made := l.fileTemplate()
		l.announces("a template", func() { l.must(l.store.DeleteTemplate(l.ctx(), l.ws.ID, made.ID)) }, l.settingsChange())
	},
}
