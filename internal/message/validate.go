package message

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Validate checks every value of r and lists all that is wrong, in the order of
// the documented fields; nil when nothing is. It looks nothing up: an account or
// file that doesn't exist is found by Send.
func Validate(r *SendRequest) []tideline.FieldError {
	var errs []tideline.FieldError
	add := func(field, format string, args ...any) {
		errs = append(errs, tideline.FieldError{Path: []string{field}, Msg: fmt.Sprintf(format, args...)})
	}
	if r.JID != nil {
		if _, err := recipientJID(*r.JID); err != nil {
			add("jid", "%s", message(err))
		}
	} else if r.ChatID != 0 {
		// The chat is looked up by Send.
	} else if r.ToName != nil {
		checkName(add, "chat_name", *r.ToName, tideline.MaxChatName)
	} else if _, err := tideline.ParsePhone(r.Phone); err != nil {
		if strings.TrimSpace(r.Phone) == "" {
			add("phone", "is required: a phone number in international form, e.g. +14840000000")
		} else if namesGroup(r.Phone) {
			add("phone", "no chats found for this group: a group has no phone number; write to its chat_id or its jid")
		} else {
			add("phone", "%s", message(err))
		}
	}
	if r.AccountPhone != nil {
		if _, err := senderPhone(*r.AccountPhone); err != nil {
			add("whatsapp_account_phone", "%s", message(err))
		}
	}
	if r.AccountID != nil {
		if _, err := senderPhone(*r.AccountID); err != nil {
			add("whatsapp_account_id", "must be an account's id such as 14840000000@s.whatsapp.net, or its phone number")
		}
	}
	if r.Text != nil {
		switch n := utf8.RuneCountInString(*r.Text); {
		case strings.TrimSpace(*r.Text) == "":
			add("text", "can not be empty string")
		case n > tideline.MaxText:
			add("text", "is %d characters long; at most %d are allowed", n, tideline.MaxText)
		}
	}
	if r.FileUID != nil && strings.TrimSpace(*r.FileUID) == "" {
		add("file_uid", "can not be empty string")
	}
	if r.FileUID != nil && r.TemplateID != nil {
		add("attachment_template_id", "can not be combined with file_uid: a message carries one attachment")
	}
	if r.TemplateID != nil && *r.TemplateID <= 0 {
		add("attachment_template_id", "must be a positive number")
	}
	if r.Text == nil && r.FileUID == nil && r.TemplateID == nil {
		add("text", "is required when there is no attachment: give text, file_uid or attachment_template_id")
	}
	if r.ReplyTo != nil && *r.ReplyTo != "" && uuid.Validate(*r.ReplyTo) != nil {
		add("reply_to", "must be the uid of a message")
	}
	if r.Label != nil {
		checkName(add, "label", *r.Label, tideline.MaxLabel)
	}
	if r.ChatName != nil {
		checkName(add, "chat_name", *r.ChatName, tideline.MaxChatName)
	}
	return errs
}

// namesGroup reports whether somebody gave a group's JID, or its part before the
// "@", for a phone number.
func namesGroup(s string) bool {
	user, server, isJID := strings.Cut(strings.TrimSpace(s), "@")
	if isJID {
		return server == tideline.ServerGroup
	}
	creator, _, old := strings.Cut(user, "-") // until 2021: creator's number, time
	return strings.Trim(user, "0123456789-") == "" &&
		(len(user) > maxPhoneDigits && strings.HasPrefix(user, groupPrefix) || old && len(creator) >= minCreator && len(user) > maxPhoneDigits+1)
}

const (
	maxPhoneDigits = 15
	minCreator     = 10
	groupPrefix    = "120363" // what the ids of groups begin with now
)

// recipientJID reads the address of a person or a group, in a form with or
// without a device part.
func recipientJID(s string) (tideline.JID, error) {
	user, server, _ := strings.Cut(strings.TrimSpace(s), "@")
	user, _, _ = strings.Cut(user, ":")
	digits := strings.Trim(user, "0123456789") == ""
	switch server {
	case tideline.ServerUser, "c.us":
		phone, err := tideline.ParsePhone(user)
		if err != nil || !digits {
			return "", tideline.Errorf(tideline.CodeValidation, "must be made of a phone number in international form, such as 14840000000@s.whatsapp.net")
		}
		return phone.JID(), nil
	case tideline.ServerLID:
		if user != "" && digits && len(user) <= maxJIDUser {
			return tideline.JID(user + "@" + server), nil
		}
	case tideline.ServerGroup:
		if user != "" && strings.Trim(user, "0123456789-") == "" && len(user) <= maxJIDUser {
			return tideline.JID(user + "@" + server), nil
		}
	}
	return "", tideline.Errorf(tideline.CodeValidation, "must be the JID of a person or a group, such as 14840000000@s.whatsapp.net or 120363000000000000@g.us")
}

const maxJIDUser = 64

// checkName adds what is wrong with a name of at most limit characters.
func checkName(add func(field, format string, args ...any), field, value string, limit int) {
	switch n := utf8.RuneCountInString(value); {
	case strings.TrimSpace(value) == "":
		add(field, "can not be empty string")
	case n > limit:
		add(field, "is %d characters long; at most %d are allowed", n, limit)
	}
}

// senderPhone reads how a request names its sender: a phone number, or a
// phone-number JID, with or without a device part.
func senderPhone(s string) (tideline.Phone, error) {
	if user, server, isJID := strings.Cut(s, "@"); isJID {
		if server != tideline.ServerUser && server != "c.us" {
			return "", tideline.Errorf(tideline.CodeValidation, "%q is not the id of an account", s)
		}
		s, _, _ = strings.Cut(user, ":")
	}
	return tideline.ParsePhone(s)
}

// message gives what an error says to the requester.
func message(err error) string {
	if e, ok := errors.AsType[*tideline.Error](err); ok {
		return e.Message
	}
	return err.Error()
}
