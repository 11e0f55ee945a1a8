package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type auditCmd struct {
	List auditListCmd `cmd:"" help:"Show who changed what."`
}

type auditListCmd struct {
	Member string    `placeholder:"EMAIL" help:"Only what this member did."`
	Group  string    `placeholder:"GROUP" help:"Only this kind of change, such as member, token or chat."`
	Chat   int64     `placeholder:"ID" help:"Only what was done with this chat."`
	Since  time.Time `placeholder:"TIME" help:"Only from this instant on, such as 2026-11-22T10:00:00Z."`
	Until  time.Time `placeholder:"TIME" help:"Only before this instant."`
	Last   int       `default:"50" help:"How many of the newest entries to show; 0 = all (${default})."`
}

// Help implements kong.HelpProvider.
func (auditListCmd) Help() string {
	return `Lists what was changed in a workspace, by whom and by which way: members, teams, tokens, settings, accounts, webhooks, templates, and what people did with chats. Sending and receiving messages is not in it: messages have a history of their own. Entries are kept for 400 days.

    tideline audit list
    tideline audit list --group token --last 10
    tideline audit list --member ana@example.com --since 2026-11-01T00:00:00Z --json`
}

// Run lists entries, the latest first.
func (c *auditListCmd) Run(ctx context.Context, a *app) error {
	if c.Last < 0 {
		return tideline.Errorf(tideline.CodeValidation, "--last %d is negative; use 0 for all entries", c.Last)
	}
	if c.Group != "" && !slices.Contains(tideline.AuditGroups(), c.Group) {
		return tideline.Errorf(tideline.CodeValidation, "--group %s is unknown; use %s", c.Group, strings.Join(tideline.AuditGroups(), ", "))
	}
	return a.with(ctx, func(d *desk) error {
		f := store.AuditFilter{Group: c.Group, ChatID: c.Chat, After: c.Since, Before: c.Until}
		if c.Member != "" {
			m, err := d.workspaces.Member(ctx, d.workspace, c.Member)
			if err != nil {
				return err
			}
			f.MemberID = m.ID
		}
		entries, err := lastChanges(ctx, d, f, c.Last)
		if err != nil {
			return err
		}
		views := make([]auditJSON, len(entries))
		rows := make([][]string, len(entries))
		for i := range entries {
			e := &entries[i]
			views[i] = auditView(e)
			rows[i] = []string{stamp(e.At, d.workspace.Location()), views[i].who(), string(e.Action), e.Target.Name, differences(e.Changes)}
		}
		return a.show(views, func(w io.Writer) { table(w, []string{"WHEN", "WHO", "WHAT", "OF", "CHANGE"}, rows) })
	})
}

// auditPage is how many entries are read at once.
const auditPage = 500

// lastChanges gives the newest entries that f selects, at most last; all when last
// is 0.
func lastChanges(ctx context.Context, d *desk, f store.AuditFilter, last int) ([]tideline.AuditEntry, error) {
	var all []tideline.AuditEntry
	for {
		limit := auditPage
		if last > 0 {
			limit = min(limit, last-len(all))
		}
		page, more, err := d.store.Audit(ctx, d.workspace.ID, f, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if !more || last > 0 && len(all) >= last {
			return all, nil
		}
		f.PastID = page[len(page)-1].ID
	}
}

// auditJSON is how an entry is shown.
type auditJSON struct {
	ID      int64                  `json:"id"`
	At      jsonTime               `json:"at"`
	Via     string                 `json:"via"`    // inbox, api, command line or server
	Member  string                 `json:"member"` // name; "" = no member
	Token   string                 `json:"token,omitempty"`
	Action  string                 `json:"action"`
	Kind    string                 `json:"target_kind"`
	Target  int64                  `json:"target_id"`
	Name    string                 `json:"target_name"`
	ChatID  int64                  `json:"chat_id,omitempty"`
	Changes []tideline.AuditChange `json:"changes,omitempty"`
}

func auditView(e *tideline.AuditEntry) auditJSON {
	return auditJSON{
		ID: e.ID, At: jsonTime{e.At}, Via: string(e.Actor.Via), Member: e.ActorName, Token: e.TokenName, Action: string(e.Action),
		Kind: e.Target.Kind, Target: e.Target.ID, Name: e.Target.Name, ChatID: e.ChatID, Changes: e.Changes,
	}
}

// who says who did it, and how.
func (v auditJSON) who() string {
	if v.Member == "" {
		return v.Via
	}
	return v.Member + " (" + v.Via + ")"
}

// differences shows what changed of the fields.
func differences(changes []tideline.AuditChange) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		switch {
		case c.Old == "" && c.New == "":
			parts[i] = c.Field
		case c.Old == "":
			parts[i] = fmt.Sprintf("%s: %s", c.Field, c.New)
		default:
			parts[i] = fmt.Sprintf("%s: %s → %s", c.Field, c.Old, c.New)
		}
	}
	return strings.Join(parts, "; ")
}
