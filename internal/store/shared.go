package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// SharedQueue is what a server reads of the queue that holds some of the accounts
// only, and not always the same ones. Messages may be accepted by any server; the
// one that holds their account finds them here. It serves the server itself and
// spans workspaces.
type SharedQueue interface {
	// LaneStart reads the lane of an account that the caller holds: all that it needs
	// to go on where another one stopped. The lane of an account that is not there,
	// or was removed, is empty.
	LaneStart(ctx context.Context, accountID int64) (LaneStart, error)
	// QueuedAfter gives the queued messages of each lane above its mark, those of one
	// lane in acceptance order. Because the ids of a workspace's messages grow in the
	// order of their commits (see Acceptor), none below what it gave can follow.
	QueuedAfter(ctx context.Context, marks []LaneMark) ([]Queued, error)
	// NewestQueued gives the latest queued message of each lane that has one with an
	// id above after. A lane with the mark that is known has nothing new.
	NewestQueued(ctx context.Context, after int64) ([]LaneMark, error)
}

// LaneMark is a place in a lane: an account and the id of one of its messages.
type LaneMark struct {
	AccountID int64
	MessageID int64
}

// LaneStart is a lane as it is stored.
type LaneStart struct {
	At     time.Time // see Lane
	Paused bool
	Queued []Queued // in acceptance order
	First  []int64  // what was put first, in the order in which it goes; also in Queued
}

// SharedAccounts is what a server reads of the accounts that it holds. It serves the
// server itself and spans workspaces.
type SharedAccounts interface {
	// AccountsByID gives the present accounts among ids, by id.
	AccountsByID(ctx context.Context, ids []int64) ([]tideline.Account, error)
}

// SharedWork is what a server reads of the work that waits when some of it is others':
// lists that go on, so that theirs doesn't hide its own, and times of what is not due
// yet. It serves the server itself and spans workspaces.
type SharedWork interface {
	// DueDownloadsFrom is Downloads.DueDownloads without the first offset of them.
	DueDownloadsFrom(ctx context.Context, now time.Time, offset, limit int) ([]Download, error)
	// NextDownloadAfter is when the first download is due after now; zero when none is.
	NextDownloadAfter(ctx context.Context, now time.Time) (time.Time, error)
	// DueHistoryChunkFrom is Histories.DueHistoryChunk without the first offset chunks.
	DueHistoryChunkFrom(ctx context.Context, now time.Time, offset int) (c HistoryChunk, found bool, err error)
	// NextHistoryChunkAfter is when the first chunk is due after now; zero when none is.
	NextHistoryChunkAfter(ctx context.Context, now time.Time) (time.Time, error)
	// DueProfilesFrom is Profiles.DueProfiles without the first offset of them.
	DueProfilesFrom(ctx context.Context, now time.Time, resting []int64, offset, limit int) ([]Profile, error)
}
