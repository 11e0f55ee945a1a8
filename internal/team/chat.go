package team

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ChatChange says what to change of a chat; nil stays as it is.
type ChatChange struct {
	Name        *string // at most tideline.MaxChatName characters, not blank; unique in the workspace
	Responsible *string // e-mail of a member; "" = nobody
	Closed      *bool
	Read        *bool
	AutoReply   *bool
}

// ChangeChat changes a chat, all of c or nothing, and shows it. Errors:
// permission_denied, not_found (chat or member), validation_error.
func (s *Service) ChangeChat(ctx context.Context, p *tideline.Principal, chatID int64, c ChatChange) (store.ChatView, error) {
	if err := mayWork(p); err != nil {
		return store.ChatView{}, err
	}
	u := store.ChatUpdate{Closed: c.Closed, Read: c.Read, AutoReply: c.AutoReply, By: p.Member.ID, At: s.now()}
	if c.Name != nil {
		name := strings.TrimSpace(*c.Name)
		if err := checkText("name", name, tideline.MaxChatName); err != nil {
			return store.ChatView{}, err
		}
		u.Name = &name
	}
	if c.Responsible != nil {
		id, err := s.memberID(ctx, p, *c.Responsible)
		if err != nil {
			return store.ChatView{}, err
		}
		u.Responsible = &id
	}
	err := s.store.UpdateChat(ctx, p.Workspace.ID, chatID, u)
	if tideline.IsCode(err, tideline.CodeConflict) {
		return store.ChatView{}, tideline.Errorf(tideline.CodeValidation, "Another chat of the workspace is called %q already; names are unique", *u.Name)
	}
	if err != nil {
		return store.ChatView{}, err
	}
	return s.store.ChatView(ctx, p.Workspace.ID, chatID)
}

// memberID finds a present member by e-mail; 0 for "".
func (s *Service) memberID(ctx context.Context, p *tideline.Principal, email string) (int64, error) {
	email = strings.TrimSpace(email)
	if email == "" {
		return 0, nil
	}
	members, err := s.store.ListMembers(ctx, p.Workspace.ID)
	if err != nil {
		return 0, err
	}
	for i := range members {
		if strings.EqualFold(members[i].Email, email) {
			return members[i].ID, nil
		}
	}
	return 0, tideline.Errorf(tideline.CodeNotFound, "Teammate %s not found in this workspace", email)
}

// maxLabels bounds the labels of one request.
const maxLabels = 100

// Labels gives the names of a chat's labels in alphabetical order: not_found.
func (s *Service) Labels(ctx context.Context, p *tideline.Principal, chatID int64) ([]string, error) {
	return s.store.ChatLabels(ctx, p.Workspace.ID, chatID)
}

// PutLabels adds labels to a chat, or with replace gives it these and no others,
// and shows what it has then. Labels that the workspace doesn't have are made.
// Errors: permission_denied, not_found, validation_error.
func (s *Service) PutLabels(ctx context.Context, p *tideline.Principal, chatID int64, labels []string, replace bool) ([]string, error) {
	if err := mayWork(p); err != nil {
		return nil, err
	}
	var wrong []tideline.FieldError
	clean := make([]string, 0, len(labels))
	for i, label := range labels {
		label = strings.TrimSpace(label)
		path := []string{"labels", fmt.Sprint(i)}
		switch n := utf8.RuneCountInString(label); {
		case n == 0:
			wrong = append(wrong, tideline.FieldError{Path: path, Msg: "can not be empty string"})
		case n > tideline.MaxLabel:
			wrong = append(wrong, tideline.FieldError{Path: path, Msg: fmt.Sprintf("has more than %d characters", tideline.MaxLabel)})
		}
		clean = append(clean, label)
	}
	if len(labels) > maxLabels {
		wrong = append(wrong, tideline.FieldError{Path: []string{"labels"}, Msg: fmt.Sprintf("has more than %d labels", maxLabels)})
	}
	if err := tideline.Invalid(wrong); err != nil {
		return nil, err
	}
	return s.store.PutLabels(ctx, p.Workspace.ID, chatID, clean, replace)
}

// AddNote writes a note in a chat and gives its uid. Every role may. Errors:
// not_found, validation_error.
func (s *Service) AddNote(ctx context.Context, p *tideline.Principal, chatID int64, text string, private bool) (string, error) {
	if err := checkText("text", text, tideline.MaxNote); err != nil {
		return "", err
	}
	uid, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("draw note uid: %w", err)
	}
	return uid.String(), s.store.AddNote(ctx, store.Note{UID: uid.String(), WorkspaceID: p.Workspace.ID, ChatID: chatID,
		MemberID: p.Member.ID, Text: text, Private: private, At: s.now()})
}

// Viewer says which chats p may see where only their own are shown; nil = all.
// Owner and admins see all, supervisors and teammates those of their team's
// accounts, the others those of their own accounts; all see what they are
// responsible for.
func (s *Service) Viewer(ctx context.Context, p *tideline.Principal) (*store.Viewer, error) {
	if p.Member.Role.Administers() {
		return nil, nil
	}
	accounts, _, err := s.store.AccountsOf(ctx, p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	owners := map[string]bool{strings.ToLower(p.Member.Email): true}
	if p.Member.Role.SeesTeam() {
		members, err := s.store.ListMembers(ctx, p.Workspace.ID)
		if err != nil {
			return nil, err
		}
		for i := range members {
			if members[i].TeamID == p.Member.TeamID {
				owners[strings.ToLower(members[i].Email)] = true
			}
		}
	}
	v := &store.Viewer{MemberID: p.Member.ID}
	for i := range accounts {
		if owners[strings.ToLower(accounts[i].OwnerEmail)] {
			v.Accounts = append(v.Accounts, accounts[i].ID)
		}
	}
	return v, nil
}

// mayWork refuses the role that only reads and writes notes.
func mayWork(p *tideline.Principal) error {
	if p.Member.Role.MaySend() {
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may read chats and write notes, but not change anything else", p.Member.Role)
}

// checkText keeps out texts that are blank, too long, or that a database would
// refuse.
func checkText(field, text string, limit int) error {
	msg := ""
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		msg = "must be UTF-8 without the character U+0000"
	case strings.TrimSpace(text) == "":
		msg = "can not be empty string"
	case utf8.RuneCountInString(text) > limit:
		msg = fmt.Sprintf("has more than %d characters", limit)
	default:
		return nil
	}
	return tideline.Invalid([]tideline.FieldError{{Path: []string{field}, Msg: msg}})
}
