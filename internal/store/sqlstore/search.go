package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// What is looked for inside of names and numbers is found by its grams: any three
// characters that follow each other, in whatever case. chat_grams has those of each
// chat's name and number. A chat in which somebody's words are has all of their
// grams, so the chats of the rarest one are all that has to be looked at. It has
// other chats too: the conditions about names and numbers hold besides.
//
// One or two characters are the beginning of grams, which are next to each other
// in the table. So that each character of a text begins one, grams go on behind its
// end, with zeros.
//
// The table changes with names and numbers only, in their transactions. A message
// in a chat that is there costs nothing.

// gramSize is how many characters a gram has.
const gramSize = 3

// gramsTried is how many grams of a word are counted at most to find a rare one.
const gramsTried = 8

// searched is what people look for in a chat.
type searched struct {
	workspaceID, chatID int64
	name                string
	jid                 tideline.JID
}

// grams gives the numbers of the chat's grams, each once, in ascending order.
func (s *searched) grams() []int64 {
	all := gramsOf(s.name)
	if user, ok := strings.CutSuffix(string(s.jid), "@"+tideline.ServerUser); ok {
		all = append(all, gramsOf(user)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// gramsOf gives the numbers of the grams of a text, one for each character. They
// are stored: to change how they are made takes a migration.
func gramsOf(text string) []int64 {
	runes := []rune(text)
	all := make([]int64, 0, len(runes)+16) // room for those of a number
	for i := range runes {
		all = append(all, gram(runes[i:]))
	}
	return all
}

// gramBits is what of a gram's number is one character. A few characters share
// theirs.
const gramBits = 16

// gram gives the number of the gram that a text begins with.
func gram(text []rune) int64 {
	var n int64
	for i := range gramSize {
		n <<= gramBits
		if i < len(text) {
			r := foldCase(text[i])
			n |= int64((r ^ r>>gramBits) & (1<<gramBits - 1))
		}
	}
	return n
}

// grams are those of a range of numbers.
type grams struct{ first, last int64 }

// gramsIn gives, for each gram of a word, the range that a chat must have one of
// which has the word: of one number, unless the word is shorter than a gram.
func gramsIn(word string) []grams {
	runes := []rune(word)
	if n := len(runes); n < gramSize {
		first := gram(runes)
		return []grams{{first, first | (1<<(gramBits*(gramSize-n)) - 1)}}
	}
	all := make([]grams, 0, len(runes))
	for i := range len(runes) - gramSize + 1 {
		n := gram(runes[i:])
		all = append(all, grams{n, n})
	}
	return all
}

// foldCase gives one character for all cases of a letter.
func foldCase(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

var (
	insertGrams = newInsert(`chat_grams (workspace_id, gram, chat_id)`, `(?, ?, ?)`, ` ON CONFLICT (workspace_id, gram, chat_id) DO NOTHING`)
	deleteGrams = newMulti(`DELETE FROM chat_grams WHERE (workspace_id, gram, chat_id) IN (VALUES `, `)`, "BIGINT", "BIGINT", "BIGINT")
)

// findable lets new chats be found.
func (t *tx) findable(ctx context.Context, chats ...searched) error {
	var args []any
	for i := range chats {
		args = appendGrams(args, &chats[i], chats[i].grams())
	}
	return t.execAll(ctx, insertGrams, args)
}

func appendGrams(args []any, of *searched, grams []int64) []any {
	for _, g := range grams {
		args = append(args, of.workspaceID, g, of.chatID)
	}
	return args
}

// refindable lets a chat be found by what it is called now, and not by what it
// was called before. A chat that is called nothing can't be found.
func (t *tx) refindable(ctx context.Context, was, is searched) error {
	if was == is {
		return nil
	}
	before, after := was.grams(), is.grams()
	lacks := func(all []int64) func(int64) bool {
		return func(g int64) bool { _, found := slices.BinarySearch(all, g); return found }
	}
	gone := slices.DeleteFunc(slices.Clone(before), lacks(after))
	if err := t.execAll(ctx, deleteGrams, appendGrams(nil, &was, gone)); err != nil {
		return err
	}
	return t.execAll(ctx, insertGrams, appendGrams(nil, &is, slices.DeleteFunc(after, lacks(before))))
}

// startFromWords lets the list start from the chats that have rare grams of what
// f looks for, if it doesn't have a start yet.
func (q *chatQuery) startFromWords(ctx context.Context, t *tx, f store.ChatFilter) error {
	words := [][]string{f.Names} // of each, one must be in the chat
	if f.Phone != "" && !strings.HasPrefix(f.Phone, "+") {
		words = append(words, []string{f.Phone})
	}
	if search := strings.TrimSpace(f.Search); search != "" {
		either := []string{search}
		if digits := searchedDigits(search); digits != "" {
			either = append(either, digits)
		}
		words = append(words, either)
	}
	for _, either := range words {
		if q.from != "" || q.none {
			return nil
		}
		if err := q.startFromWord(ctx, t, either); err != nil {
			return err
		}
	}
	return nil
}

// startFromWord lets the list start from the chats that may have one of words, if
// they are few.
func (q *chatQuery) startFromWord(ctx context.Context, t *tx, words []string) error {
	if len(words) == 0 {
		return nil
	}
	var rare []grams
	total := 0
	for _, word := range words {
		g, n, err := t.rarestGrams(ctx, q.workspaceID, gramsIn(word))
		if err != nil {
			return err
		}
		if total += n; total > fewChats {
			return nil
		}
		rare = append(rare, g)
	}
	q.none = total == 0
	found := &conditions{args: q.args}
	addAny(found, rare, func(g grams) string { return `cg.gram BETWEEN ` + found.param(g.first) + ` AND ` + found.param(g.last) })
	q.args = found.args
	q.startFrom(`SELECT cg.chat_id AS id FROM chat_grams cg WHERE cg.workspace_id = $1 AND ` + found.String())
	return nil
}

// rarestGrams gives the range that the table has the fewest rows of, and how many:
// fewChats+1 for any larger number. Of many ranges only some are looked at.
func (t *tx) rarestGrams(ctx context.Context, workspaceID int64, all []grams) (rarest grams, n int, err error) {
	c := &conditions{}
	workspace := c.param(workspaceID)
	tried := min(len(all), gramsTried)
	counts := make([]string, tried)
	for i := range tried {
		g := all[i*len(all)/tried]
		counts[i] = fmt.Sprintf(`SELECT %d AS i, count(*) AS n FROM (SELECT 1 FROM chat_grams
			WHERE workspace_id = %s AND gram BETWEEN %s AND %s LIMIT %d) AS found`, i*len(all)/tried, workspace, c.param(g.first), c.param(g.last), fewChats+1)
	}
	n = fewChats + 1
	err = t.each(ctx, strings.Join(counts, ` UNION ALL `), c.args, func(r *sql.Rows) error {
		var i, of int
		err := r.Scan(&i, &of)
		if of < n {
			rarest, n = all[i], of
		}
		return err
	})
	return rarest, n, err
}

func (c *knownChat) searched() searched {
	return searched{c.workspaceID, c.id, c.name, c.jid}
}
