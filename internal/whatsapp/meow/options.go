package meow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options says where a Connector keeps its sessions and which network it joins.
type Options struct {
	// Database is a postgres:// URL for sessions in PostgreSQL. When empty they
	// are kept in the SQLite file whatsapp.db in DataDir.
	Database string
	// Name gives what connections to PostgreSQL are named just now. One with another
	// name is not used any more, so that a node that was shut out of the database, and
	// is another one now, writes nothing by the connections of before. nil = any.
	Name func() string
	// Admit is asked about each new connection to PostgreSQL; after an error it is not
	// used. nil = all are good.
	Admit func(ctx context.Context, conn *pgx.Conn) error
	// DataDir is an existing folder; needed when Database is empty.
	DataDir string

	// Endpoint joins a sandbox network instead of WhatsApp. Nil is WhatsApp.
	Endpoint *Endpoint

	// Logger gets what the library says too, at debug level. Nil is silent.
	Logger *slog.Logger

	// DeviceName is shown on the phone in the list of linked devices; "" is
	// "Tideline". The same for all connectors of a process.
	DeviceName string
	// Version overrides the WhatsApp Web version that the library announces, as
	// "2.3000.1047769893", for the time between WhatsApp refusing a version and
	// a new release; "" is the library's own. SetVersion changes it.
	Version string
	// KeepAlive says how fast a dead connection is noticed. The same for all
	// connectors of a process.
	KeepAlive KeepAlive

	// SendTimeout bounds the part of a send from looking up the recipient to the
	// server's acknowledgement; an upload before it is bounded by UploadTimeout.
	SendTimeout time.Duration
	// UploadTimeout bounds the upload of an attachment.
	UploadTimeout time.Duration

	// RetryFirst is the mean pause before the first reconnect after a drop. It
	// doubles with each failure up to RetryMax.
	RetryFirst, RetryMax time.Duration
	// ReplacedRetry is the first pause after another program took the session
	// over; it doubles each time that happens, up to 20 times itself.
	ReplacedRetry time.Duration
	// RedeliverAfter is when a connection is reset because a receipt could not be
	// stored: WhatsApp repeats what was not acknowledged only after a reconnect.
	RedeliverAfter time.Duration
	// LogoutWait is how long Logout waits for a connection over which WhatsApp can
	// be told, and then for its answer.
	LogoutWait time.Duration
	// MaxDials is how many connections are opened at the same time.
	MaxDials int

	// History is how far back the history of a phone that is paired is taken in;
	// nothing of it is when zero. How much there is decides the phone.
	History time.Duration
}

// KeepAlive is the interval of pings, drawn anew from [Min, Max) each time, and
// how long the answer may take. A dead connection is noticed after at most
// Max + Deadline.
type KeepAlive struct {
	Min, Max, Deadline time.Duration
}

// Endpoint is a sandbox network on this machine.
type Endpoint struct {
	// Addr is its host:port; Open refuses one that is not a loopback address.
	Addr string
	// RootKey is the public key of its certificate authority.
	RootKey [32]byte
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.DeviceName == "" {
		o.DeviceName = "Tideline"
	}
	if o.KeepAlive == (KeepAlive{}) {
		o.KeepAlive = KeepAlive{Min: 15 * time.Second, Max: 25 * time.Second, Deadline: 10 * time.Second}
	}
	if o.MaxDials <= 0 {
		o.MaxDials = 20
	}
	setDefault(&o.SendTimeout, 20*time.Second)
	setDefault(&o.UploadTimeout, 5*time.Minute)
	setDefault(&o.RetryFirst, 300*time.Millisecond)
	setDefault(&o.RetryMax, time.Minute)
	setDefault(&o.ReplacedRetry, 30*time.Second)
	setDefault(&o.RedeliverAfter, time.Minute)
	setDefault(&o.LogoutWait, 10*time.Second)
	return o
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func (o Options) check() error {
	if o.Database == "" && o.DataDir == "" {
		return errors.New("whatsapp sessions: a data folder or a database is needed")
	}
	// keepalive.go draws with rand.Int64N over whole milliseconds, which panics
	// on an empty range.
	if k := o.KeepAlive; k.Min <= 0 || k.Max-k.Min < time.Millisecond || k.Deadline <= 0 {
		return fmt.Errorf("whatsapp keep-alive %s to %s with deadline %s: needs a range of positive durations", k.Min, k.Max, k.Deadline)
	}
	if o.Endpoint != nil {
		return checkLoopback(o.Endpoint.Addr)
	}
	return nil
}

// checkLoopback refuses names too: what a name stands for can change.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("sandbox address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("sandbox address %q is not a loopback address; a sandbox never leaves this machine", addr)
	}
	return nil
}
