// Package meow is the connector that speaks WhatsApp's multi-device protocol
// through whatsmeow. It is the only package that imports that library.
//
// One Connector holds the sessions of many accounts. Their keys live in a
// database of their own: whatsapp.db in the data folder, or tables named
// whatsmeow_* when PostgreSQL is used.
//
// # Production or sandbox
//
// whatsmeow keeps the network's root key, its keep-alive intervals and the
// announced device in package variables. The first Open of a process settles
// them and a later one must agree, so a process talks either to WhatsApp or to
// one sandbox network, never to both. With an Endpoint every HTTP client of the
// library dials one loopback address, whatever address it was asked for.
//
// # State
//
// An account is reported active when WhatsApp has answered a request of the
// logged-in connection, and no longer when a keep-alive stays unanswered. Drops
// are followed by reconnects with growing, jittered pauses; a bounded number
// of accounts dials at a time.
//
// # Where the facts are from
//
// Statements about whatsmeow name the file of the pinned version in which they
// were read.
package meow
