package tideline

// Status is where a message stands. A message moves only forward:
//
//	Pending ─► Sent ─► Delivered ─► Read
//	   └─────► Failed
//
// so a late or out-of-order receipt never moves it back, and a message that
// was sent can no longer fail.
type Status string

// The statuses, in the title case in which the API shows them.
const (
	StatusPending   Status = "Pending"   // accepted and paid for, waits in the outbox
	StatusSent      Status = "Sent"      // WhatsApp's server acknowledged it
	StatusDelivered Status = "Delivered" // the recipient's phone has it
	StatusRead      Status = "Read"      // the recipient opened it
	StatusFailed    Status = "Failed"    // it will not be sent; its credits are given back
)

var statusRank = map[Status]int{StatusPending: 0, StatusSent: 1, StatusDelivered: 2, StatusRead: 3, StatusFailed: 4}

// Rank orders the statuses; a message's rank never falls. -1 for an unknown word.
func (s Status) Rank() int {
	if r, ok := statusRank[s]; ok {
		return r
	}
	return -1
}

// MayFollow reports whether a message in status from may become s.
func (s Status) MayFollow(from Status) bool {
	switch s {
	case StatusSent, StatusFailed:
		return from == StatusPending
	case StatusDelivered, StatusRead:
		return from != StatusFailed && from.Rank() >= 0 && from.Rank() < s.Rank()
	default:
		return false
	}
}

// Final reports whether the outbox has nothing more to do with the message.
func (s Status) Final() bool { return s != StatusPending }

// Reason is why a message failed. The words are stable: they are stored, shown
// and documented.
type Reason string

// The reasons.
const (
	ReasonNotOnWhatsApp     Reason = "not_on_whatsapp"    // the number has no WhatsApp account
	ReasonReachOutLimited   Reason = "reach_out_limited"  // WhatsApp limits this account's first messages to strangers (ack error 463)
	ReasonRejected          Reason = "rejected"           // WhatsApp refused the message for another reason
	ReasonAttachmentMissing Reason = "attachment_missing" // the file was deleted or can't be read any more
	ReasonAttachmentRefused Reason = "attachment_refused" // WhatsApp's media servers refused the file
	ReasonExpired           Reason = "expired"            // the deadline passed before the account could send it
	ReasonAccountRemoved    Reason = "account_removed"    // the account was removed from the workspace
	ReasonInvalidRecipient  Reason = "invalid_recipient"  // the chat can't be written to
	ReasonCancelled         Reason = "cancelled"          // a member took it out of the queue
)

// Text says the reason to a person.
func (r Reason) Text() string {
	switch r {
	case ReasonNotOnWhatsApp:
		return "the number is not on WhatsApp"
	case ReasonReachOutLimited:
		return "WhatsApp limits how many new contacts this account may write to; wait before writing to strangers again"
	case ReasonRejected:
		return "WhatsApp refused the message"
	case ReasonAttachmentMissing:
		return "the attached file is gone"
	case ReasonAttachmentRefused:
		return "WhatsApp refused the attached file"
	case ReasonExpired:
		return "the account could not send it before its deadline"
	case ReasonAccountRemoved:
		return "the WhatsApp account was removed"
	case ReasonInvalidRecipient:
		return "the chat can't be written to"
	case ReasonCancelled:
		return "it was cancelled before it was sent"
	default:
		return string(r)
	}
}
