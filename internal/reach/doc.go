// Package reach carries what is asked of an account to the node that holds it.
//
// Every node answers every request. Most of them are a matter of the database, and
// any node does them. Some need the connection or the lane of an account: to pause
// its queue, to cancel what waits, to log it out, to react, to show that somebody types. The types
// here stand in front of the services that do these things. When this node holds
// the account they do it here; otherwise they ask the node that does, by way of the
// database, and wait for what it says. While an account changes hands they try
// again for a few seconds, and then say so (tideline.ErrElsewhere).
//
// Who acts goes along, so that the audit log of the other node names the same one.
//
// What is only shown for a moment (who types, who looks at a chat) is signalled to
// all nodes and not waited for.
package reach
