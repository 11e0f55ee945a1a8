package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// fewChats is how many chats a filter may select at most for a list to start
// from them and sort them. A list of more walks along all chats in their order,
// and is done as soon as it has its page.
const fewChats = 2000

// chatQuery finds a page of a workspace's chats.
type chatQuery struct {
	conditions

	d           dialect
	workspaceID int64
	from        string // a query for the ids of few chats to start from; "" = walk
	none        bool   // nothing can fit
}

// chatPage gives the ids of the chats that f selects, in the order of lists: by
// the last message, the latest first, then by name, which is unique. Chats
// without a last message come last.
func (t *tx) chatPage(ctx context.Context, workspaceID int64, f store.ChatFilter, p store.Page) ([]int64, error) {
	q, err := t.chatQuery(ctx, workspaceID, f)
	if err != nil || q.none {
		return nil, err
	}
	if err := t.planList(ctx, q); err != nil {
		return nil, err
	}
	return t.ids(ctx, q.text(p), q.args)
}

// chatQuery makes the query for the chats that f selects.
func (t *tx) chatQuery(ctx context.Context, workspaceID int64, f store.ChatFilter) (*chatQuery, error) {
	q := &chatQuery{d: t.d, workspaceID: workspaceID}
	q.add(`c.workspace_id = ?`, workspaceID)
	if err := q.byTables(ctx, t, f); err != nil || q.none {
		return q, err
	}
	q.byNumber(f)
	if err := q.startFromWords(ctx, t, f); err != nil || q.none {
		return q, err
	}
	q.byFields(f)
	q.bySearch(f)
	return q, nil
}

// text gives the query for a page.
//
// CROSS JOIN lets SQLite start from the few chats: it has no statistics and would
// rather walk. A walk reads no chats at all there, because the index of lists has
// all that they are filtered by; TestListsOfChatsKeepToTheirIndexes holds it to that.
// PostgreSQL, which plans for any label and not for this one, would rather read
// all chats; an array of ids keeps it from that, and reads chats that are next to
// each other together.
func (q *chatQuery) text(p store.Page) string {
	from := `chats c`
	switch {
	case q.from == "":
	case q.d == dialectPostgres:
		q.add(`c.id = ANY (ARRAY(` + q.from + `))`)
	default:
		from = `(` + q.from + `) few CROSS JOIN chats c`
		q.add(`c.id = few.id`)
	}
	return `SELECT c.id FROM ` + from + ` WHERE ` + q.String() + ` ORDER BY c.last_at DESC, c.name LIMIT ` +
		q.param(p.Limit) + ` OFFSET ` + q.param(p.Offset)
}

// byTables adds the conditions about rows of other tables.
func (q *chatQuery) byTables(ctx context.Context, t *tx, f store.ChatFilter) error {
	if len(f.Accounts) > 0 {
		c := &conditions{}
		c.add(`a.workspace_id = ?`, q.workspaceID)
		jids := make([]string, len(f.Accounts))
		for i, jid := range f.Accounts {
			jids[i] = string(jid)
		}
		c.add(`a.jid IN (` + paramList(c, jids) + `)`)
		ids, err := t.ids(ctx, `SELECT a.id FROM accounts a WHERE `+c.String(), c.args)
		if err != nil {
			return err
		}
		q.none = q.none || len(ids) == 0
		q.add(`c.account_id IN (` + paramList(&q.conditions, ids) + `)`)
	}
	if len(f.Responsible) > 0 {
		ids, err := t.membersByEmail(ctx, q.workspaceID, f.Responsible)
		if err != nil {
			return err
		}
		if err := q.among(ctx, t, `SELECT r.id FROM chats r WHERE r.responsible_id`, ids); err != nil {
			return err
		}
	}
	if len(f.Labels) > 0 {
		c := &conditions{}
		c.add(`l.workspace_id = ?`, q.workspaceID)
		c.add(`l.name IN (` + paramList(c, f.Labels) + `)`)
		ids, err := t.ids(ctx, `SELECT l.id FROM labels l WHERE `+c.String(), c.args)
		if err != nil {
			return err
		}
		return q.among(ctx, t, `SELECT cl.chat_id AS id FROM chat_labels cl WHERE cl.label_id`, ids)
	}
	return nil
}

// among adds the condition that a chat is one of those that query, which ends
// with a column, finds by ids. The list starts from them when they are few and it
// doesn't have a start yet.
func (q *chatQuery) among(ctx context.Context, t *tx, query string, ids []int64) error {
	if len(ids) == 0 || q.none {
		q.none = true
		return nil
	}
	probe := &conditions{}
	found := query + ` IN (` + paramList(probe, ids) + `)`
	var n int
	err := t.one(ctx, fmt.Sprintf(`SELECT count(*) FROM (%s LIMIT %d) found`, found, fewChats+1), probe.args, &n)
	if err != nil {
		return err
	}
	found = query + ` IN (` + paramList(&q.conditions, ids) + `)`
	if n <= fewChats && q.from == "" {
		q.startFrom(found)
		return nil
	}
	if q.d == dialectPostgres {
		// Not a join, so that it makes a hash of them instead of looking up each chat
		// that it walks by.
		q.add(`(c.id IN (` + found + `)) IS TRUE`)
		return nil
	}
	q.add(`c.id IN (` + found + `)`)
	return nil
}

// startFrom lets the list start from the chats whose ids a query finds, some
// perhaps several times.
func (q *chatQuery) startFrom(query string) {
	if q.d == dialectSQLite { // PostgreSQL has an array of them anyway
		query = `SELECT DISTINCT` + strings.TrimPrefix(query, `SELECT`)
	}
	q.from = query
}

// planList tells PostgreSQL how to answer a list, until the transaction ends. It
// believes that a walk along an index is slow, as on disks that turn, and would
// sort all chats for each page; and it has helpers and compilers join in for what
// takes a few milliseconds, while others wait for the same processors.
func (t *tx) planList(ctx context.Context, q *chatQuery) error {
	if t.d != dialectPostgres {
		return nil
	}
	settings := []string{"jit', 'off", "max_parallel_workers_per_gather', '0"}
	if q.from == "" {
		settings = append(settings, "enable_seqscan', 'off", "enable_sort', 'off", "enable_bitmapscan', 'off")
	}
	_, err := t.exec(ctx, `SELECT set_config('`+strings.Join(settings, `', TRUE), set_config('`)+`', TRUE)`)
	return err
}

// byNumber adds the conditions about the numbers of contacts. A contact's number
// is a part of the chat's JID.
func (q *chatQuery) byNumber(f store.ChatFilter) {
	switch {
	case strings.HasPrefix(f.Phone, "+"):
		q.startFromJIDs([]string{string(tideline.Phone(f.Phone).JID())})
	case f.Phone != "":
		q.add(`c.jid LIKE ? ESCAPE '!'`, "%"+escapeLike(f.Phone)+"%@"+tideline.ServerUser)
	}
	isPart := func(digits string) bool { return strings.HasPrefix(digits, "0") }
	switch {
	case len(f.ContactPhones) == 0:
	case slices.ContainsFunc(f.ContactPhones, isPart):
		addAny(&q.conditions, f.ContactPhones, func(digits string) string {
			user, phone := digits+"@"+tideline.ServerUser, "+"+digits
			as := func(whole string) string { return `= ` + q.param(whole) }
			if isPart(digits) {
				national := escapeLike(strings.TrimLeft(digits, "0"))
				user, phone = "%"+national+"@"+tideline.ServerUser, "%"+national
				as = func(pattern string) string { return `LIKE ` + q.param(pattern) + ` ESCAPE '!'` }
			}
			return `c.jid ` + as(user) + ` OR c.id IN (` + groupsOf(as(phone)) + `)`
		})
	default:
		q.startFromContacts(f.ContactPhones)
	}
}

// groupsOf is the SQL for the groups with a member whose number is like that.
func groupsOf(is string) string {
	return `SELECT gm.chat_id AS id FROM group_members gm WHERE gm.workspace_id = $1 AND gm.phone ` + is + ` AND gm.phone <> ''`
}

// startFromContacts adds the condition that a chat is with one of the numbers, or
// a group of one of them, and starts from these.
func (q *chatQuery) startFromContacts(numbers []string) {
	jids, phones := make([]string, len(numbers)), make([]string, len(numbers))
	for i, digits := range numbers {
		jids[i], phones[i] = digits+"@"+tideline.ServerUser, "+"+digits
	}
	direct := `SELECT j.id FROM accounts a CROSS JOIN chats j WHERE a.workspace_id = $1 AND j.account_id = a.id AND j.jid IN (` +
		paramList(&q.conditions, jids) + `)`
	found := direct + ` UNION ` + groupsOf(`IN (`+paramList(&q.conditions, phones)+`)`)
	if q.from == "" {
		q.from = found
		return
	}
	q.add(`c.id IN (` + found + `)`)
}

// startFromJIDs adds the condition that a chat has one of jids, and starts from
// these: each account has at most one of each.
func (q *chatQuery) startFromJIDs(jids []string) {
	list := paramList(&q.conditions, jids)
	q.add(`c.jid IN (` + list + `)`)
	q.from = `SELECT j.id FROM accounts a CROSS JOIN chats j WHERE a.workspace_id = $1 AND j.account_id = a.id AND j.jid IN (` + list + `)`
}

// byFields adds the conditions about the chat's own fields.
func (q *chatQuery) byFields(f store.ChatFilter) {
	flag := func(want *bool, yes, no string) {
		switch {
		case want == nil:
		case *want:
			q.add(yes)
		default:
			q.add(no)
		}
	}
	const group = `LIKE '%@` + tideline.ServerGroup + `'`
	flag(f.Group, `c.jid `+group, `c.jid NOT `+group)
	flag(f.Read, `c.unread = 0`, `c.unread > 0`)
	flag(f.Closed, `c.closed`, `NOT c.closed`)
	flag(f.AutoReply, `c.auto_reply`, `NOT c.auto_reply`)
	if v := f.VisibleTo; v != nil {
		visible := `c.responsible_id = ` + q.param(v.MemberID)
		if len(v.Accounts) > 0 {
			visible += ` OR ` + `c.account_id IN (` + paramList(&q.conditions, v.Accounts) + `)`
		}
		q.add(`(` + visible + `)`)
	}
	if !f.CreatedAfter.IsZero() {
		q.add(`c.created_at >= ?`, f.CreatedAfter.UnixMilli())
	}
	if !f.CreatedBefore.IsZero() {
		q.add(`c.created_at <= ?`, f.CreatedBefore.UnixMilli())
	}
	addAny(&q.conditions, f.Names, func(name string) string { return q.contains(q.d, `c.name`, name) })
}

// membersByEmail gives the ids of the present members with one of emails, in
// whatever case.
func (t *tx) membersByEmail(ctx context.Context, workspaceID int64, emails []string) ([]int64, error) {
	var ids []int64
	err := t.each(ctx, `SELECT mb.id, mb.email FROM members mb WHERE mb.workspace_id = $1 AND mb.removed_at IS NULL`, []any{workspaceID},
		func(r *sql.Rows) error {
			var id int64
			var email string
			err := r.Scan(&id, &email)
			if slices.ContainsFunc(emails, func(wanted string) bool { return strings.EqualFold(wanted, email) }) {
				ids = append(ids, id)
			}
			return err
		})
	return ids, err
}

// ids reads the ids that a query finds.
func (t *tx) ids(ctx context.Context, query string, args []any) ([]int64, error) {
	var ids []int64
	err := t.each(ctx, query, args, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// addAny adds the condition that one of those of the values holds; none when
// there are no values.
func addAny[T any](c *conditions, values []T, condition func(T) string) {
	if len(values) == 0 {
		return
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = condition(v)
	}
	c.texts = append(c.texts, "("+strings.Join(texts, " OR ")+")")
}

// paramList appends values to the parameters of c and gives their names, for IN.
func paramList[T any](c *conditions, values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = c.param(v)
	}
	return strings.Join(names, ", ")
}
