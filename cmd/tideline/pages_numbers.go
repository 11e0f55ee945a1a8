package main

import (
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/reach"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/web/numbers"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// numberPages are those of WhatsApp numbers.
func (s *server) numberPages(members *team.Service) ui.Section {
	desk := account.NewDesk(s.numbers, nil)
	reach.SharePairings(s.peers, desk, s.log)
	return numbers.New(numbers.Deps{
		Desk: desk, Queue: outbox.NewDesk(s.queue, s.store, members), Accounts: s.store, Sandbox: s.world != nil,
	})
}
