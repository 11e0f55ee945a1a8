package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Histories takes in what phones remember from before they were paired.
type Histories interface {
	// PutHistoryChunk keeps an announced chunk until it is finished. One that the
	// account has already, also a finished one, stays as it is. not_found (the account
	// is not in the workspace any more).
	PutHistoryChunk(ctx context.Context, c HistoryChunk) error
	// DueHistoryChunk gives the unfinished chunk whose time has come first; found is
	// false when there is none. It serves the server itself and spans workspaces.
	DueHistoryChunk(ctx context.Context, now time.Time) (c HistoryChunk, found bool, err error)
	// NextHistoryChunk is when the first of all unfinished chunks is due; zero when
	// there is none. It serves the server itself and spans workspaces.
	NextHistoryChunk(ctx context.Context) (time.Time, error)
	// PostponeHistoryChunk counts an attempt and sets the time of the next. not_found
	// when the chunk is finished.
	PostponeHistoryChunk(ctx context.Context, workspaceID, id int64, due time.Time, note string) error
	// FinishHistoryChunk ends a chunk, for better or, as note says, for worse. What it
	// held is forgotten, and that it was there is remembered for HistoryWindow.
	// not_found when it is finished already.
	FinishHistoryChunk(ctx context.Context, workspaceID, id int64, at time.Time, note string) error

	// ReceiveHistory stores a part of a history, all of it or none, and returns after
	// the commit. It finds or makes chats and recognises messages as Receive does, so
	// whatever came before, live or as history, is there once, in any order; but it
	// is not news:
	//
	//   - Messages are marked (tideline.DataHistory). A message that comes live later
	//     loses the mark and counts as received then.
	//   - A chat that is made has the count of unread messages that the phone says; one
	//     that is there keeps its count. Whether it is closed doesn't change either.
	//   - A chat is as old as the oldest message of it that came in this way.
	//   - A message of the account's own moves forward to what the phone says about it.
	//     When that happened is not known; its status history has the time at which
	//     it was learned.
	//
	// Contacts make no chats: they give chats that are there, or that two addresses
	// show to be one, their addresses and names.
	//
	// Errors: not_found (the account is not in the workspace any more).
	ReceiveHistory(ctx context.Context, h History) (HistoryReceived, error)
}

// HistoryWindow is how long a finished chunk is recognised when it is announced
// again. WhatsApp repeats what was not acknowledged for some days.
const HistoryWindow = 30 * 24 * time.Hour

// HistoryChunk is a chunk of a phone's history that waits to be read.
type HistoryChunk struct {
	ID          int64 // set by storage
	WorkspaceID int64
	AccountID   int64
	DeviceJID   string // of the account, set by storage; "" when it is logged out
	Removed     bool   // the account was removed; set by storage
	Chunk       string // its name; unique in the account
	Ref         []byte // what the connector needs to read it
	Attempts    int
	AnnouncedAt time.Time
}

// History is a part of a phone's history.
type History struct {
	WorkspaceID int64
	AccountID   int64
	Contacts    []tideline.Peer
	Chats       []HistoryChat
}

// HistoryChat is what a part of a history says about one chat.
type HistoryChat struct {
	Unread int // counts only when the chat is made
	// Receptions are of one chat, the oldest first. History is set and the ids of
	// workspace and account are filled in by ReceiveHistory.
	Receptions []Reception
}

// HistoryReceived is the outcome of ReceiveHistory.
type HistoryReceived struct {
	Messages int // that were not there before
	NewChats int
}
