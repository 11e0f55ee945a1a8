// Package cluster lets several servers on one PostgreSQL database be one service.
//
// Each server process is a node with a lease, which it renews (store.Nodes). While the
// lease lasts the node holds accounts: at most one node holds an account at a time,
// and only the holder connects it and sends for it. A [Service] joins, renews, expels
// nodes whose lease is over, takes its fair share of the accounts, gives away what is
// above it, and tells a [Keeper] which accounts come and go.
//
// # Who may act
//
// A node counts its lease by its own monotonic clock, from before the statement that
// renewed it, and by a little less than the database does. So it stops before others
// take its accounts, whatever the clocks say. When the lease is over by this clock, a
// timer yields everything at once; nobody waits for a statement to fail. A process that
// was frozen finds the instant passed when it goes on: [Service.Alive] says so before
// the timer runs.
//
// The local clock is not trusted further than that. A node that was expelled and
// doesn't know it yet can't store anything for accounts, see store.Nodes.Fence.
//
// # One server
//
// With SQLite there is one server, and [Solo] stands in for a Service: everything is
// held, the lease never ends, duties run.
package cluster
