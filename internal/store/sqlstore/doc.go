// Package sqlstore keeps Tideline's data in SQLite or PostgreSQL. It is one
// package with one set of SQL for both; the few places where they differ ask
// the dialect.
//
// # Writing
//
// On SQLite one goroutine, the committer, owns the only writing connection. It
// takes whatever is queued (acceptances, settlements, receipts and ordinary
// write transactions), runs all of it in one transaction, commits, and answers.
// On PostgreSQL acceptances have a committer, settlements, receipts and receptions
// one for each share of the accounts, and ordinary transactions run side by side
// on the pool. What stores or moves messages of an account otherwise, a part of a
// history, is an ordinary transaction in that committer's turn, because neither
// would see what the other has not committed.
//
// There is no timer: whatever queued during one commit is the next batch.
//
// # Flights (PostgreSQL)
//
// A transaction on PostgreSQL holds back what it writes until it asks something,
// and sends both together (flight.go); its last flight ends with COMMIT. The
// functions that read and write don't know: later, execAll and ask may wait, exec,
// each, eachAll and one do not, and await ends the waiting. Arguments that were
// handed over may not be changed any more. A refusal is reported by whatever
// sends, at the latest by the commit.
//
// # The log (SQLite)
//
// The checkpointer copies the log to the database beside the writer.
//
// # Isolation of items
//
// A batch checks what it can before it writes, so that an item that can't be
// accepted costs its neighbours nothing. When a statement fails nevertheless,
// the batch is rolled back and run again in halves until the failing item
// stands alone. When storage itself fails, every item gets that error.
//
// # Lock order (PostgreSQL)
//
// The node's own row (see Fence), then balances by workspace id, then outbox rows by message id, then messages, then
// webhooks, then their deliveries, then the config row, then the log of events. A balance row is also the lock of its workspace: message ids
// are drawn while it is held, so that they grow in commit order within a
// workspace, and removing an account waits for the acceptances before it.
//
// # Events
//
// What happens is noted with emit while a transaction runs and written at its
// end, by one statement for the whole batch. Deliveries are made from the log
// behind a cursor, which is moved by the transaction that stores them.
//
// # Early receipts
//
// A receipt can overtake the settlement of its message: the acknowledgement was
// lost, or it is still on its way through the queue. Receipts for ids that no
// sent message has are therefore kept in early_receipts. A settlement looks
// there: a receipt proves that the message was sent, so a message that would
// fail becomes sent instead, and the kept receipts are applied at once.
package sqlstore
