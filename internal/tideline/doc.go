// Package tideline is the domain: the things Tideline is about, what makes
// each of them valid, and the one error type that every room speaks.
//
// It imports nothing else of ours and no driver, transport or WhatsApp
// package, so that every other package may import it. Pure rules that a
// storage adapter must apply inside its transaction (what a charge takes, when
// a period rolls over, which status may follow which) live here too: an adapter
// calls them, and a property test can break them without a database.
//
// Words: a workspace is a tenant; a member is a person in it; a token is a
// member's bearer credential; an account is one WhatsApp number; a chat is a
// conversation between an account and a contact or group; a message is one
// thing said in a chat; a credit is the right to send one message; the outbox
// is the durable queue of accepted, unsent messages, one lane per account; the
// gap is the random pause between two sends of one account.
package tideline
