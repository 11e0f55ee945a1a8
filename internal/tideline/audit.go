package tideline

import (
	"slices"
	"strings"
	"time"
)

// AuditLife is how long entries of the audit log are kept.
const AuditLife = 400 * 24 * time.Hour

// AuditAction is what was done, as "thing.what". The set is closed.
type AuditAction string

// The actions.
const (
	AuditWorkspaceCreated AuditAction = "workspace.created"
	AuditWorkspaceChanged AuditAction = "workspace.changed"
	AuditPlanChanged      AuditAction = "plan.changed" // the figures of the workspace's plan

	AuditMemberAdded       AuditAction = "member.added"
	AuditMemberInvited     AuditAction = "member.invited" // again, too
	AuditInvitationRevoked AuditAction = "member.invitation_revoked"
	AuditRoleChanged       AuditAction = "member.role_changed"
	AuditMemberMoved       AuditAction = "member.moved" // to another team
	AuditMemberRemoved     AuditAction = "member.removed"
	AuditMemberJoined      AuditAction = "member.joined"  // an invited one
	AuditMemberChanged     AuditAction = "member.changed" // by themselves: name, e-mail
	AuditPasswordChanged   AuditAction = "member.password_changed"
	AuditLinkCreated       AuditAction = "member.link_created" // a one-time link

	AuditTeamCreated AuditAction = "team.created"
	AuditTeamRenamed AuditAction = "team.renamed"
	AuditTeamDeleted AuditAction = "team.deleted"

	AuditTokenCreated AuditAction = "token.created"
	AuditTokenRevoked AuditAction = "token.revoked"

	AuditAccountPaired    AuditAction = "account.paired"
	AuditAccountLoggedOut AuditAction = "account.logged_out"
	AuditAccountRemoved   AuditAction = "account.removed"
	AuditAccountPaused    AuditAction = "account.paused"
	AuditAccountResumed   AuditAction = "account.resumed"

	AuditQueueCancelled AuditAction = "queue.cancelled" // messages of an account's queue
	AuditQueuePromoted  AuditAction = "queue.promoted"  // one goes first

	AuditWebhookCreated AuditAction = "webhook.created"
	AuditWebhookChanged AuditAction = "webhook.changed"
	AuditWebhookDeleted AuditAction = "webhook.deleted"
	AuditSecretRotated  AuditAction = "webhook.secret_changed"

	AuditTemplateCreated AuditAction = "template.created"
	AuditTemplateChanged AuditAction = "template.changed"
	AuditTemplateDeleted AuditAction = "template.deleted"

	AuditLabelCreated AuditAction = "label.created" // by itself, not by being put on a chat
	AuditLabelChanged AuditAction = "label.changed"
	AuditLabelMerged  AuditAction = "label.merged" // into another one, and is gone
	AuditLabelDeleted AuditAction = "label.deleted"

	AuditFileDeleted AuditAction = "file.deleted"

	AuditChatRenamed    AuditAction = "chat.renamed"
	AuditChatAssigned   AuditAction = "chat.assigned"
	AuditChatUnassigned AuditAction = "chat.unassigned"
	AuditChatClosed     AuditAction = "chat.closed"
	AuditChatReopened   AuditAction = "chat.reopened" // by a person; a message that opens a chat is no entry
	AuditChatLabelled   AuditAction = "chat.labelled"
	AuditAutoReply      AuditAction = "chat.auto_reply_changed"
)

// AuditActions lists the set.
func AuditActions() []AuditAction {
	return []AuditAction{
		AuditWorkspaceCreated, AuditWorkspaceChanged, AuditPlanChanged,
		AuditMemberAdded, AuditMemberInvited, AuditInvitationRevoked, AuditRoleChanged, AuditMemberMoved, AuditMemberRemoved,
		AuditMemberJoined, AuditMemberChanged, AuditPasswordChanged, AuditLinkCreated,
		AuditTeamCreated, AuditTeamRenamed, AuditTeamDeleted,
		AuditTokenCreated, AuditTokenRevoked,
		AuditAccountPaired, AuditAccountLoggedOut, AuditAccountRemoved, AuditAccountPaused, AuditAccountResumed,
		AuditQueueCancelled, AuditQueuePromoted,
		AuditWebhookCreated, AuditWebhookChanged, AuditWebhookDeleted, AuditSecretRotated,
		AuditTemplateCreated, AuditTemplateChanged, AuditTemplateDeleted,
		AuditLabelCreated, AuditLabelChanged, AuditLabelMerged, AuditLabelDeleted,
		AuditFileDeleted,
		AuditChatRenamed, AuditChatAssigned, AuditChatUnassigned, AuditChatClosed, AuditChatReopened, AuditChatLabelled, AuditAutoReply,
	}
}

// Group is what an action is about: the word before the dot.
func (a AuditAction) Group() string {
	group, _, _ := strings.Cut(string(a), ".")
	return group
}

// AuditGroups lists the groups of the actions, in the actions' order.
func AuditGroups() []string {
	var groups []string
	for _, a := range AuditActions() {
		if g := a.Group(); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// Kinds of what an audit entry is about.
const (
	TargetWorkspace          = "workspace"
	TargetMember             = "member"
	TargetTeam               = "team"
	TargetToken              = "token"
	TargetAccount            = "account"
	TargetWebhook            = "webhook"
	TargetTemplate           = "template"
	TargetAttachmentTemplate = "attachment_template"
	TargetLabel              = "label"
	TargetFile               = "file"
	TargetChat               = "chat"
)

// AuditTarget is what an action was done to. The name is the one that it had
// then; what a member keeps private has none.
type AuditTarget struct {
	Kind string // one of the Target words
	ID   int64
	Name string
}

// AuditChange is a field before and after; "" is nothing. What is secret, and
// what may be as long as a message, is named without its values.
type AuditChange struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// AuditEntry is one line of a workspace's audit log.
type AuditEntry struct {
	ID          int64 // grows
	WorkspaceID int64
	At          time.Time
	Actor       Actor
	ActorName   string // of the member, as of now; "" = no member
	TokenName   string // likewise
	Action      AuditAction
	Target      AuditTarget
	ChatID      int64 // the chat that it happened in; 0 = none
	Changes     []AuditChange
}
