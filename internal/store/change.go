package store

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Changes tells what is written, so that pages can follow. Each write that changes
// something that a person can see announces it; what is for the server alone, such
// as when a download is tried next, announces nothing, and neither does a write
// that failed.
type Changes interface {
	// OnChanges names the one who is told what this process changed: after each
	// commit, before the call that wrote returns, so that whoever reads then finds the
	// change. Changes of one transaction come together; transactions that depend on
	// each other come in the order of their commits, and of others at the same time
	// fn may be called from several goroutines. When the database went away during a
	// commit, its changes are announced although they may not be there.
	//
	// fn must not block and must not keep the slice. Call OnChanges once, before
	// anything is written. Other processes write too (the command line) and are not
	// heard here; see OtherChanges.
	OnChanges(fn func([]tideline.Change))
	// OtherChanges counts the changes of the configuration (see Directory.Version)
	// that others than this process made. More than the last time means that there
	// were some; it may be one too many for a moment, while this process writes.
	OtherChanges(ctx context.Context) (int64, error)
}
