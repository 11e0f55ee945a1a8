package inbox

import (
	"context"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	maxUnnamed = 256              // groups that wait to be asked for their names
	askTimeout = 15 * time.Second // for one answer
	askAgain   = time.Minute      // after which a group that did not answer may be asked again
)

// group is a chat that has no name yet.
type group struct {
	workspaceID, accountID, chatID int64
	jid                            tideline.JID
}

// ask has Run ask for the name of a group. When too many wait, the next message
// of the group asks again.
func (s *Service) ask(g group) {
	select {
	case s.unnamed <- g:
	default:
	}
}

// nameGroups gives groups their names until ctx ends.
func (s *Service) nameGroups(ctx context.Context) {
	asked := make(map[int64]time.Time) // by chat
	for {
		select {
		case <-ctx.Done():
			return
		case g := <-s.unnamed:
			now := time.Now()
			if now.Sub(asked[g.chatID]) < askAgain {
				continue
			}
			if len(asked) >= 16*maxUnnamed {
				clear(asked)
			}
			asked[g.chatID] = now
			if err := s.name(ctx, g); err != nil && ctx.Err() == nil {
				s.log.InfoContext(ctx, "group has no name yet", "chat", g.chatID, "err", err)
			}
		}
	}
}

// name asks for the name of a group and gives it to the chat.
func (s *Service) name(ctx context.Context, g group) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a, err := s.deps.Store.Account(ctx, g.workspaceID, g.accountID)
	if err != nil {
		return err
	}
	name, err := s.deps.Connector.GroupName(ctx, a.DeviceJID, g.jid)
	if err != nil {
		return err
	}
	if name = shorten(strings.TrimSpace(clean(name)), maxName); name == "" {
		return nil
	}
	return s.deps.Store.RenameChat(ctx, g.workspaceID, g.chatID, name)
}
