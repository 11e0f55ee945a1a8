package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Store is everything that storage can do. Services ask for the part they use.
type Store interface {
	Acceptor
	Replayer
	Settler
	Receiver
	Downloads
	Outbox
	Directory
	Workspaces
	Members
	Tokens
	Accounts
	Chats
	Messages
	Files
	Ledger
	Settings
	Profiles
	Histories
	ChatWork
	Teams
	TextTemplates
	FileList
	Events
	FanOut
	Webhooks
	Deliverer
	DeliveryLog
	Sessions
	Selves
	Changes
	AuditLog
	TokenUses
	TeamSettings
	QueueControl
	QueueStart
	QueueReader
	Usage
	Labels
	AttachmentTemplates
	WebhookHealth
	ChatCounts
	Nodes
	Signals
	SharedQueue
	SharedAccounts
	Keeper
	SharedWork

	// Close waits for running transactions and releases the database.
	Close() error
}

// Directory is what authentication and acceptance look up for every request;
// they keep it in memory together with its version.
type Directory interface {
	// Version gives the configuration version: a number that grows with every
	// change to workspaces, plans, members, tokens and accounts, made by any process.
	Version(ctx context.Context) (int64, error)
	// PrincipalByToken finds the holder of the token whose SHA-256 is hash,
	// together with the version at which all of it was read. Errors: invalid_token
	// (unknown, revoked or expired at now), member_not_found (the member was removed).
	PrincipalByToken(ctx context.Context, hash [32]byte, now time.Time) (tideline.Principal, error)
	// AccountsOf lists the workspace's accounts, the most recently connected first,
	// together with the version at which they were read.
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
}

// Workspaces keeps tenants and plans.
type Workspaces interface {
	// CreateWorkspace makes a workspace with its owner and opens its first period.
	// w.Plan needs only its name. Errors: conflict (slug taken), not_found (plan).
	CreateWorkspace(ctx context.Context, w tideline.Workspace, owner tideline.Member) (tideline.Workspace, tideline.Member, error)
	// WorkspaceBySlug: not_found.
	WorkspaceBySlug(ctx context.Context, slug string) (tideline.Workspace, error)
	// ListWorkspaces gives all of them by slug; it serves the operator.
	ListWorkspaces(ctx context.Context) ([]tideline.Workspace, error)
	// UpdateWorkspace changes what u sets. A new gap rescales the gaps of the
	// messages that are queued. Credits, plan or extra credits change the balance
	// of the running period and write ledger entries. Errors: not_found.
	UpdateWorkspace(ctx context.Context, workspaceID int64, u WorkspaceUpdate) (tideline.Workspace, error)

	// PutPlan makes or replaces a plan by name. Running periods keep their grant.
	PutPlan(ctx context.Context, p tideline.Plan) error
	// ListPlans gives all plans by name.
	ListPlans(ctx context.Context) ([]tideline.Plan, error)
}

// WorkspaceUpdate changes the fields that are not nil.
type WorkspaceUpdate struct {
	DisplayName *string
	TimeZone    *string
	Plan        *string           // name; also clears Credits unless that is set too
	Credits     *tideline.Credits // per period; tideline.Unlimited
	AddExtra    *tideline.Credits // adds non-recurring credits
	Gap         *tideline.Gap
	Note        string // for the ledger: who did it
	At          time.Time
}

// Members keeps people.
type Members interface {
	// AddMember: conflict when a present member of the workspace has the e-mail.
	AddMember(ctx context.Context, m tideline.Member) (tideline.Member, error)
	// ListMembers gives present members by id.
	ListMembers(ctx context.Context, workspaceID int64) ([]tideline.Member, error)
	// SetMemberRole: not_found.
	SetMemberRole(ctx context.Context, workspaceID, memberID int64, role tideline.Role) error
	// RemoveMember ends a membership at the given time: not_found.
	RemoveMember(ctx context.Context, workspaceID, memberID int64, at time.Time) error
}

// Tokens keeps bearer credentials, as hashes only.
type Tokens interface {
	// CreateToken stores t under hash, the SHA-256 of its text.
	CreateToken(ctx context.Context, t tideline.Token, hash [32]byte) (tideline.Token, error)
	// ListTokens gives the workspace's tokens by id, revoked ones too.
	ListTokens(ctx context.Context, workspaceID int64) ([]tideline.Token, error)
	// RevokeToken ends a token at the given time; doing it twice is fine. not_found.
	RevokeToken(ctx context.Context, workspaceID, tokenID int64, at time.Time) error
}

// Accounts keeps WhatsApp numbers.
type Accounts interface {
	// PutAccount makes an account or, when the workspace has one with the same
	// JID, updates its device, name and owner (a number that is paired again).
	// conflict when another workspace has the number.
	PutAccount(ctx context.Context, a tideline.Account) (tideline.Account, error)
	// Account: not_found.
	Account(ctx context.Context, workspaceID, accountID int64) (tideline.Account, error)
	// SetAccountState notes a state; entering AccountActive sets ConnectedOn to at.
	// It serves the supervisor and spans workspaces. not_found.
	SetAccountState(ctx context.Context, accountID int64, state tideline.AccountState, reason string, at time.Time) error
	// SetAccountName notes the push name. It serves the supervisor. not_found.
	SetAccountName(ctx context.Context, accountID int64, name string) error
	// SetAccountHold notes until when WhatsApp restricts an account, in place of what
	// was noted before. It serves the supervisor. not_found.
	SetAccountHold(ctx context.Context, accountID int64, h tideline.Hold) error
	// AllAccounts lists the accounts of all workspaces by id, for the supervisor.
	AllAccounts(ctx context.Context) ([]tideline.Account, error)
	// RemoveAccount deletes nothing that was said: it fails the account's queued
	// messages with account_removed (and refunds them) and hides the account. not_found.
	RemoveAccount(ctx context.Context, workspaceID, accountID int64, at time.Time) error
}

// Chats reads chats. The id of a chat that another one took over names that one.
type Chats interface {
	// Chat: not_found.
	Chat(ctx context.Context, workspaceID, chatID int64) (tideline.Chat, error)
	// ChatByName finds a chat by its exact name, which is unique in the workspace:
	// not_found.
	ChatByName(ctx context.Context, workspaceID int64, name string) (tideline.Chat, error)
	// ChatLabels gives the names of a chat's labels in alphabetical order.
	ChatLabels(ctx context.Context, workspaceID, chatID int64) ([]string, error)
	// ChatView: not_found.
	ChatView(ctx context.Context, workspaceID, chatID int64) (ChatView, error)
	// ChatWith finds the chat of an account with a contact or group, by any of its
	// addresses: not_found.
	ChatWith(ctx context.Context, workspaceID, accountID int64, peer tideline.Peer) (tideline.Chat, error)
	// ListChats lists chats by the time of their last message, the latest first,
	// then by name, and says whether there are more after the page.
	ListChats(ctx context.Context, workspaceID int64, f ChatFilter, p Page) ([]ChatView, bool, error)
	// BarOf says why an account can't write in a group; "" when it can, or when there
	// is no chat with it yet.
	BarOf(ctx context.Context, workspaceID, accountID int64, group tideline.JID) (tideline.Bar, error)
}

// MessageView is a message with what is needed to show it.
type MessageView struct {
	Message    tideline.Message
	Chat       tideline.Chat
	Account    tideline.Account
	File       *tideline.File
	MemberName string
	History    []tideline.StatusChange // oldest first; waiting in the outbox is no change, it began at Message.AcceptedAt; not read by ChatMessages

	ReplyToUID string              // of the message that this one answers; "" = none, or not here
	Reactions  []tideline.Reaction // the oldest first
}

// Place is where a queued message stands.
type Place struct {
	Position int       // messages of the same lane before it
	Expected time.Time // when it will be sent if the account stays connected: the lane's clock plus the stored gaps up to it; zero when the lane never sent and nothing is before it, that is: now
	Note     string    // why the last attempt to send it did not end it; "" when there was none
	// HeldUntil is when WhatsApp's limit on first messages to strangers ends, for
	// which it waits while others overtake it; zero when it does not.
	HeldUntil time.Time
}

// NoteReachOutLimited is the note of a queued message that waits for the end of
// WhatsApp's limit on first messages to strangers.
const NoteReachOutLimited = "held back: WhatsApp lets this account write to nobody new for now"

// Messages reads messages.
type Messages interface {
	// MessageByUID: not_found.
	MessageByUID(ctx context.Context, workspaceID int64, uid string) (MessageView, error)
	// ChatMessages lists a chat's messages by their time, the latest first unless
	// f says otherwise, and says whether there are more after the page. Messages in
	// the queue have the time at which they were accepted. Errors: not_found (the
	// chat, or a message that f names).
	ChatMessages(ctx context.Context, workspaceID, chatID int64, f MessageFilter, p Page) ([]MessageView, bool, error)
	// PutReaction notes the reaction of the account itself to a message, which
	// WhatsApp has taken: not_found.
	PutReaction(ctx context.Context, workspaceID, messageID int64, emoji string, at time.Time) error
	// PlaceOf says where a message stands in its lane: not_found when it is not queued.
	PlaceOf(ctx context.Context, workspaceID, messageID int64) (Place, error)
	// QueueLength counts the workspace's queued messages.
	QueueLength(ctx context.Context, workspaceID int64) (int64, error)
}

// Files keeps what is known about uploads; their bytes are in blob storage.
type Files interface {
	// CreateFile stores f, whose bytes must be durable already.
	CreateFile(ctx context.Context, f tideline.File) (tideline.File, error)
	// FileByUID: not_found.
	FileByUID(ctx context.Context, workspaceID int64, uid string) (tideline.File, error)
	// FileForLink finds a file by its uid alone, for links that carry their own
	// signature instead of a token: not_found.
	FileForLink(ctx context.Context, uid string) (tideline.File, error)
	// WithdrawFile removes the record of a file that was made for one message, which
	// was then refused. The caller knows that nothing refers to it; that a file is
	// not there is no error.
	WithdrawFile(ctx context.Context, workspaceID, fileID int64) error
	// CreateTemplate keeps a file of the workspace as an attachment template: not_found (file).
	CreateTemplate(ctx context.Context, t tideline.AttachmentTemplate) (tideline.AttachmentTemplate, error)
	// Template: not_found.
	Template(ctx context.Context, workspaceID, templateID int64) (tideline.AttachmentTemplate, tideline.File, error)
	// ListTemplates gives the workspace's templates by id.
	ListTemplates(ctx context.Context, workspaceID int64) ([]tideline.AttachmentTemplate, error)
	FileRecords
}

// APIUsage is a workspace's public API calls in a period.
type APIUsage struct {
	WorkspaceID int64
	PeriodStart time.Time
	Calls       int64
}

// Ledger reads credits.
type Ledger interface {
	// Balance gives the workspace's balance; it opens a new period when the stored
	// one is over at now.
	Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error)
	// LedgerEntries lists entries with an id above after, oldest first, at most limit.
	LedgerEntries(ctx context.Context, workspaceID, after int64, limit int) ([]tideline.Entry, error)
	// AuditLedger recomputes every workspace's balance from its entries and its
	// messages and lists what does not agree, in words; none when all is well. It
	// serves the operator and the tests.
	AuditLedger(ctx context.Context) ([]string, error)
	// AddAPICalls counts calls of the public API.
	AddAPICalls(ctx context.Context, usage []APIUsage) error
	// APICalls reads the count of a period; 0 when there was none.
	APICalls(ctx context.Context, workspaceID int64, periodStart time.Time) (int64, error)
}

// Settings keeps the server's own values.
type Settings interface {
	// Secret gives the value under name, making it with size random bytes the
	// first time; concurrent first calls, also of several processes, agree.
	Secret(ctx context.Context, name string, size int) ([]byte, error)
	// Setting gives what SetSetting stored under name; "" when nothing was.
	Setting(ctx context.Context, name string) (string, error)
	// SetSetting keeps a value that an operator changed while the server ran.
	SetSetting(ctx context.Context, name, value string) error
	// Prune deletes what has a limited life and is over at now: idempotency
	// keys, receipts and changes whose messages never came, events that were fanned
	// out, deliveries with their attempts, sessions and one-time links.
	Prune(ctx context.Context, now time.Time) error
}
