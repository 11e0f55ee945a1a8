package meow

import (
	"errors"
	"strings"

	"go.mau.fi/whatsmeow/types"
)

// errNotReached is the cause when WhatsApp acknowledged a message that was not
// encrypted for its recipient.
var errNotReached = errors.New("there were no keys for a device of the recipient")

// reached reports whether a message in a direct chat that WhatsApp acknowledged
// was for the recipient's devices at all. The library asks WhatsApp for the keys
// of devices that it has no session with; when that fails, as it does when the
// connection breaks meanwhile, it sends the message to the others alone
// (whatsmeow send.go, fetchPreKeysNoError), in the end only to the owner's phone,
// and WhatsApp acknowledges it. Nobody would ever see it.
//
// In a group every member gets the message, and one that lacks its key asks for it.
//
// The phone must be among those that it was for. Another device is insisted on
// once: it may be one that is gone and has no keys any more.
func (s *session) reached(to types.JID, t *turn) bool {
	if to.Server == types.GroupServer {
		return true
	}
	all := true
	for address, lacking := range t.lacking {
		user, device, _ := strings.Cut(address, ":")
		if !lacking || s.own(user) {
			continue
		}
		if device == "0" || !s.keyless[address] {
			all = false
		}
		if s.keyless == nil {
			s.keyless = make(map[string]bool)
		}
		s.keyless[address] = true
	}
	return all
}

// own reports whether a Signal address is of one of the account's own devices.
func (s *session) own(user string) bool {
	return user == s.jid.SignalAddressUser() || user == s.cli.Store.LID.SignalAddressUser()
}
