// Package operator lets commands talk to the server that runs on the same
// machine: pairing, logging out and removing accounts need its connections.
//
// It is a small HTTP API over a Unix socket in the data folder. Who may open
// the socket is decided by the file system: the socket and the folder around it
// belong to the server's user and to no one else, so there is no further
// credential. Everything else that commands do goes straight to the database.
package operator
