package tideline

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"google.golang.org/protobuf/proto"
)

// Phone is a telephone number in E.164 form: a plus sign and 7 to 15 digits,
// e.g. "+14840000000". The zero value means "no number".
type Phone string

// ParsePhone reads a number in any reasonable international form and gives its
// E.164 form. Accepted: a leading "+" or "00" or neither, separated by spaces,
// dots, dashes, slashes and brackets ("+1 (484) 000-0000", "0049 151 ...",
// "14840000000"), with digits of any script. Invisible characters that come
// along with copy and paste (bidi marks, zero-width and no-break spaces, byte
// order marks) are dropped. A "(0)" national prefix inside an international
// number is dropped too.
//
// The number must be possible for its country (length and calling code); that
// it is assigned to someone is not checked, because numbering plans change
// faster than tables and only WhatsApp knows who is on WhatsApp.
//
// The error's code is CodeValidation.
func ParsePhone(s string) (Phone, error) {
	digits, ok := phoneDigits(s)
	if !ok {
		return "", errPhone
	}
	if possible(digits) {
		return Phone("+" + digits), nil
	}
	// phonenumbers wants the plus; without a country it can't guess a region,
	// which is what we want: a national number is refused, not misrouted.
	e164, ok := fullParse("+" + digits)
	if !ok {
		return "", errPhone
	}
	// What is not its own E.164 form (a number that loses a prefix each time it
	// is read) names nobody for certain.
	if again, ok := fullParse(e164); !ok || again != e164 {
		return "", errPhone
	}
	return Phone(e164), nil
}

// fullParse gives the E.164 form of a number with a plus sign.
func fullParse(number string) (e164 string, ok bool) {
	n, err := phonenumbers.Parse(number, "")
	if err != nil || !diallable(n) {
		return "", false
	}
	e164 = phonenumbers.Format(n, phonenumbers.E164)
	return e164, len(e164) >= 8 && len(e164) <= 16
}

// diallable reports whether n has a length that numbers of its country have
// when they are called from abroad; a number without its area code has not.
func diallable(n *phonenumbers.PhoneNumber) bool {
	return phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE
}

var errPhone = Errorf(CodeValidation, "Phone number invalid: give it in international form, with country code, e.g. +14840000000")

// possible reports whether digits are a calling code and a number of a length
// that its country has, as nearly every number that a program sends is. It
// spares the full parser, whose regular expressions cost twenty times as much;
// a number that it does not recognise is left to that.
func possible(digits string) bool {
	code := 0
	for i := range 3 {
		code = code*10 + int(digits[i]-'0')
		region := phonenumbers.GetRegionCodeForCountryCode(code)
		if region == phonenumbers.UNKNOWN_REGION {
			continue
		}
		national := digits[i+1:]
		if national == "" || national[0] == '0' { // a national prefix, or Italy
			return false
		}
		// In some countries the prefix is another digit, such as 8 in Belarus.
		if prefix := phonenumbers.GetNddPrefixForRegion(region, true); prefix != "" && strings.HasPrefix(national, prefix) {
			return false
		}
		n, err := strconv.ParseUint(national, 10, 64)
		if err != nil {
			return false
		}
		return diallable(&phonenumbers.PhoneNumber{
			CountryCode: proto.Int32(int32(code)), NationalNumber: proto.Uint64(n),
		})
	}
	return false
}

// phoneDigits strips what may stand around the digits and reports false when
// anything else is there. The result has no plus and no "00".
func phoneDigits(s string) (string, bool) {
	if len(s) > 128 {
		return "", false
	}
	var b strings.Builder
	plus := false
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Nd, r):
			b.WriteByte(byte('0' + digitValue(r)))
		case r == '+' || r == '＋':
			if plus || b.Len() > 0 {
				return "", false
			}
			plus = true
		case invisible(r):
		case strings.ContainsRune("()-./‐‑‒–—−", r):
			b.WriteRune('-') // a separator; keeps "(0)" recognisable below
		default:
			return "", false
		}
	}
	raw := b.String()
	if plus {
		raw = strings.Replace(raw, "-0-", "-", 1)
	}
	digits := strings.ReplaceAll(raw, "-", "")
	if !plus {
		digits = strings.TrimPrefix(digits, "00")
	}
	// No country calling code starts with 0, so this is a national number.
	if len(digits) < 7 || len(digits) > 15 || digits[0] == '0' {
		return "", false
	}
	return digits, true
}

// invisible reports characters that a person who pasted a number never saw:
// every kind of space, and format characters such as bidi marks.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Cf, r)
}

// digitValue gives the value of a decimal digit of any script. Unicode keeps
// each script's ten digits together, in order, in runs that start at a
// multiple of ten from the range's start.
func digitValue(r rune) int {
	for _, rg := range unicode.Nd.R16 {
		if rune(rg.Lo) <= r && r <= rune(rg.Hi) {
			return int(r-rune(rg.Lo)) % 10
		}
	}
	for _, rg := range unicode.Nd.R32 {
		if rune(rg.Lo) <= r && r <= rune(rg.Hi) {
			return int(r-rune(rg.Lo)) % 10
		}
	}
	return 0
}

// Digits gives the number without its plus sign, the form inside a WhatsApp JID.
func (p Phone) Digits() string { return strings.TrimPrefix(string(p), "+") }

// JID gives the phone-number JID of p, e.g. "14840000000@s.whatsapp.net".
func (p Phone) JID() JID {
	if p == "" {
		return ""
	}
	return JID(p.Digits() + "@" + ServerUser)
}

// JID is a WhatsApp identifier without a device part: "<id>@<server>".
type JID string

// The servers of JIDs that Tideline knows.
const (
	ServerUser  = "s.whatsapp.net" // a person, by phone number
	ServerLID   = "lid"            // a person, by hidden id
	ServerGroup = "g.us"           // a group
)

// Server gives the part after the "@".
func (j JID) Server() string {
	_, server, _ := strings.Cut(string(j), "@")
	return server
}

// User gives the part before the "@".
func (j JID) User() string {
	user, _, _ := strings.Cut(string(j), "@")
	return user
}

// Phone gives the number of a phone-number JID and "" for every other kind.
func (j JID) Phone() Phone {
	if j.Server() != ServerUser || j.User() == "" {
		return ""
	}
	return Phone("+" + j.User())
}

// IsGroup reports whether j names a group.
func (j JID) IsGroup() bool { return j.Server() == ServerGroup }
