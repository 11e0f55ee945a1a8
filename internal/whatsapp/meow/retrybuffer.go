package meow

import (
	"context"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// pruneEvery is how often an account's old sent messages are deleted.
const pruneEvery = 12 * time.Hour

// prunedBuffer is an account's buffer of sent messages, from which a phone that
// could not decrypt one gets it again, also after a restart. The library keeps
// messages for seven days and means to delete older ones twice a day, but never
// notes that it did (retry.go, lastRetryStoreClear), so without this each send
// would come with a delete.
type prunedBuffer struct {
	store.EventBuffer
	next atomic.Int64 // Unix nanoseconds
}

// DeleteOldOutgoingEvents deletes when pruneEvery has passed since the last time.
func (b *prunedBuffer) DeleteOldOutgoingEvents(ctx context.Context) error {
	now := time.Now()
	due := b.next.Load()
	if now.UnixNano() < due || !b.next.CompareAndSwap(due, now.Add(pruneEvery).UnixNano()) {
		return nil
	}
	return b.EventBuffer.DeleteOldOutgoingEvents(ctx)
}
