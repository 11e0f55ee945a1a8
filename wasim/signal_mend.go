package wasim

import (
	"bytes"
	"slices"

	"go.mau.fi/libsignal/state/record"
)

// mend repairs a session that is about to be kept. A session that both sides began at the same time has
// several states, which libsignal tries one after the other, turning the ratchet of each; a state that
// the message was not for is of no use any more then (session/SessionCipher.go, DecryptWithRecord). Real
// phones try copies. So when an earlier state turned out to be the right one, the others are put back as
// they were before.
func mend(before, after []byte) []byte {
	if before == nil {
		return after
	}
	codec := serializer().Session
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

// sameState reports whether two states are of the same session, which has the base key of the side that
// began it.
func sameState(a, b *record.StateStructure) bool {
	return len(a.SenderBaseKey) > 0 && bytes.Equal(a.SenderBaseKey, b.SenderBaseKey)
}
