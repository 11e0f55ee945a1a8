package main

import (
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/web/numbers"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// numberPages are those of WhatsApp numbers.
func (s *server) numberPages(members *team.Service) ui.Section {
	return numbers.New(numbers.Deps{
		Desk: account.NewDesk(s.accounts, nil), Queue: outbox.NewDesk(s.outbox, s.store, members), Accounts: s.store, Sandbox: s.world != nil,
	})
}
