// Package account pairs WhatsApp numbers with workspaces and looks after their
// connections.
//
// The Service is the one who is told what the connector sees. It keeps three
// things true:
//
//   - The state in storage is what the connector proved last. At start, before
//     anything is proven, accounts are connecting; when the server stops they are
//     disconnected.
//   - What storage could not take is written again until it does, and the state
//     held in memory is right meanwhile.
//   - An account that becomes active wakes its lane of the outbox, after the
//     state is known here.
//
// Pacing, retries of messages and credits are none of its business.
package account
