package wasim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types"
)

// Label is a label of WhatsApp Business: a name and a colour, and the chats that it is on.
type Label struct {
	ID    string `json:"id"` // a number, chosen by the device that made the label
	Name  string `json:"name"`
	Color int32  `json:"color"` // index into the app's palette
	// Chats are the JIDs of the chats that have the label, ordered. SaveLabel ignores them.
	Chats []string `json:"chats"`
}

// SaveLabel makes a label, or changes the name and colour of the one with its ID, as on the phone. Its
// companions learn of it.
func (p *Phone) SaveLabel(ctx context.Context, l Label) error {
	if l.ID == "" || l.Name == "" || len(l.ID) > maxName || len(l.Name) > maxName {
		return fmt.Errorf("wasim: a label has an id and a name of at most %d bytes", maxName)
	}
	return p.Sync(ctx, appstate.BuildLabelEdit(l.ID, l.Name, l.Color, false))
}

// LabelChat puts a label on the chat with a number or, by its JID, a group, or takes it off.
func (p *Phone) LabelChat(ctx context.Context, chat, label string, on bool) error {
	if label == "" {
		return errors.New("wasim: say which label by its id")
	}
	jid, ok := parseGroup(chat)
	if !ok {
		digits, err := parseNumber(chat)
		if err != nil {
			return fmt.Errorf("wasim: %w", err)
		}
		other := p.srv.user(types.NewJID(digits, types.DefaultUserServer))
		if other == nil {
			return ErrNotRegistered
		}
		jid = other.LID()
	}
	return p.Sync(ctx, appstate.BuildLabelChat(jid, label, on))
}

// Labels lists the account's labels, whichever device set them, ordered by ID.
func (p *Phone) Labels() ([]Label, error) {
	settings, err := p.Settings()
	if err != nil {
		return nil, err
	}
	labels := map[string]*Label{}
	of := func(id string) *Label {
		if labels[id] == nil {
			labels[id] = &Label{ID: id, Chats: []string{}}
		}
		return labels[id]
	}
	for _, s := range settings {
		switch {
		case len(s.Index) == 2 && s.Index[0] == appstate.IndexLabelEdit && !s.Value.GetLabelEditAction().GetDeleted():
			l := of(s.Index[1])
			l.Name, l.Color = s.Value.GetLabelEditAction().GetName(), s.Value.GetLabelEditAction().GetColor()
		case len(s.Index) == 3 && s.Index[0] == appstate.IndexLabelAssociationChat && s.Value.GetLabelAssociationAction().GetLabeled():
			l := of(s.Index[1])
			l.Chats = append(l.Chats, s.Index[2])
		}
	}
	var out []Label
	for _, l := range labels {
		if l.Name == "" {
			continue // deleted, with chats that it was on
		}
		slices.Sort(l.Chats)
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Label) int {
		if n := len(a.ID) - len(b.ID); n != 0 {
			return n // they are numbers
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out, nil
}
