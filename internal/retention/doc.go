// Package retention deletes what is older than a workspace keeps it: messages with
// all that hangs on them, and files that nothing used since. It writes what is to be
// archived to blob storage first.
//
// A sweep goes through the workspaces in turns, a step each, so that one with much to
// delete never keeps the others waiting. A step is a few small transactions, and after
// each it rests for as long as that took: whoever accepts messages finds the database
// free at least half of the time, and waits for one small transaction otherwise.
//
// Nothing is remembered between steps but what is in the database, so a sweep can end
// anywhere, by a crash too, and the next one goes on. Exactly one process should sweep
// a database; two would only do some work twice.
package retention
