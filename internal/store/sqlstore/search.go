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
// The table changes with names and numbers only, in their transactions. A message
// in a chat that is there costs nothing.

// gramSize is how many characters a gram has. Shorter words have none; they are
// in so many chats that a walk along all of them finds a page soon.
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

// gramsOf gives the numbers of the grams of a text, in their order. A number has
// 31 bits and stands for its gram and a few others. They are stored: to change how
// they are made takes a migration.
func gramsOf(text string) []int64 {
	runes := []rune(text)
	if len(runes) < gramSize {
		return nil
	}
	for i, r := range runes {
		runes[i] = foldCase(r)
	}
	all := make([]int64, 0, len(runes)+16)
	for i := range len(runes) - gramSize + 1 {
		var n uint64
		for _, r := range runes[i : i+gramSize] {
			n = n<<21 | uint64(r)&(1<<21-1)
		}
		all = append(all, int64(n*0x9E3779B97F4A7C15>>33)) //nolint:gosec // 31 bits; the multiplier spreads them
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
	rare := make([]int64, len(words))
	total := 0
	for i, word := range words {
		grams := gramsOf(word)
		if len(grams) == 0 {
			return nil
		}
		n, err := 0, error(nil)
		if rare[i], n, err = t.rarestGram(ctx, q.workspaceID, grams); err != nil {
			return err
		}
		if total += n; total > fewChats {
			return nil
		}
	}
	q.none = total == 0
	q.startFrom(`SELECT cg.chat_id AS id FROM chat_grams cg WHERE cg.workspace_id = $1 AND cg.gram IN (` + paramList(&q.conditions, rare) + `)`)
	return nil
}

// rarestGram gives the gram that the fewest chats have, and how many have it:
// fewChats+1 for any larger number. Of many grams only some are looked at.
func (t *tx) rarestGram(ctx context.Context, workspaceID int64, grams []int64) (rarest int64, n int, err error) {
	c := &conditions{}
	workspace := c.param(workspaceID)
	var counts []string
	for i := range min(len(grams), gramsTried) {
		g := c.param(grams[i*len(grams)/min(len(grams), gramsTried)])
		counts = append(counts, fmt.Sprintf(`SELECT CAST(%s AS BIGINT) AS gram, count(*) AS n FROM (SELECT 1 FROM chat_grams
			WHERE workspace_id = %s AND gram = %s LIMIT %d) AS found`, g, workspace, g, fewChats+1))
	}
	n = fewChats + 1
	err = t.each(ctx, strings.Join(counts, ` UNION ALL `), c.args, func(r *sql.Rows) error {
		var g int64
		var of int
		err := r.Scan(&g, &of)
		if of < n {
			rarest, n = g, of
		}
		return err
	})
	return rarest, n, err
}

func (c *knownChat) searched() searched {
	return searched{c.workspaceID, c.id, c.name, c.jid}
}
