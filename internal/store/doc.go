// Package store says what services need from storage: the data that crosses
// the seam and what each call promises. sqlstore implements it on SQLite and
// PostgreSQL; storetest is the one suite that both must pass.
//
// # Durability
//
// A call that changes something returns only after the change is on disk
// (fsync), or with an error and nothing changed.
//
// # Two hot seams
//
// Accept and Settle are set-based: calls that arrive together are committed
// together. There is no timer; whatever queued during the last commit is the
// next batch. Every item has its own outcome, and one bad item never fails its
// neighbours. Everything else is an ordinary transaction per call.
//
// # Errors
//
// An error with a tideline code (not_found, quota_exceeded, …) is an outcome
// that the caller can show. Any other error means that storage itself failed.
//
// # Walls
//
// Every call that finds something for a workspace takes the workspace's id and
// looks nowhere else. The few calls without one serve the server itself (start
// of the outbox, the account supervisor) and say so.
package store
