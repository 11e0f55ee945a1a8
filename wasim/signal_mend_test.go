package wasim

import (
	"testing"

	"go.mau.fi/libsignal/state/record"
)

// kept makes a session record: a base key and a root key for each state, the current one first.
func kept(states ...[2]byte) []byte {
	all := make([]*record.StateStructure, len(states))
	for i, s := range states {
		all[i] = &record.StateStructure{
			SenderBaseKey: []byte{s[0]}, RootKey: []byte{s[1]}, SessionVersion: 3,
			SenderChain: &record.ChainStructure{},
		}
	}
	return serializer().Session.Serialize(&record.SessionStructure{SessionState: all[0], PreviousStates: all[1:]})
}

func TestStatesThatWereTriedInVainArePutBack(t *testing.T) {
	t.Parallel()
	before := kept([2]byte{'a', 1}, [2]byte{'b', 1}, [2]byte{'c', 1})
	for _, c := range []struct {
		name                string
		before, after, want []byte
	}{
		{"the last of three was right", before,
			kept([2]byte{'c', 2}, [2]byte{'a', 2}, [2]byte{'b', 2}), kept([2]byte{'c', 2}, [2]byte{'a', 1}, [2]byte{'b', 1})},
		{"the current one was right", before,
			kept([2]byte{'a', 2}, [2]byte{'b', 1}, [2]byte{'c', 1}), kept([2]byte{'a', 2}, [2]byte{'b', 1}, [2]byte{'c', 1})},
		{"a new session", before,
			kept([2]byte{'d', 1}, [2]byte{'a', 1}), kept([2]byte{'d', 1}, [2]byte{'a', 1})},
		{"the first session", nil, kept([2]byte{'a', 1}), kept([2]byte{'a', 1})},
	} {
		if got := mend(c.before, c.after); string(got) != string(c.want) {
			t.Errorf("%s: got %x, want %x", c.name, got, c.want)
		}
	}
}
