// Package presence shows contacts what the team does, and the team what contacts
// do: who types, and that messages were read.
//
// An account is shown as online only while somebody of the team looks at one of its
// chats, because WhatsApp spares the owner's phone its notifications meanwhile. Only
// then does WhatsApp tell who types. Whoever looks says so again and again; who
// stops is forgotten after a minute.
//
// A contact of a direct chat is shown that the team writes to them, by whoever does,
// at most every few seconds, and that it stopped. Messages are marked as read when a
// person has them on screen; programs that read chats mark nothing.
//
// Nothing here is kept, nothing waits for it and nothing depends on it: what can't
// be told is lost. Each account has a worker of its own while there is something to
// do, so one that hangs holds up no other.
package presence
