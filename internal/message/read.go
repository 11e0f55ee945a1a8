package message

import (
	"context"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Get reads a message of p's workspace with its history. not_found.
func (s *Service) Get(ctx context.Context, p *tideline.Principal, uid string) (store.MessageView, error) {
	v, err := s.store.MessageByUID(ctx, p.Workspace.ID, uid)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return v, tideline.Errorf(tideline.CodeNotFound, "Message uid %s not found", uid)
	}
	return v, err
}
