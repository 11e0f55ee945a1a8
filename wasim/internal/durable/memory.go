package durable

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
)

// NewMemory returns a store that lasts as long as the process. It drops key-value state, which its
// owner has in memory anyway and could only want back after a restart. Each phone's log keeps the newest
// messages, as many as given; 0 keeps all.
func NewMemory(messages int) Store {
	done := make(chan struct{})
	close(done)
	return &memory{done: done, most: messages, logs: map[string]*log{}, queues: map[string][]Entry{}}
}

type memory struct {
	done chan struct{} // always closed: every ticket is durable at once
	most int           // messages of a log, 0 without limit

	mu     sync.RWMutex
	closed bool
	seq    int64
	logs   map[string]*log
	queues map[string][]Entry
}

type log struct {
	rows  []Message
	gone  int               // how many were before rows
	index map[[2]string]int // chat and id → position in rows, plus gone
}

func (m *memory) Submit(b *Batch) *Ticket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return &Ticket{Last: m.seq, done: m.done, err: ErrClosed}
	}
	for _, o := range b.ops {
		m.apply(o)
	}
	return &Ticket{Last: m.seq, done: m.done}
}

func (m *memory) apply(o op) {
	switch o.kind {
	case opAppend:
		m.seq++
		o.message.Seq = m.seq
		l := m.logs[o.a]
		if l == nil {
			l = &log{index: map[[2]string]int{}}
			m.logs[o.a] = l
		}
		if m.most > 0 && len(l.rows) == m.most {
			delete(l.index, [2]string{l.rows[0].Chat, l.rows[0].ID})
			l.rows[0] = Message{} // the array behind rows lives on until it grows
			l.rows = l.rows[1:]
			l.gone++
		}
		l.index[[2]string{o.message.Chat, o.message.ID}] = l.gone + len(l.rows)
		l.rows = append(l.rows, *o.message)
	case opBump:
		if l := m.logs[o.a]; l != nil {
			if i, ok := l.index[[2]string{o.b, o.c}]; ok {
				l.rows[i-l.gone].Attempts++
			}
		}
	case opEnqueue:
		m.seq++
		o.entry.Seq = m.seq
		m.queues[o.a] = append(m.queues[o.a], *o.entry)
	case opAck:
		q := m.queues[o.a]
		i := slices.IndexFunc(q, func(e Entry) bool { return e.Key == o.b })
		switch {
		case i < 0:
		case len(q) == 1:
			delete(m.queues, o.a)
		default:
			m.queues[o.a] = slices.Delete(q, i, i+1)
		}
	case opDropQueue:
		delete(m.queues, o.a)
	case opPut, opDelete, opDeleteAll:
	}
}

func (m *memory) Load(context.Context, string, func(string, []byte) error) error { return nil }

func (m *memory) Find(_ context.Context, phone, chat, id string) (bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l := m.logs[phone]
	if l == nil {
		return false, nil
	}
	_, ok := l.index[[2]string{chat, id}]
	return ok, nil
}

func (m *memory) Messages(_ context.Context, phone string, after int64, limit int) ([]Message, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l := m.logs[phone]
	if l == nil {
		return nil, nil
	}
	from := sort.Search(len(l.rows), func(i int) bool { return l.rows[i].Seq > after })
	return slices.Clone(l.rows[from:min(len(l.rows), from+limit)]), nil
}

func (m *memory) Last(_ context.Context, phone string, limit int) ([]Message, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l := m.logs[phone]
	if l == nil {
		return nil, nil
	}
	return slices.Clone(l.rows[max(0, len(l.rows)-limit):]), nil
}

func (m *memory) Queue(_ context.Context, device string, after, until int64, limit int) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []Entry
	for _, e := range m.queues[device] {
		if e.Seq > after && e.Seq <= until && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (m *memory) QueueKinds(_ context.Context, device string, until int64) (map[string]int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	kinds := map[string]int{}
	for _, e := range m.queues[device] {
		if e.Seq <= until {
			kind, _, _ := strings.Cut(e.Key, "|")
			kinds[kind]++
		}
	}
	return kinds, nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
