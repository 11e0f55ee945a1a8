package meow

import (
	"bytes"
	"slices"

	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// mend repairs a Signal session that was used to decrypt: before is what was
// read, after what is about to be written.
//
// When both sides begin a session at the same time, each keeps more than one
// state, and a message is tried with one after the other. The library turns the
// ratchet of each state that it tries, and keeps it so although the message was
// not for it (libsignal session/SessionCipher.go, DecryptWithRecord; the Java
// original tries copies). The next message that is for such a state can't be
// decrypted any more. So when an earlier state turned out to be the right one,
// the others are put back as they were.
func mend(before, after []byte) []byte {
	codec := store.SignalProtobufSerializer.Session
	was, err := codec.Deserialize(before)
	if err != nil || was.SessionState == nil {
		return after
	}
	is, err := codec.Deserialize(after)
	if err != nil || is.SessionState == nil || sameState(was.SessionState, is.SessionState) {
		return after
	}
	i := slices.IndexFunc(was.PreviousStates, func(s *record.StateStructure) bool { return sameState(s, is.SessionState) })
	if i < 0 {
		return after // a new session; nothing else was tried
	}
	is.PreviousStates = append([]*record.StateStructure{was.SessionState}, slices.Delete(was.PreviousStates, i, i+1)...)
	return codec.Serialize(is)
}

// sameState reports whether two states are of the same session. The base key is
// drawn by the side that begins it.
func sameState(a, b *record.StateStructure) bool {
	return len(a.SenderBaseKey) > 0 && bytes.Equal(a.SenderBaseKey, b.SenderBaseKey)
}
