package tideline

// Group is what WhatsApp says of a group that an account is or was in.
type Group struct {
	JID     JID
	Subject string
	Members []GroupMember // in WhatsApp's order; of a group that the account left, those that were known
	Bar     Bar           // why the account can't write there; "" when it can
}

// GroupMember is somebody in a group.
type GroupMember struct {
	Peer Peer
	Role GroupRole
}

// GroupRole is what a member of a group may do. The words are the API's, and are
// stored.
type GroupRole string

// The roles.
const (
	GroupOwner  GroupRole = "Owner" // who made the group; nobody can take that away
	GroupAdmin  GroupRole = "Admin"
	GroupNormal GroupRole = "Member"
)

// Bar is why an account can't write in a chat, as far as WhatsApp told. The
// words are stored.
type Bar string

// The bars; "" is none.
const (
	BarLeft       Bar = "left"        // the account is not in the group any more, or the group is gone
	BarAdminsOnly Bar = "admins_only" // only admins write in the group, and the account is none
)

// Reason says it to who wanted to write.
func (b Bar) Reason() string {
	switch b {
	case BarLeft:
		return "the account is not a member of this group any more"
	case BarAdminsOnly:
		return "only admins may write in this group, and the account is not one"
	}
	return ""
}
