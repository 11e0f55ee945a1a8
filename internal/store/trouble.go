package store

import "time"

// Trouble is why storage fails although nothing is wrong with what it is asked,
// so that the same call may succeed later. "" is none.
type Trouble string

// What storage can have trouble with.
const (
	TroubleDiskFull    Trouble = "disk_full"
	TroubleReadOnly    Trouble = "read_only"   // the disk, or the server, which may be a standby
	TroubleDisk        Trouble = "disk_error"  // the disk fails to read or write
	TroubleUnreachable Trouble = "unreachable" // no connection to the database server, or it stops
)

// String says it to an operator.
func (t Trouble) String() string {
	switch t {
	case "":
		return "none"
	case TroubleDiskFull:
		return "the disk of the database is full"
	case TroubleReadOnly:
		return "the database can't be written: its disk or its server is read-only"
	case TroubleDisk:
		return "the disk of the database fails"
	case TroubleUnreachable:
		return "the database server can't be reached"
	}
	return string(t)
}

// Advice says what an operator can do. A running server goes on by itself afterwards.
func (t Trouble) Advice() string {
	switch t {
	case TroubleDiskFull:
		return "free space on it"
	case TroubleReadOnly:
		return "mount it for writing, or promote the server"
	case TroubleDisk:
		return "look at the system's log, and make a copy of the data folder as soon as it can be read"
	case TroubleUnreachable:
		return "check that it runs and that the network works"
	}
	return ""
}

// UnavailableError is how a call fails when storage has trouble. What it was asked
// to change is unchanged, but for a connection that broke during a commit: then
// that is not known yet, and a message that turns out to be stored is sent.
type UnavailableError struct {
	Trouble Trouble
	Err     error // which call, and the database's own words
}

// Error gives the call and the database's words.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// TroubleState is what storage has had trouble with, since when.
type TroubleState struct {
	Trouble Trouble // "" = none
	Since   time.Time
}
