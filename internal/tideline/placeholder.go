package tideline

import "strings"

// The placeholders of a text template. They are replaced when a member inserts
// the template, so that the member reads what is going to be sent.
const (
	PlaceholderContact = "{contact_name}" // the chat's name
	PlaceholderPhone   = "{phone}"        // the contact's number; nothing in a group
	PlaceholderMe      = "{my_name}"      // the name of the member who inserts it
)

// Fill is what the placeholders of a text template stand for in one chat.
type Fill struct {
	ContactName string // "" = the number stands for it
	Phone       Phone
	MyName      string
}

// FillTemplate gives text with its placeholders replaced. Everything else stays
// as it is, braces included: other words in braces may be meant. What is put in is
// not looked at again, so that a contact who is called "{phone}" is called that.
func FillTemplate(text string, f Fill) string {
	name := f.ContactName
	if name == "" {
		name = string(f.Phone)
	}
	// A Replacer goes through the text once and never over what it put in.
	return strings.NewReplacer(
		PlaceholderContact, name,
		PlaceholderPhone, string(f.Phone),
		PlaceholderMe, f.MyName,
	).Replace(text)
}
