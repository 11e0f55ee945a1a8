package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

type nodeCmd struct {
	List nodeListCmd `cmd:"" help:"List the servers that share the database."`
}

type nodeListCmd struct{}

// Help implements kong.HelpProvider.
func (nodeListCmd) Help() string {
	return `Lists the servers that work with a PostgreSQL database: how many WhatsApp accounts each acts for, and how long it may go on without hearing from the database. A server whose lease is over is found by the others within a second, and its accounts are taken. With SQLite there is one server, and nothing to list.

    tideline node list --database postgres://localhost/tideline
    tideline node list --json | jq '.[] | select(.state != "alive")'`
}

// Run lists the nodes.
func (nodeListCmd) Run(ctx context.Context, a *app) (err error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	nodes, err := s.ListNodes(ctx)
	if err != nil {
		return err
	}
	views := make([]nodeJSON, len(nodes))
	var rows [][]string
	for i, n := range nodes {
		views[i] = nodeJSON{n.ID, n.Name, n.Version, n.URL, jsonTime{n.Started}, n.Left.Seconds(), nodeState(n), n.Accounts}
		rows = append(rows, []string{fmt.Sprint(n.ID), n.Name, n.Version, n.URL, nodeState(n),
			fmt.Sprint(n.Accounts), n.Left.Round(100 * time.Millisecond).String(), stamp(n.Started, time.Local)})
	}
	return a.show(views, func(w io.Writer) {
		table(w, []string{"ID", "NAME", "VERSION", "URL", "STATE", "ACCOUNTS", "LEASE", "STARTED"}, rows)
	})
}

type nodeJSON struct {
	ID        int64    `json:"id"`
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	URL       string   `json:"url"`
	Started   jsonTime `json:"started"`
	LeaseLeft float64  `json:"lease_left_seconds"`
	State     string   `json:"state"`
	Accounts  int      `json:"accounts"`
}

// nodeState is a node's state in one word.
func nodeState(n store.Node) string {
	switch {
	case n.Left < 0:
		return "dead"
	case n.Leaving:
		return "leaving"
	}
	return "alive"
}

// nodes tells whether the servers that share the database are well, and run the same
// program. It says nothing of SQLite, where there are none.
func (e *examination) nodes(ctx context.Context, a *app, s *sqlstore.Store) {
	if !a.config.OnPostgres() {
		return
	}
	nodes, err := s.ListNodes(ctx)
	if err != nil {
		e.ill("nodes", "Look at the database.", "they can't be read: %v", err)
		return
	}
	if len(nodes) == 0 {
		return
	}
	accounts, well := 0, true
	for _, n := range nodes {
		accounts += n.Accounts
		name := fmt.Sprintf("node %d", n.ID)
		switch {
		case n.Left < 0:
			well = false
			e.ill(name, "Another server takes its accounts within seconds. If this stays, none runs: start one. Then look why this one stopped.",
				"%s: its lease is over since %s, and it holds %d accounts", n.Name, (-n.Left).Round(time.Second), n.Accounts)
		case n.Version != nodes[0].Version:
			well = false
			e.ill(name, "Finish the update: run the same version on all servers.", "%s runs version %s, and node %d version %s", n.Name, n.Version, nodes[0].ID, nodes[0].Version)
		}
	}
	if well {
		e.well("nodes", "%d servers share the database, and act for %d accounts", len(nodes), accounts)
	}
}
