package outbox

import "time"

// The Pacer's memory: flat arrays without pointers per lane, so that 100,000
// lanes cost a few megabytes and the garbage collector has nothing to follow.

// entry is one queued message. 16 bytes.
type entry struct {
	message int64
	gapMS   uint32
	next    uint32 // the entry after it in its lane, or in the free list; 0 = none
}

func (e *entry) gap() time.Duration { return time.Duration(e.gapMS) * time.Millisecond }

func (e *entry) setGap(gap time.Duration) { e.gapMS = uint32(gap.Milliseconds()) }

// entries is the arena of all lanes' entries. Index 0 is never used.
type entries struct {
	all  []entry
	free uint32
}

func (q *entries) at(i uint32) *entry { return &q.all[i] }

// push appends a message to l.
func (q *entries) push(l *lane, message int64, gap time.Duration) {
	i := q.take(entry{message: message, gapMS: uint32(gap.Milliseconds())})
	if l.head == 0 {
		l.head = i
	} else {
		q.all[l.tail].next = i
	}
	l.tail = i
}

// take gives a place in the arena to an entry that is in no list.
func (q *entries) take(e entry) uint32 {
	e.next = 0
	i := q.free
	if i != 0 {
		q.free = q.all[i].next
		q.all[i] = e
		return i
	}
	if len(q.all) == 0 {
		q.all = append(q.all, entry{})
	}
	q.all = append(q.all, e)
	return uint32(len(q.all) - 1)
}

// insert puts a message behind the entry prev of l, 0 = before all, and gives its
// place.
func (q *entries) insert(l *lane, prev uint32, e entry) uint32 {
	i := q.take(e)
	next := &l.head
	if prev != 0 {
		next = &q.all[prev].next
	}
	q.all[i].next = *next
	*next = i
	if l.tail == prev {
		l.tail = i
	}
	return i
}

// remove takes messages out of l, behind the entry from, 0 = all of it, and gives
// what was there. It is one walk along the lane.
func (q *entries) remove(l *lane, from uint32, messages map[int64]struct{}) []entry {
	var out []entry
	prev, i := from, l.head
	if from != 0 {
		i = q.all[from].next
	}
	for i != 0 && len(out) < len(messages) {
		next := q.all[i].next
		if _, ok := messages[q.all[i].message]; !ok {
			prev, i = i, next
			continue
		}
		out = append(out, q.all[i])
		if prev == 0 {
			l.head = next
		} else {
			q.all[prev].next = next
		}
		if l.tail == i {
			l.tail = prev
		}
		q.all[i] = entry{next: q.free}
		q.free = i
		i = next
	}
	return out
}

// pop removes the head of l.
func (q *entries) pop(l *lane) {
	i := l.head
	l.head = q.all[i].next
	if l.head == 0 {
		l.tail = 0
	}
	q.all[i] = entry{next: q.free}
	q.free = i
}

// pages finds a lane by its account's id. Ids are small and dense (databases
// number accounts from 1), so a page table costs 4 bytes per account where a
// map would cost 30.
type pages struct {
	pages map[int64]*[pageSize]uint32
}

const pageSize = 512

func (t *pages) slot(id int64) *uint32 {
	if t.pages == nil {
		t.pages = make(map[int64]*[pageSize]uint32)
	}
	page := t.pages[id/pageSize]
	if page == nil {
		page = new([pageSize]uint32)
		t.pages[id/pageSize] = page
	}
	return &page[id%pageSize]
}

// laneHeap orders waiting lanes by due time: a 4-ary heap of lane indexes. Four
// children to a node halve the depth of a binary heap; a level's children share
// a cache line.
type laneHeap []uint32

func (h *laneHeap) push(lanes []lane, i uint32) {
	*h = append(*h, i)
	lanes[i].pos = int32(len(*h) - 1)
	h.up(lanes, len(*h)-1)
}

func (h *laneHeap) remove(lanes []lane, pos int) {
	old := *h
	n := len(old) - 1
	lanes[old[pos]].pos = -1
	if pos != n {
		old[pos] = old[n]
		lanes[old[pos]].pos = int32(pos)
	}
	*h = old[:n]
	if pos != n {
		h.fix(lanes, pos)
	}
}

// fix restores the order after the due time of the lane at pos changed.
func (h *laneHeap) fix(lanes []lane, pos int) {
	h.up(lanes, pos)
	h.down(lanes, pos)
}

func (h laneHeap) up(lanes []lane, i int) {
	for i > 0 {
		parent := (i - 1) / 4
		if lanes[h[parent]].due <= lanes[h[i]].due {
			return
		}
		h.swap(lanes, parent, i)
		i = parent
	}
}

func (h laneHeap) down(lanes []lane, i int) {
	for {
		first := 4*i + 1
		if first >= len(h) {
			return
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if lanes[h[c]].due < lanes[h[least]].due {
				least = c
			}
		}
		if lanes[h[i]].due <= lanes[h[least]].due {
			return
		}
		h.swap(lanes, i, least)
		i = least
	}
}

func (h laneHeap) swap(lanes []lane, i, j int) {
	h[i], h[j] = h[j], h[i]
	lanes[h[i]].pos, lanes[h[j]].pos = int32(i), int32(j)
}
