package message

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// target finds the account that sends r and the chat that it goes to. r has been
// validated.
func (s *Service) target(ctx context.Context, p *tideline.Principal, r *SendRequest) (*tideline.Account, store.ChatRef, error) {
	if r.ChatID != 0 {
		return s.chatTarget(ctx, p, r.ChatID)
	}
	if r.ToName != nil {
		return s.namedTarget(ctx, p, r)
	}
	account, err := s.sender(ctx, p, r)
	if err != nil {
		return nil, store.ChatRef{}, err
	}
	ref := store.ChatRef{Name: strings.TrimSpace(given(r.ChatName))}
	if r.JID != nil {
		ref.JID, err = recipientJID(*r.JID)
		ref.Phone = ref.JID.Phone()
		if err == nil && ref.JID.IsGroup() {
			err = s.mayWrite(ctx, p.Workspace.ID, account.ID, ref.JID)
		}
		return account, ref, err
	}
	ref.Phone, err = tideline.ParsePhone(r.Phone)
	ref.JID = ref.Phone.JID()
	return account, ref, err
}

// chatTarget finds a chat and the account that it belongs to.
func (s *Service) chatTarget(ctx context.Context, p *tideline.Principal, chatID int64) (*tideline.Account, store.ChatRef, error) {
	chat, err := s.store.Chat(ctx, p.Workspace.ID, chatID)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil, store.ChatRef{}, tideline.Errorf(tideline.CodeNotFound, "Whatsapp chat_id %d not found", chatID)
	}
	if err != nil {
		return nil, store.ChatRef{}, err
	}
	return s.known(ctx, p, &chat)
}

// namedTarget finds the chat with the name that r gives.
func (s *Service) namedTarget(ctx context.Context, p *tideline.Principal, r *SendRequest) (*tideline.Account, store.ChatRef, error) {
	var named *tideline.Account
	if r.AccountPhone != nil || r.AccountID != nil {
		var err error
		if named, err = s.sender(ctx, p, r); err != nil {
			return nil, store.ChatRef{}, err
		}
	}
	name := strings.TrimSpace(*r.ToName)
	chat, err := s.store.ChatByName(ctx, p.Workspace.ID, name)
	switch {
	case tideline.IsCode(err, tideline.CodeNotFound):
		return nil, store.ChatRef{}, tideline.Errorf(tideline.CodeNotFound, "Whatsapp chat %q not found: give the exact name of a chat", name)
	case err != nil:
		return nil, store.ChatRef{}, err
	case named != nil && named.ID != chat.AccountID:
		return nil, store.ChatRef{}, tideline.Errorf(tideline.CodeNotFound, "Whatsapp chat %q not found: it is not a chat of %s", name, named.Phone)
	}
	return s.known(ctx, p, &chat)
}

// known gives the account that a chat belongs to, and the chat as storage names it.
func (s *Service) known(ctx context.Context, p *tideline.Principal, chat *tideline.Chat) (*tideline.Account, store.ChatRef, error) {
	accounts, err := s.accounts.of(ctx, p.Workspace.ID, p.Version)
	if err != nil {
		return nil, store.ChatRef{}, err
	}
	switch chat.JID.Server() {
	case tideline.ServerUser, tideline.ServerLID, tideline.ServerGroup:
	default: // lists and channels
		return nil, store.ChatRef{}, tideline.Errorf(tideline.CodeValidation, "Cannot message this group: chat %d is not one that can be written to", chat.ID)
	}
	for i := range accounts {
		if accounts[i].ID == chat.AccountID {
			account, err := usable(&accounts[i])
			if err == nil {
				err = barred(chat.Bar)
			}
			return account, store.ChatRef{JID: chat.JID, Phone: chat.Phone, Name: chat.Name}, err
		}
	}
	return nil, store.ChatRef{}, tideline.Errorf(tideline.CodeNotFound, "The WhatsApp account of chat %d was removed from this workspace", chat.ID)
}

// mayWrite refuses a group that the account can't write to.
func (s *Service) mayWrite(ctx context.Context, workspaceID, accountID int64, group tideline.JID) error {
	bar, err := s.store.BarOf(ctx, workspaceID, accountID, group)
	if err != nil {
		return err
	}
	return barred(bar)
}

// barred is the refusal of a chat that can't be written to; nil when it can.
func barred(b tideline.Bar) error {
	if b == "" {
		return nil
	}
	return tideline.Errorf(tideline.CodeValidation, "Cannot message this group: %s", b.Reason())
}

// answered gives the WhatsApp id of the message that r answers; "" for none.
func (s *Service) answered(ctx context.Context, workspaceID, accountID int64, chat store.ChatRef, r *SendRequest) (string, error) {
	if given(r.ReplyTo) == "" {
		return "", nil
	}
	uid, err := uuid.Parse(*r.ReplyTo)
	if err != nil {
		return "", err // Validate has looked
	}
	v, err := s.store.MessageByUID(ctx, workspaceID, uid.String())
	switch {
	case tideline.IsCode(err, tideline.CodeNotFound):
		return "", tideline.Errorf(tideline.CodeNotFound, "Message uid %s, to be answered, not found", uid)
	case err != nil:
		return "", err
	case v.Message.AccountID != accountID || v.Chat.JID != chat.JID && v.Chat.LID != chat.JID:
		return "", tideline.Invalid([]tideline.FieldError{{Path: []string{"reply_to"}, Msg: "must be a message of the same chat"}})
	}
	return v.Message.WhatsAppID, nil
}
