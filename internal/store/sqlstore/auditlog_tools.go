package sqlstore

import (
	"context"
	"net/url"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// aboutWebhook is the change of a webhook, for the audit log.
func aboutWebhook(w tideline.Webhook, a tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) change {
	return change{workspaceID: w.WorkspaceID, at: at, action: a, kind: tideline.TargetWebhook, id: w.ID,
		name: string(w.EventType) + " → " + shownURL(w.URL), fields: fields}
}

// shownURL gives an address without what may be secret in it: a password, and
// whatever comes after the path.
func shownURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// auditWebhook writes that a webhook was made, before nil, or what is different of
// it. That it was disabled because its receiver fails is no entry: its log tells.
func (t *tx) auditWebhook(ctx context.Context, before *tideline.Webhook, w tideline.Webhook, at time.Time) error {
	if before == nil {
		return t.audit(ctx, aboutWebhook(w, tideline.AuditWebhookCreated, at, diff(nil, "enabled", "", w.Enabled)...))
	}
	fields := diff(nil, "event_type", before.EventType, w.EventType)
	fields = diff(fields, "enabled", before.Enabled, w.Enabled)
	fields = diff(fields, "accounts", before.Accounts, w.Accounts)
	if before.URL != w.URL {
		fields = append(fields, tideline.AuditChange{Field: "url", Old: shownURL(before.URL), New: shownURL(w.URL)})
	}
	return t.audited(ctx, aboutWebhook(w, tideline.AuditWebhookChanged, at, fields...))
}

// aboutTemplate is the change of a text template, for the audit log. What a member
// keeps private is not named there.
func aboutTemplate(m tideline.TextTemplate, a tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) change {
	c := change{workspaceID: m.WorkspaceID, at: at, action: a, kind: tideline.TargetTemplate, id: m.ID, name: m.Name, fields: fields}
	if m.Visibility == tideline.VisibilityPrivate {
		c.name, c.fields = "", nil
	}
	return c
}

// templateDiff says what is different of a text template. The texts, which may be
// long, are not repeated.
func templateDiff(before, after tideline.TextTemplate) []tideline.AuditChange {
	var fields []tideline.AuditChange
	if before.Visibility != tideline.VisibilityPrivate {
		fields = diff(fields, "name", before.Name, after.Name)
	}
	fields = diff(fields, "visibility", before.Visibility, after.Visibility)
	if before.Text != after.Text {
		fields = append(fields, tideline.AuditChange{Field: "text"})
	}
	if a, b := storedTeam(before.TeamID), storedTeam(after.TeamID); a != b {
		fields = append(fields, tideline.AuditChange{Field: "team"})
	}
	return fields
}
