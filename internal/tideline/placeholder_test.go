package tideline_test

import (
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestPlaceholdersOfATemplate(t *testing.T) {
	t.Parallel()
	ana := tideline.Fill{ContactName: "Ana", Phone: "+14840000001", MyName: "Ben"}
	for name, test := range map[string]struct {
		text string
		fill tideline.Fill
		want string
	}{
		"all of them":                    {"Hello {contact_name} ({phone}), this is {my_name}.", ana, "Hello Ana (+14840000001), this is Ben."},
		"one twice":                      {"{my_name} {my_name}", ana, "Ben Ben"},
		"none":                           {"Hello.", ana, "Hello."},
		"an unknown one stays":           {"Your code is {code}, {Contact_Name}", ana, "Your code is {code}, {Contact_Name}"},
		"braces that mean nothing":       {"{ {} } {phone", ana, "{ {} } {phone"},
		"nested":                         {"{{phone}}", ana, "{+14840000001}"},
		"a contact without a name":       {"Hello {contact_name}", tideline.Fill{Phone: "+14840000001"}, "Hello +14840000001"},
		"a group has no number":          {"Hello {contact_name}{phone}", tideline.Fill{ContactName: "Friends"}, "Hello Friends"},
		"a name that is a placeholder":   {"{contact_name}", tideline.Fill{ContactName: "{my_name}", MyName: "Ben"}, "{my_name}"},
		"names that make a placeholder":  {"{my_name}phone}", tideline.Fill{MyName: "{", Phone: "+1"}, "{phone}"},
		"a name with what others expand": {"{contact_name}", tideline.Fill{ContactName: "$1 %s \\"}, "$1 %s \\"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tideline.FillTemplate(test.text, test.fill); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Whatever the text and the names are, the result is the text between the
// placeholders, in its order, with the names between.
func FuzzFillTemplate(f *testing.F) {
	f.Add("Hello {contact_name} ({phone}), this is {my_name}.", "Ana", "+14840000001", "Ben")
	f.Add("{{phone}}{contact_name", "{phone}", "", "{my_name}")
	f.Fuzz(func(t *testing.T, text, contact, phone, me string) {
		fill := tideline.Fill{ContactName: contact, Phone: tideline.Phone(phone), MyName: me}
		name := contact
		if name == "" {
			name = phone
		}
		var want strings.Builder
		for rest := text; rest != ""; {
			switch {
			case strings.HasPrefix(rest, "{contact_name}"):
				want.WriteString(name)
				rest = rest[len("{contact_name}"):]
			case strings.HasPrefix(rest, "{phone}"):
				want.WriteString(phone)
				rest = rest[len("{phone}"):]
			case strings.HasPrefix(rest, "{my_name}"):
				want.WriteString(me)
				rest = rest[len("{my_name}"):]
			default:
				want.WriteByte(rest[0])
				rest = rest[1:]
			}
		}
		if got := tideline.FillTemplate(text, fill); got != want.String() {
			t.Errorf("%q with %+v is %q, want %q", text, fill, got, want.String())
		}
	})
}
