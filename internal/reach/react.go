package reach

import (
	"context"
	"errors"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Connector gives reactions: the React of whatsapp.Connector.
type Connector interface {
	React(ctx context.Context, r whatsapp.Reaction) error
}

// refusal is a whatsapp.SendError on its way between nodes.
type refusal struct {
	Refused bool
	Reason  tideline.Reason
	Offline bool
	Unknown bool
	Text    string
}

// Reactor gives reactions by the node that is connected as the account.
type Reactor struct {
	react *route[whatsapp.Reaction, refusal]
}

// NewReactor makes a Reactor and lets other nodes ask this one.
func NewReactor(nodes Nodes, c Connector) *Reactor {
	return &Reactor{newRoute(nodes, "message.react", func(ctx context.Context, _ int64, r whatsapp.Reaction) (refusal, error) {
		err := c.React(ctx, r)
		if e, ok := errors.AsType[*whatsapp.SendError](err); ok {
			return refusal{Refused: true, Reason: e.Reason, Offline: e.Offline, Unknown: e.Unknown, Text: e.Error()}, nil
		}
		return refusal{}, err
	})}
}

// React gives a message a reaction of an account. Its errors are those of the
// connector, and tideline.ErrElsewhere.
func (r *Reactor) React(ctx context.Context, accountID int64, reaction whatsapp.Reaction) error {
	no, err := r.react.do(ctx, accountID, reaction)
	if err != nil {
		return err
	}
	if no.Refused {
		return &whatsapp.SendError{Reason: no.Reason, Offline: no.Offline, Unknown: no.Unknown, Err: errors.New(no.Text)}
	}
	return nil
}
