package meow

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// GroupName implements whatsapp.Connector.
func (c *Connector) GroupName(ctx context.Context, device string, group tideline.JID) (string, error) {
	s := c.lookup(device)
	if s == nil || !s.active() {
		return "", whatsapp.ErrOffline
	}
	jid, err := types.ParseJID(string(group))
	if err != nil || jid.Server != types.GroupServer {
		return "", fmt.Errorf("%q is not the JID of a group", group.Server())
	}
	info, err := s.cli.GetGroupInfo(ctx, jid)
	if err != nil {
		return "", fmt.Errorf("ask for a group: %w", err)
	}
	return info.Name, nil
}
