// Package sandbox is the world around a sandbox server: a WhatsApp network
// inside the process, the phone that the server's account belongs to, customers
// who receive, read and answer, and a fence around the process.
//
// The server knows nothing of it: it pairs, connects and sends over the real
// protocol, to an address on this machine.
package sandbox
