package inbox

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// piece is a part of a text: a link when Href is set.
type piece struct {
	Text string
	Href string
}

// linkPattern finds what may be a web address. What it finds is looked at again.
var linkPattern = regexp.MustCompile(`(?i)\b(?:https?://|www\.)[^\s<>"'\x60\x00-\x1f\x7f]+`)

// maxLinks bounds the links of one text; what comes after is shown as it is.
const maxLinks = 50

// pieces cuts a text at the web addresses in it. Only http and https become
// links; the text stays what it was.
func pieces(text string) []piece {
	if text == "" {
		return nil
	}
	var list []piece
	rest := 0
	for _, at := range linkPattern.FindAllStringIndex(text, maxLinks) {
		shown := trimLink(text[at[0]:at[1]])
		href := shown
		if !strings.Contains(strings.ToLower(href[:min(len(href), 8)]), "://") {
			href = "https://" + href
		}
		u, err := url.Parse(href)
		if err != nil || u.Host == "" || u.User != nil || !strings.Contains(u.Hostname(), ".") && u.Hostname() != "localhost" {
			continue
		}
		if at[0] > rest {
			list = append(list, piece{Text: text[rest:at[0]]})
		}
		list = append(list, piece{Text: shown, Href: u.String()})
		rest = at[0] + len(shown)
	}
	if rest < len(text) {
		list = append(list, piece{Text: text[rest:]})
	}
	return list
}

// trimLink takes from the end of an address what belongs to the sentence.
func trimLink(s string) string {
	for s != "" {
		r, n := utf8.DecodeLastRuneInString(s)
		switch {
		case strings.ContainsRune(".,;:!?…»”’*_~]", r):
		case r == ')' && strings.Count(s, "(") < strings.Count(s, ")"):
		default:
			return s
		}
		s = s[:len(s)-n]
	}
	return s
}

// maxBigEmoji is how many emoji are shown large.
const maxBigEmoji = 3

// onlyEmoji reports whether a text is a few emoji and nothing else.
func onlyEmoji(text string) bool {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 100 {
		return false
	}
	count, joined := 0, false
	for _, r := range text {
		switch {
		case r == '\u200d': // joins two to one
			joined = true
			continue
		case r == '\ufe0f', r >= 0x1f3fb && r <= 0x1f3ff: // presentation, skin
		case unicode.Is(unicode.So, r) && r >= 0x203c, r >= 0x1f1e6 && r <= 0x1faff:
			if !joined {
				count++
			}
		default:
			return false
		}
		joined = false
	}
	return count > 0 && count <= maxBigEmoji
}
