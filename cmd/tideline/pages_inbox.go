package main

import (
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/web/inbox"
	"github.com/tidelinehq/tideline/internal/web/live"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// inboxPages are the chats and what tells open pages of changes.
func (s *server) inboxPages(messages *message.Service) []ui.Section {
	members := team.New(s.store, nil)
	return []ui.Section{
		live.New(live.Deps{Hub: s.live, Team: members, Chats: s.store, Log: s.log}),
		inbox.New(inbox.Deps{Storage: s.store, Messages: messages, Files: s.files.Service, Team: members, Log: s.log}),
	}
}
