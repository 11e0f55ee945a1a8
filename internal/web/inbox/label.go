package inbox

import (
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// label is a label as it is shown on a chat.
type label struct {
	Name   string
	Colour tideline.Colour
}

// coloured gives a function that shows labels by their names in the colours of the
// workspace. When none of the chats has one, nothing is read.
func (s *section) coloured(q *ui.Request, chats ...store.ChatView) (func(names []string) []label, error) {
	var colours map[string]tideline.Colour
	if slices.ContainsFunc(chats, func(v store.ChatView) bool { return len(v.Labels) > 0 }) {
		var err error
		if colours, err = s.Team.LabelColours(q.Context(), q.Principal); err != nil {
			return nil, err
		}
	}
	return func(names []string) []label {
		shown := make([]label, len(names))
		for i, name := range names {
			colour := colours[name]
			if colour == "" { // made since they were read
				colour = tideline.ColourOf(name)
			}
			shown[i] = label{name, colour}
		}
		return shown
	}, nil
}
