package whatsapp

import (
	"context"
	"errors"
	"io"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Profiler is the part of a Connector that tells what people see of contacts and
// groups: names, members, pictures.
type Profiler interface {
	// Group asks WhatsApp for a group. Its members have the names that the account
	// knows them by, "" for those that it never heard from. Of a group that the
	// account is not in, or that is gone, only JID and Bar are set. ErrOffline.
	Group(ctx context.Context, device string, group tideline.JID) (tideline.Group, error)

	// Picture asks WhatsApp for the picture of a contact or group, gives its id and,
	// when that is not known, writes the picture to w, at most limit bytes. On
	// failure what was written means nothing. ErrNoPicture when there is none, or
	// it is hidden from the account; ErrMediaTooLarge; ErrOffline.
	Picture(ctx context.Context, device string, of tideline.Peer, known string, limit int64, w io.Writer) (id string, err error)

	// ContactNames gives the names that the account knows contacts by: that of the
	// owner's address book, else the one that the contact uses; "" for who is not
	// known. It asks nobody and works for accounts that are not connected.
	// ErrNoSession.
	ContactNames(ctx context.Context, device string, contacts []tideline.Peer) ([]string, error)
}

// ErrNoPicture says that there is no picture, or none that the account may see.
var ErrNoPicture = errors.New("there is no picture")

// News is what changed of what people see of contacts and groups.
type News struct {
	// Contacts have other names in the owner's address book, which are theirs here.
	Contacts []tideline.Peer
	// Changed are groups and contacts of which something else changed: the members,
	// the subject, the rules, the picture. What it is now has to be asked for.
	Changed []tideline.Peer
}
