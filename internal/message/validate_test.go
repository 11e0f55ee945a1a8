package message_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// paths lists the fields that errs blame.
func paths(errs []tideline.FieldError) []string {
	var all []string
	for _, e := range errs {
		all = append(all, strings.Join(e.Path, "."))
	}
	return all
}

func TestValidateBlamesEveryWrongField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request message.SendRequest
		want    []string
	}{
		"plain":                        {message.SendRequest{Phone: "+14840000000", Text: new("hi")}, nil},
		"attachment alone":             {message.SendRequest{Phone: "+14840000000", FileUID: new("u")}, nil},
		"template alone":               {message.SendRequest{Phone: "+14840000000", TemplateID: new(int64(1))}, nil},
		"nothing at all":               {message.SendRequest{}, []string{"phone", "text"}},
		"national number":              {message.SendRequest{Phone: "(415) 555-1234", Text: new("hi")}, []string{"phone"}},
		"blank text with a file":       {message.SendRequest{Phone: "+14840000000", Text: new(" \n"), FileUID: new("u")}, []string{"text"}},
		"2000 characters":              {message.SendRequest{Phone: "+14840000000", Text: new(strings.Repeat("日", 2000))}, nil},
		"2001 characters":              {message.SendRequest{Phone: "+14840000000", Text: new(strings.Repeat("日", 2001))}, []string{"text"}},
		"label of 64":                  {message.SendRequest{Phone: "+14840000000", Text: new("hi"), Label: new(strings.Repeat("ü", 64))}, nil},
		"label of 65, name of 257":     {message.SendRequest{Phone: "+14840000000", Text: new("hi"), Label: new(strings.Repeat("ü", 65)), ChatName: new(strings.Repeat("x", 257))}, []string{"label", "chat_name"}},
		"empty label":                  {message.SendRequest{Phone: "+14840000000", Text: new("hi"), Label: new("")}, []string{"label"}},
		"two attachments":              {message.SendRequest{Phone: "+14840000000", FileUID: new("u"), TemplateID: new(int64(1))}, []string{"attachment_template_id"}},
		"sender that is no number":     {message.SendRequest{Phone: "+14840000000", Text: new("hi"), AccountPhone: new("sales")}, []string{"whatsapp_account_phone"}},
		"sender as JID":                {message.SendRequest{Phone: "+14840000000", Text: new("hi"), AccountID: new("14841111111@s.whatsapp.net")}, nil},
		"sender as JID in phone":       {message.SendRequest{Phone: "+14840000000", Text: new("hi"), AccountPhone: new("14841111111:3@s.whatsapp.net")}, nil},
		"sender that is a group":       {message.SendRequest{Phone: "+14840000000", Text: new("hi"), AccountID: new("1203@g.us")}, []string{"whatsapp_account_id"}},
		"template id that can't be":    {message.SendRequest{Phone: "+14840000000", TemplateID: new(int64(0))}, []string{"attachment_template_id"}},
		"everything wrong at one time": {message.SendRequest{Phone: "x", AccountPhone: new("y"), Text: new(""), FileUID: new(" "), Label: new(" "), ChatName: new("")}, []string{"phone", "whatsapp_account_phone", "text", "file_uid", "label", "chat_name"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, paths(message.Validate(&c.request))); diff != "" {
				t.Errorf("blamed fields (-want +got):\n%s", diff)
			}
		})
	}
}
