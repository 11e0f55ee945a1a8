package store

import "context"

// MaxNotification is the length of the longest notification, in bytes.
const MaxNotification = 7900

// Signals is how server processes with one database tell and ask each other.
//
// Notifications reach whoever listens at that moment and are hints: they may be
// lost with a connection. Calls are rows, which stay until they are taken.
type Signals interface {
	// Notifies reports whether there are notifications. Without (SQLite) Notify does
	// nothing, and Listen waits for ctx.
	Notifies() bool
	// Notify tells all that listen, this process too. payload has at most
	// MaxNotification bytes and is text.
	Notify(ctx context.Context, payload string) error
	// Listen calls up once it listens, and then fn for each notification, in the order
	// in which they were sent. It returns nil when ctx ends, and an error when the
	// connection broke: what came meanwhile is lost.
	Listen(ctx context.Context, up func(), fn func(payload string)) error

	// PutCall stores what one node asks of another and gives the call's id.
	PutCall(ctx context.Context, c NodeCall) (int64, error)
	// TakeCalls gives the calls to a node that were not taken yet, by id. Nobody gets
	// them again.
	TakeCalls(ctx context.Context, target int64) ([]NodeCall, error)
	// AnswerCall stores the reply to a call; one whose caller gave up is gone, which
	// is no error.
	AnswerCall(ctx context.Context, id int64, reply []byte) error
	// TakeReply gives the reply to a call and removes the call; ok is false when there is
	// no reply yet, or no call.
	TakeReply(ctx context.Context, id int64) (reply []byte, ok bool, err error)
	// DropCall removes a call whose caller gave up. That it is gone is no error.
	DropCall(ctx context.Context, id int64) error
}

// NodeCall is what one node asks of another.
type NodeCall struct {
	ID             int64
	Caller, Target int64 // nodes
	Method         string
	Args           []byte
}
