// Package e2e drives the real binary from outside, as a person and a program
// would: commands, HTTP requests and signals, against SQLite and PostgreSQL.
// WhatsApp is the sandbox's network, whose phones say what they decrypted.
//
// The tests whose names begin with TestPromise try to break one of the promises
// that docs/architecture.md makes.
package e2e
