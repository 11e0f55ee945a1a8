package tideline_test

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func TestParsePhoneReadsWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]tideline.Phone{
		"+14840000001":        "+14840000001",
		"14840000001":         "+14840000001",
		"0014840000001":       "+14840000001",
		" +1 (484) 000-0001 ": "+14840000001",
		"+1.484.000.0001":     "+14840000001",
		"+1/484/0000001":      "+14840000001",
		"\u202a+1\u00a0484\u2011000\u20110001\u202c": "+14840000001", // as copied from a contact card
		"\ufeff+14840000001\u200b":                   "+14840000001",
		"＋1 484 000 0001":                            "+14840000001",
		"+٤٩ ١٥١ ٢٣٤٥٦٧٨٩":                           "+4915123456789",
		"+49 (0) 151 23456789":                       "+4915123456789",
		"0049 151 23456789":                          "+4915123456789",
		"+375 8 029 1234567":                         "+375291234567", // the prefix is 80 in Belarus
		"+7 8 912 345 67 89":                         "+79123456789",
		"+44 (0)20 7946 0958":                        "+442079460958",
		"+39 06 1234 5678":                           "+390612345678", // Italy keeps its zero
		"+55 11 91234-5678":                          "+5511912345678",
		"+5491123456789":                             "+5491123456789",
	} {
		got, err := tideline.ParsePhone(in)
		if err != nil || got != want {
			t.Errorf("ParsePhone(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParsePhoneRefusesWhatIsNoInternationalNumber(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " ", "+", "hello", "+1", "+1484", "0151 23456789", "+0151 23456789", "+1484000000", "++14840000001", "1+4840000001",
		"+14840000001x5", "+1484000000100000", "14840000001@s.whatsapp.net", "+999123456789", "+1-484-000-0001;ext=1",
		"+148400000０１２３４５６７８９０",
		"+1 484 0000",     // without its area code
		"002000000000000", // loses a zero each time it is read
	} {
		got, err := tideline.ParsePhone(in)
		if err == nil {
			t.Errorf("ParsePhone(%q) = %q, want an error", in, got)
		} else if tideline.ErrorCode(err) != tideline.CodeValidation {
			t.Errorf("ParsePhone(%q): %v, want a validation error", in, err)
		}
	}
}

// TestParsePhoneAgreesWithTheFullParser holds the short cut for ordinary
// numbers against what it spares.
func TestParsePhoneAgreesWithTheFullParser(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{6,14}`).Draw(rt, "digits")
		n, err := phonenumbers.ParseAndKeepRawInput("+"+digits, "")
		if n.GetPreferredDomesticCarrierCode() != "" {
			return // somebody dialled inside the country, over a chosen carrier
		}
		if err != nil || !phonenumbers.IsValidNumber(n) || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
			return // for a number that nobody can have or call, either answer will do
		}
		want := tideline.Phone(phonenumbers.Format(n, phonenumbers.E164))
		if !e164.MatchString(string(want)) {
			return // a service number of a few digits
		}
		if got, err := tideline.ParsePhone(digits); got != want {
			rt.Fatalf("ParsePhone(%q) = %q, %v; the full parser says %q", digits, got, err, want)
		}
	})
}

func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{"", "+14840000001", "0049 (0) 151/234-56789", "\u202a+1\u00a0484", "+٤٩١٥١٢٣٤٥٦٧٨٩", "\xff+1", "+390612345678"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		p, err := tideline.ParsePhone(in)
		if err != nil {
			if p != "" || tideline.ErrorCode(err) != tideline.CodeValidation {
				t.Fatalf("ParsePhone(%q) = %q, %v", in, p, err)
			}
			return
		}
		if !e164.MatchString(string(p)) || !utf8.ValidString(string(p)) {
			t.Fatalf("ParsePhone(%q) = %q, which is not E.164", in, p)
		}
		if again, err := tideline.ParsePhone(string(p)); err != nil || again != p {
			t.Fatalf("ParsePhone(%q) = %q, and of that %q, %v", in, p, again, err)
		}
		if p.JID().Phone() != p {
			t.Fatalf("%q becomes the JID %q and that %q", p, p.JID(), p.JID().Phone())
		}
	})
}

func TestJIDsKnowTheirKind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		jid   tideline.JID
		phone tideline.Phone
		group bool
	}{
		{"14840000001@s.whatsapp.net", "+14840000001", false},
		{"120363000000000000@g.us", "", true},
		{"987654321@lid", "", false},
		{"@s.whatsapp.net", "", false},
		{"", "", false},
	} {
		if test.jid.Phone() != test.phone || test.jid.IsGroup() != test.group {
			t.Errorf("%q: phone %q, group %v", test.jid, test.jid.Phone(), test.jid.IsGroup())
		}
	}
	if tideline.Phone("").JID() != "" {
		t.Error("no number has a JID")
	}
}
