package tideline

// ChangeKind says what a Change is about.
type ChangeKind string

// The kinds of changes.
const (
	// ChangeMessage: a message or note is new, or its status, text, attachment or
	// reactions changed, or it was taken back. The last message and the unread count
	// of its chat may have changed with it, and so may the queue and the credits.
	ChangeMessage ChangeKind = "message"
	// ChangeChat: a chat was made, or its name, addresses, picture, members, labels,
	// responsible member or a flag changed. A chat that another one took over is
	// named once more, beside that one.
	ChangeChat ChangeKind = "chat"
	// ChangeAccount: an account was paired or removed, or its state, name, owner or a
	// restriction changed.
	ChangeAccount ChangeKind = "account"
	// ChangeQueue: why, when or in which order queued messages are sent, or what a
	// workspace may spend, changed otherwise than by a message.
	ChangeQueue ChangeKind = "queue"
	// ChangeSettings: the workspace itself, its members, teams, tokens, labels,
	// templates or webhooks.
	ChangeSettings ChangeKind = "settings"
)

// Change says that something is not any more what was read before. It says where
// to look, not what is there now.
type Change struct {
	WorkspaceID int64
	Kind        ChangeKind
	AccountID   int64 // 0 = none; of a message and a chat always set
	ChatID      int64 // 0 = none
	MessageID   int64 // 0 = none
	// Formerly is the member who was responsible for the chat until this change; 0
	// when that stays as it was, or nobody was. Whoever shows a member only their own
	// chats has to tell this one that the chat is gone.
	Formerly int64
}
