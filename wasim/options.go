package wasim

import (
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Options says how a [Server] listens, where it keeps its state and how fast it answers. The zero
// value is a server on a free loopback port that keeps everything in memory.
type Options struct {
	// Listen is the TCP address to listen on, "127.0.0.1:0" when empty. [Start] refuses an
	// address that isn't loopback: this network is for tests and demonstrations only.
	Listen string

	// TLSListen, when not empty, is a second TCP address, loopback too, that serves the same over
	// TLS, for clients that speak wss:// and https:// only. [Server.TLSCertificate] is what they
	// must trust. Media is then announced under this address; without it under WhatsApp's host
	// name, which only clients made by [HTTPClient] reach.
	TLSListen string

	// Control serves the HTTP API of [Control] on the same addresses, under /sandbox/.
	Control bool

	// Dir is the folder where phones, pairings, Signal sessions, media, undelivered stanzas and
	// received messages are kept. What the server acknowledges is on disk (fsynced) before the
	// acknowledgement leaves, so a process killed at any moment forgets nothing. Empty keeps
	// everything in memory. One server at a time may use a folder.
	Dir string

	// Seed makes the certificate authority deterministic: the same 32 bytes always give the same
	// [Server.RootKey]. When nil, a folder keeps the seed that it was created with, and all other
	// servers of the process share one random authority. They have to, because a whatsmeow client
	// knows a single root key per process (the variable WACertPubKey of its handshake.go).
	Seed []byte

	// Latency delays every answer to a message: the acknowledgement leaves after one Latency and
	// each following reaction of the recipient (delivered, read, reply) one Latency later.
	// Zero answers at once.
	Latency time.Duration

	// MaxMessages bounds each phone's log of received messages in memory: the oldest make room for new
	// ones, and a repetition of one that is gone counts as new. Zero keeps all. A folder keeps all
	// in any case, on disk.
	MaxMessages int

	// Now is the network's clock: the time of messages, receipts and changes. Nil is time.Now. Waiting,
	// as [Options.Latency] makes the network do, is by the real clock. It is called from many goroutines.
	Now func() time.Time

	// Logger receives what the server does, without message texts or numbers above debug level.
	// Nil is silent.
	Logger *slog.Logger
}

// loopbackAddr checks an address to listen on.
func loopbackAddr(addr string) (string, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("wasim: listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || host == "localhost" {
		return addr, nil
	}
	return "", fmt.Errorf("wasim: listen address %q isn't loopback; use 127.0.0.1:PORT", addr)
}
