package auth

// generations is a map of bounded size that forgets what was not used for a
// while. It holds two halves: what is used moves into the young one, and when
// that is full the old one is dropped and the young one takes its place. So an
// entry in steady use stays, at the cost of one map lookup, without the linked
// list and the writes on every read that an exact LRU needs.
//
// It is not safe for concurrent use.
type generations[K comparable, V any] struct {
	half       int
	young, old map[K]V
}

// newGenerations makes a map of at most size entries; size is at least 2.
func newGenerations[K comparable, V any](size int) generations[K, V] {
	return generations[K, V]{half: max(1, size/2), young: map[K]V{}}
}

// peek finds an entry without moving it. aging reports that it is in the old
// half, so that the caller, who may hold only a read lock, can put it back.
func (g *generations[K, V]) peek(k K) (v V, ok, aging bool) {
	if v, ok = g.young[k]; ok {
		return v, true, false
	}
	v, ok = g.old[k]
	return v, ok, ok
}

// put adds or refreshes an entry.
func (g *generations[K, V]) put(k K, v V) {
	if _, ok := g.young[k]; !ok && len(g.young) >= g.half {
		g.old, g.young = g.young, make(map[K]V, g.half/4)
	}
	g.young[k] = v
	delete(g.old, k)
}

// remove forgets an entry.
func (g *generations[K, V]) remove(k K) {
	delete(g.young, k)
	delete(g.old, k)
}

// len counts the entries.
func (g *generations[K, V]) len() int { return len(g.young) + len(g.old) }
