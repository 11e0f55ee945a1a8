package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/workspace"
)

type queueCmd struct{}

// Help implements kong.HelpProvider.
func (queueCmd) Help() string {
	return `Shows how many accepted messages wait in each workspace's outbox. tideline message show tells the place of a single one.

    tideline queue
    tideline queue --workspace shop`
}

// Run shows the queues.
func (queueCmd) Run(ctx context.Context, a *app) (err error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, err := s.ListWorkspaces(ctx)
	if err != nil {
		return err
	}
	if a.config.Workspace != "" {
		w, err := workspace.New(s, nil).Pick(ctx, a.config.Workspace)
		if err != nil {
			return err
		}
		all = []tideline.Workspace{w}
	}
	views := make([]queueJSON, 0, len(all))
	var rows [][]string
	for _, w := range all {
		n, err := s.QueueLength(ctx, w.ID)
		if err != nil {
			return err
		}
		views = append(views, queueJSON{w.Slug, n})
		rows = append(rows, []string{w.Slug, fmt.Sprint(n)})
	}
	return a.show(views, func(w io.Writer) { table(w, []string{"WORKSPACE", "QUEUED"}, rows) })
}

type queueJSON struct {
	Workspace string `json:"workspace"`
	Queued    int64  `json:"queued"`
}
