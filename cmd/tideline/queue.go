package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/workspace"
)

type queueCmd struct {
	Count  queueCountCmd  `cmd:"" default:"1" help:"Show how many messages wait, by workspace. This is what tideline queue does."`
	List   queueListCmd   `cmd:"" help:"List what waits, in the order in which it will be sent, and why it waits."`
	Pause  queuePauseCmd  `cmd:"" help:"Stop the sending of a number until it is resumed."`
	Resume queueResumeCmd `cmd:"" help:"Let a paused number send again."`
	Cancel queueCancelCmd `cmd:"" help:"Take a message, or all of a number, out of the queue and give the credits back."`
	First  queueFirstCmd  `cmd:"" help:"Send a message before the others of its number."`
}

type queueCountCmd struct{}

// Help implements kong.HelpProvider.
func (queueCountCmd) Help() string {
	return `Shows how many accepted messages wait in each workspace's outbox. tideline message show tells the place of a single one.

    tideline queue
    tideline queue --workspace shop`
}

// Run shows the queues.
func (queueCountCmd) Run(ctx context.Context, a *app) (err error) {
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
