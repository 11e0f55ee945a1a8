package main

import "time"

// facts are everything that is known when the simulation is over. The checker
// sees nothing else.
type facts struct {
	Asked    map[string]bool // texts that programs asked to send, answered or not
	Accepted []accepted
	Said     []said
	Stored   []stored // in the order of acceptance
	Shown    []shown  // of all phones, in the order of arrival
	Writes   []write
	Ledger   []string // what does not add up in it, in words
	Used     int64    // credits
	MinGap   time.Duration
	Faults   []fault
	Sick     []string // nodes that ended by themselves
}

// accepted is a message that a program was told was accepted.
type accepted struct{ UID, Account, To, Text string }

// said is a message that a person wrote to an account.
type said struct{ ID, From, Account, Text string }

// stored is a message in the database.
type stored struct {
	UID, ID     string // ID is WhatsApp's
	Account, To string // numbers
	Text        string
	FromMe      bool
	Status      string
	Reason      string
}

// shown is a message on a customer's phone.
type shown struct {
	Phone, From string
	ID, Text    string
	At          time.Time // of the first attempt, by the network's clock
	Attempts    int
}

// write is a settlement of a message as the database saw it.
type write struct {
	UID    string
	By     string // application name of the connection
	Holder string // application name of the node that held the account in that transaction; "" = none did
}

// fault is something that was done to the nodes.
type fault struct {
	Kind  string
	Node  int // -1 = all
	Began time.Time
	Ended time.Time
	// Accounts are the numbers that the node held when it began.
	Accounts []string
	// Lost: the node could do nothing, so that others had to take over.
	Lost bool
}
