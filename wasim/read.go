package wasim

import (
	"context"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/types"
)

// ErrNoMessage is returned when a phone's log has no such message.
var ErrNoMessage = errors.New("wasim: the phone has no such message")

// Read has the phone's owner read a message that came from somebody else, which its sender is told: that it was
// delivered, unless the phone has said so already, and that it was read. It is for phones that don't do this by
// themselves, see [PhoneOptions], and makes receipts come as late as one likes.
func (p *Phone) Read(ctx context.Context, messageID string) error {
	log, err := p.Messages()
	if err != nil {
		return err
	}
	for _, m := range log {
		if m.ID != messageID || m.FromMe {
			continue
		}
		from, ok := p.srv.Phone(m.From)
		if !ok {
			return ErrNoMessage
		}
		group := types.EmptyJID
		if m.Group != "" {
			group, _ = parseGroup(m.Group)
		}
		var e effects
		in := incoming{from: from, group: group, addr: p.LID(), id: m.ID}
		if p.Options().NoDeliver {
			p.tellSender(in, "", 0, &e)
		}
		p.tellSender(in, "read", 0, &e)
		if err := p.srv.commit(ctx, &e); err != nil {
			return fmt.Errorf("wasim: read: %w", err)
		}
		return nil
	}
	return ErrNoMessage
}
