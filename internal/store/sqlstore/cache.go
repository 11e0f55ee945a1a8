package sqlstore

import (
	"context"
	"database/sql"
	"sync"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// chatCacheSize is how many chats each of the cache's two generations holds,
// about 8 MB.
const chatCacheSize = 1 << 16

// chatKey is what identifies a chat to those who send to it.
type chatKey struct {
	accountID int64
	jid       tideline.JID
}

// chatCache remembers the ids of chats that are committed, except those that are
// known by a hidden id only. Such a chat may be taken over by another one; the
// others are never deleted, by any process, so an entry stays right for ever. When the young
// generation is full it becomes the old one, and the old one is dropped.
type chatCache struct {
	mu         sync.Mutex
	size       int
	young, old map[chatKey]int64
}

func newChatCache(size int) *chatCache {
	return &chatCache{size: size, young: make(map[chatKey]int64)}
}

func (c *chatCache) get(k chatKey) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.young[k]
	if !ok {
		if id, ok = c.old[k]; ok {
			c.put(k, id)
		}
	}
	return id, ok
}

func (c *chatCache) add(k chatKey, id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(k, id)
}

func (c *chatCache) put(k chatKey, id int64) {
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[chatKey]int64, c.size)
	}
	c.young[k] = id
}

// accountCache remembers which workspace each present account belongs to, for
// as long as the configuration version stays the same: every change to
// accounts changes it.
type accountCache struct {
	mu        sync.Mutex
	version   int64
	workspace map[int64]int64
}

var selectAccountWorkspaces = newMulti(`SELECT a.id, a.workspace_id FROM (VALUES `,
	`) AS v CROSS JOIN accounts a WHERE a.id = v.column1 AND a.removed_at IS NULL`, "BIGINT")

// lookUp gives the workspaces of the present accounts among ids. version was
// read in t's transaction.
func (c *accountCache) lookUp(ctx context.Context, t *tx, version int64, ids []int64) (map[int64]int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.workspace == nil || c.version != version {
		c.version, c.workspace = version, make(map[int64]int64)
	}
	found := make(map[int64]int64, len(ids))
	var unknown []any
	for _, id := range ids {
		if ws, ok := c.workspace[id]; ok {
			found[id] = ws
		} else if _, asked := found[id]; !asked {
			found[id] = 0
			unknown = append(unknown, id)
		}
	}
	err := t.eachAll(ctx, selectAccountWorkspaces, unknown, func(r *sql.Rows) error {
		var id, ws int64
		if err := r.Scan(&id, &ws); err != nil {
			return err
		}
		c.workspace[id], found[id] = ws, ws
		return nil
	})
	return found, err
}
