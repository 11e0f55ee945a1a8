// Package datadir is the folder on disk that a server owns: what kind of server
// it belongs to, which process owns it now, and how to reach that process.
//
// A folder belongs to a production server or to a sandbox, for good, and says
// so in its kind file. A production server would connect a sandbox's accounts
// to the real WhatsApp, and a sandbox would make the accounts of a production
// server log out, so each refuses the other's folder.
package datadir
