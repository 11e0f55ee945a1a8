// Package durable keeps what a WhatsApp network must not forget: key-value state, each phone's log of
// received messages, and each companion's queue of stanzas that it hasn't acknowledged.
//
// Writes are collected in a [Batch] and submitted. Batches take effect in the order of submission, so a
// caller that must not be overtaken submits while it holds the lock under which it computed the batch,
// and waits for the [Ticket] after releasing it. Batches submitted while a commit is running share the
// next one.
package durable

import (
	"context"
	"errors"
)

// Message is a row of a phone's log.
type Message struct {
	Seq      int64  // assigned by Submit; ascending
	Chat, ID string // unique together within a phone
	Body     []byte
	Attempts int
}

// Entry is a stanza that a companion has to acknowledge.
type Entry struct {
	Seq     int64  // assigned by Submit; ascending
	Key     string // what an acknowledgement names; several entries may share one
	Payload []byte
}

type opKind int

const (
	opPut opKind = iota
	opDelete
	opDeleteAll
	opAppend
	opBump
	opEnqueue
	opAck
	opDropQueue
)

type op struct {
	kind    opKind
	a, b, c string // bucket/key, phone/chat/id or device/key
	value   []byte
	message *Message
	entry   *Entry
}

// Batch is a list of changes that take effect together.
type Batch struct{ ops []op }

// Empty reports whether the batch changes nothing.
func (b *Batch) Empty() bool { return len(b.ops) == 0 }

// Put sets a key of a bucket. value must not be changed afterwards.
func (b *Batch) Put(bucket, key string, value []byte) {
	b.ops = append(b.ops, op{kind: opPut, a: bucket, b: key, value: value})
}

// Delete removes a key of a bucket.
func (b *Batch) Delete(bucket, key string) {
	b.ops = append(b.ops, op{kind: opDelete, a: bucket, b: key})
}

// DeleteAll removes the keys of a bucket that start with prefix.
func (b *Batch) DeleteAll(bucket, prefix string) {
	b.ops = append(b.ops, op{kind: opDeleteAll, a: bucket, b: prefix})
}

// Append adds a message to a phone's log; Submit sets its Seq.
func (b *Batch) Append(phone string, m *Message) {
	b.ops = append(b.ops, op{kind: opAppend, a: phone, message: m})
}

// Bump counts another attempt of a message that is already in a phone's log.
func (b *Batch) Bump(phone, chat, id string) {
	b.ops = append(b.ops, op{kind: opBump, a: phone, b: chat, c: id})
}

// Enqueue adds an entry to a device's queue; Submit sets its Seq.
func (b *Batch) Enqueue(device string, e *Entry) {
	b.ops = append(b.ops, op{kind: opEnqueue, a: device, entry: e})
}

// Ack removes the oldest entry with the given key from a device's queue, if there is one.
func (b *Batch) Ack(device, key string) {
	b.ops = append(b.ops, op{kind: opAck, a: device, b: key})
}

// DropQueue removes a device's whole queue.
func (b *Batch) DropQueue(device string) {
	b.ops = append(b.ops, op{kind: opDropQueue, a: device})
}

// Ticket stands for a submitted batch.
type Ticket struct {
	// Last is the highest Seq assigned to any batch so far, this one included.
	Last int64

	done chan struct{}
	err  error
}

// Wait blocks until the batch is durable. An error means that it may never be; the store then
// refuses everything after it too.
func (t *Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.err
	default:
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ErrClosed is returned for batches submitted after Close.
var ErrClosed = errors.New("store is closed")

// Store is implemented by [NewMemory] and [OpenSQLite]. All methods are safe for concurrent use.
// Reads see what has been waited for.
type Store interface {
	// Submit queues a batch. It keeps b and what it refers to.
	Submit(b *Batch) *Ticket
	// Load calls fn for every key of a bucket, in the order of keys. A store in memory, which
	// nobody has written before, has none.
	Load(ctx context.Context, bucket string, fn func(key string, value []byte) error) error
	// Find reports whether a phone's log has a message.
	Find(ctx context.Context, phone, chat, id string) (bool, error)
	// Messages returns up to limit messages of a phone's log after a Seq, oldest first.
	Messages(ctx context.Context, phone string, after int64, limit int) ([]Message, error)
	// Last returns up to limit newest messages of a phone's log, oldest first.
	Last(ctx context.Context, phone string, limit int) ([]Message, error)
	// Queue returns up to limit entries of a device's queue with after < Seq ≤ until, oldest first.
	Queue(ctx context.Context, device string, after, until int64, limit int) ([]Entry, error)
	// QueueKinds counts the entries of a device's queue with Seq ≤ until by kind, which is what a key has before its first "|".
	QueueKinds(ctx context.Context, device string, until int64) (map[string]int, error)
	// Close commits what was submitted and releases the store.
	Close() error
}
