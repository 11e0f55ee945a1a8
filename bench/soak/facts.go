package main

import "strings"

// facts are everything that is known when the soak is over: what was asked of
// Tideline, what people said on their phones, what Tideline stored, what the
// phones show, and what went over the wire. The checker sees nothing else.
type facts struct {
	Asked     []asked
	Said      []said
	Reactions []reaction
	Rows      []row
	Shown     []shown
	Wire      map[string]wire // by WhatsApp message id

	Accounts map[string]bool     // numbers of the accounts
	Members  map[string][]string // group → numbers of its members
	Answers  map[string]string   // number of a phone that answers every message → what it answers
}

// asked is a message that Tideline accepted.
type asked struct {
	UID         string
	Account, To string // numbers
	Text        string
	SHA256      string // of the attachment; "" = none
	Seq         int    // of acceptance, in the account
}

// said is a message that somebody wrote on a phone. To is a number or a group.
type said struct {
	ID       string
	From, To string
	Kind     string // text, or the kind of file
	Text     string // as it must read in the end
	SHA256   string // of the attachment; "" = none
	ReplyTo  string // WhatsApp id
	Deleted  bool
}

func isGroup(to string) bool { return strings.HasSuffix(to, "@g.us") }

// reaction is the last emoji that somebody gave to a message, in a chat with an
// account or in a group.
type reaction struct {
	Target string // WhatsApp id
	By, To string
	Emoji  string // "" = taken back
}

// row is a message as it is stored.
type row struct {
	Account string // number
	Chat    string // number of the contact, or the group
	UID, ID string
	FromMe  bool
	Ours    bool   // accepted by the API, not received
	Kind    string // "" for ours
	Text    string
	SHA256  string // of the stored file; "" = none
	NoFile  string // why there is no file although there should be
	ReplyTo string
	Sender  string // number; "" when FromMe
	Status  string
	Reason  string
	Deleted bool
	// Reactions are the emojis by the number of who gave them.
	Reactions map[string]string
}

// shown is a message on a phone's screen.
type shown struct {
	Phone, From string
	ID          string
	Text        string
	SHA256      string // of the attachment; "" = none
	NoFile      string // why the phone could not fetch it; SHA256 is then what was declared
	Group       bool   // in a group
	Seq         int64  // in the phone's log
}

// wire counts what went between a server and the network under a message id.
type wire struct {
	First   int64 // place of the first attempt among all stanzas; 0 = none
	Sends   int   // by the client, repetitions and answers to retries among them
	Acks    int
	Nacks   int // acknowledgements with an error
	Retries int // phones that could not decrypt it and asked again
}
