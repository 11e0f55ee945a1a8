package webhook

// The bodies of deliveries, as the API documents them. Fields that a receiver
// may rely on are always there; an optional one that has no value is null. Where
// the same thing is named differently from one shape to the next (phone, is_group
// and chat_type, id and whatsapp_account_wid), that is the API's doing.

// messageBody is the body of message:new, message:sent:new and
// message:received:new, and of message:failed, which is ours.
type messageBody struct {
	EventType string      `json:"event_type"`
	Chat      messageChat `json:"chat"`
	Account   person      `json:"whatsapp_account"`
	Message   message     `json:"message"`
}

type messageChat struct {
	FullName         string  `json:"full_name"`
	ChatURL          string  `json:"chat_url"`
	ChatID           int64   `json:"chat_id"`
	IsGroup          bool    `json:"is_group"`
	Phone            string  `json:"phone"` // "+" and digits; "" for groups
	ResponsibleName  *string `json:"responsible_name"`
	ResponsibleEmail *string `json:"responsible_email"`
}

// person is a WhatsApp account in bodies about messages.
type person struct {
	FullName string `json:"full_name"`
	Email    string `json:"email"`
	Phone    string `json:"phone"`
}

// party is who takes part in a message, call or reaction.
type party struct {
	FullName string `json:"full_name"`
	Phone    string `json:"phone"` // "+" and digits; "" while unknown, and for groups
}

type message struct {
	Text              string         `json:"text"`      // "" when it is only an attachment
	Direction         string         `json:"direction"` // sent, received
	Origin            string         `json:"origin"`
	Timestamp         string         `json:"timestamp"`
	ReceivedTimestamp string         `json:"received_timestamp"`
	MessageUID        string         `json:"message_uid"`
	Sender            party          `json:"sender"`
	Recipient         party          `json:"recipient"`
	ReplyToUID        *string        `json:"reply_to_uid"`
	Attachments       []attachment   `json:"attachments"`
	FailureReason     *failureReason `json:"failure_reason,omitempty"` // only of message:failed
}

type attachment struct {
	URL      string `json:"temporary_download_url"`
	Filename string `json:"filename"`
	Size     int64  `json:"size"`
	MIMEType string `json:"mimetype"`
}

type failureReason struct {
	Code    string `json:"code"`
	Title   string `json:"title"`
	Details string `json:"details"`
}

// chatBody is the body of chat:new, chat:incoming:new, chat:outgoing:new and
// chat:responsible:….
type chatBody struct {
	EventType string  `json:"event_type"`
	Chat      chat    `json:"chat"`
	Account   account `json:"whatsapp_account"`
}

type chat struct {
	ID                       int64    `json:"id"`
	Name                     string   `json:"name"`
	Phone                    string   `json:"phone"` // "+" and digits; "" for groups
	JID                      string   `json:"jid"`
	IsGroup                  bool     `json:"is_group"`
	Closed                   bool     `json:"closed"`
	Read                     bool     `json:"read"`
	Labels                   []string `json:"labels"`
	UnattendedCustomer       bool     `json:"unattended_customer"`
	AutoresponseEnabled      bool     `json:"chatgpt_autoresponse_enabled"`
	AccountID                string   `json:"whatsapp_account_id"`
	ChatURL                  string   `json:"chat_url"`
	CreatedTimestamp         string   `json:"created_timestamp"`
	LastMessageUID           *string  `json:"last_message_uid"`
	LastMessageTimestamp     *string  `json:"last_message_timestamp"`
	ResponsibleName          *string  `json:"responsible_name"`
	ResponsibleEmail         *string  `json:"responsible_email"`
	PreviousResponsibleName  *string  `json:"previous_responsible_name"`
	PreviousResponsibleEmail *string  `json:"previous_responsible_email"`
}

// accountBody is the body of whatsapp:account:….
type accountBody struct {
	EventType string  `json:"event_type"`
	Account   account `json:"whatsapp_account"`
}

type account struct {
	ID             string  `json:"id"` // JID
	Phone          string  `json:"phone"`
	ConnectedOn    string  `json:"connected_on"`
	DisconnectedOn *string `json:"disconnected_on"`
	Status         string  `json:"status"` // active, disconnected
	AccountName    string  `json:"account_name"`
	OwnerName      string  `json:"owner_name"`
	OwnerEmail     string  `json:"owner_email"`
}

// callBody is the body of call:….
type callBody struct {
	EventType string      `json:"event_type"`
	Chat      callChat    `json:"chat"`
	Account   callAccount `json:"whatsapp_account"`
	Details   callDetails `json:"call_details"`
}

// callChat is a chat in bodies about calls and reactions.
type callChat struct {
	FullName         string  `json:"full_name"`
	ChatURL          string  `json:"chat_url"`
	ChatID           int64   `json:"chat_id"`
	ChatType         string  `json:"chat_type"` // direct, group
	Platform         string  `json:"platform"`  // whatsapp
	Phone            string  `json:"phone"`     // digits without "+"; "" for groups
	ResponsibleName  *string `json:"responsible_name"`
	ResponsibleEmail *string `json:"responsible_email"`
}

// callAccount is a WhatsApp account in bodies about calls and reactions.
type callAccount struct {
	WID      string `json:"whatsapp_account_wid"` // JID
	FullName string `json:"full_name"`
	Email    string `json:"email"`
	Phone    string `json:"phone"`
}

type callDetails struct {
	Duration   *int64 `json:"duration"`  // seconds; null when nobody knows
	Direction  string `json:"direction"` // incoming, outgoing
	IsVideo    bool   `json:"is_video"`
	Status     string `json:"status"`
	Timestamp  string `json:"timestamp"`
	MessageUID string `json:"message_uid"`
	Caller     party  `json:"caller"`
	Recipient  party  `json:"recipient"`
}

// reactionBody is the body of message:reaction.
type reactionBody struct {
	EventType string      `json:"event_type"`
	Chat      callChat    `json:"chat"`
	Account   callAccount `json:"whatsapp_account"`
	Reaction  reaction    `json:"reaction"`
}

type reaction struct {
	MessageUID string         `json:"message_uid"`
	Action     string         `json:"action"` // set, clear
	Emoji      string         `json:"emoji"`  // of a clear: the one that is gone
	Timestamp  string         `json:"timestamp"`
	Reactions  map[string]int `json:"reactions"` // all of the message after the change
	Reactor    party          `json:"reactor"`
}
