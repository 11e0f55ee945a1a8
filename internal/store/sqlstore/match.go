package sqlstore

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// contains gives the condition that column has part in it, in whatever case.
//
// Neither database is asked what the other case of a letter is: SQLite knows it
// of ASCII only, and PostgreSQL's answer depends on the locale of the database.
// So all cases of each letter are spelled out, unless they are ASCII and SQLite is
// asked, and both databases find the same.
func (c *conditions) contains(d dialect, column, part string) string {
	switch {
	case d == dialectPostgres: // takes half the time of ILIKE
		return `(` + column + ` COLLATE "C") ~ ` + c.param(spellOut(part, regexpSyntax))
	case isASCII(part): // SQLite's LIKE takes ASCII letters in both cases
		return column + ` LIKE ` + c.param("%"+escapeLike(part)+"%") + ` ESCAPE '!'`
	}
	// GLOB tries a set at every place of a text. That a text doesn't have one of
	// the letters at all, as most don't, is seen in less than half of the time.
	letter, _ := utf8.DecodeRuneInString(part[strings.IndexFunc(part, beyondASCII):])
	has := &conditions{args: c.args}
	addAny(has, casesOf(letter), func(r rune) string { return `instr(` + column + `, ` + has.param(string(r)) + `) > 0` })
	has.add(column+` GLOB ?`, "*"+spellOut(part, globSyntax)+"*")
	c.args = has.args
	return `(` + has.String() + `)`
}

func isASCII(s string) bool { return strings.IndexFunc(s, beyondASCII) < 0 }

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// The characters that mean something by themselves, and how they are written to
// mean only themselves. A ']' outside of a set is harmless to both.
var (
	globSyntax   = map[rune]string{'*': "[*]", '?': "[?]", '[': "[[]"}
	regexpSyntax = map[rune]string{
		'\\': `\\`, '.': `\.`, '*': `\*`, '+': `\+`, '?': `\?`, '(': `\(`, ')': `\)`, '[': `\[`, ']': `\]`, '{': `\{`, '}': `\}`,
		'|': `\|`, '^': `\^`, '$': `\$`,
	}
)

// spellOut writes s as a pattern in which each letter is the set of its cases.
func spellOut(s string, syntax map[rune]string) string {
	var b strings.Builder
	for _, r := range s {
		cases := casesOf(r)
		switch escaped, special := syntax[r]; {
		case special:
			b.WriteString(escaped)
		case len(cases) > 1:
			b.WriteString("[" + string(cases) + "]")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// casesOf gives r and its other cases. Of an ASCII letter these are the ASCII
// ones, as for LIKE: not the sign for Kelvin, nor the long s.
func casesOf(r rune) []rune {
	cases := []rune{r}
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		if r >= utf8.RuneSelf || other < utf8.RuneSelf {
			cases = append(cases, other)
		}
	}
	return cases
}
