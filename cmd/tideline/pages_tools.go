package main

import (
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/web/tools"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// toolPages are those of templates, labels and webhooks.
func (s *server) toolPages(members *team.Service) ui.Section {
	return tools.New(tools.Deps{Team: members, Files: s.files.Service, Webhooks: s.webhooks, Accounts: s.store})
}
