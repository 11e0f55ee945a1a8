package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// auditChecks are questions whose every answer is a fault. Each row starts
// with an id and may have numbers that the words show.
var auditChecks = []struct{ words, query string }{
	{"workspace %d: the balance %s differs from the sum of its ledger entries", `
		SELECT b.workspace_id, b.period_credits || '/' || b.extra_credits || '/' || b.unmetered
		FROM balances b LEFT JOIN (
			SELECT workspace_id, sum(period_credits) AS p, sum(extra_credits) AS e, sum(unmetered) AS u
			FROM ledger GROUP BY workspace_id) s ON s.workspace_id = b.workspace_id
		WHERE b.period_credits <> coalesce(s.p, 0) OR b.extra_credits <> coalesce(s.e, 0) OR b.unmetered <> coalesce(s.u, 0)`},
	{"workspace %d: the last ledger entry does not end at the balance %s", `
		SELECT b.workspace_id, b.period_credits || '/' || b.extra_credits || '/' || b.unmetered
		FROM balances b JOIN (SELECT workspace_id, max(id) AS id FROM ledger GROUP BY workspace_id) last
			ON last.workspace_id = b.workspace_id JOIN ledger l ON l.id = last.id
		WHERE b.period_credits <> l.after_period OR b.extra_credits <> l.after_extra OR b.unmetered <> l.after_unmetered`},
	{"workspace %d: the credits used in the period differ from its charges less refunds: %s", `
		SELECT b.workspace_id, b.used || ' and ' || coalesce(s.used, 0)
		FROM balances b LEFT JOIN (
			SELECT c.workspace_id, sum(-(c.period_credits + c.extra_credits + c.unmetered)) AS used
			FROM ledger c JOIN balances p ON p.workspace_id = c.workspace_id
			LEFT JOIN ledger r ON r.message_id = c.message_id AND r.kind = 'refund'
			WHERE c.kind IN ('charge', 'carried') AND c.at >= p.period_start AND r.id IS NULL
			GROUP BY c.workspace_id) s ON s.workspace_id = b.workspace_id
		WHERE b.used <> coalesce(s.used, 0)`},
	{"message %d: it has no charge of what it cost, %s credits", `
		SELECT m.id, CAST(m.credits AS TEXT)
		FROM messages m LEFT JOIN ledger l ON l.id = m.charge_id AND l.kind = 'charge' AND l.message_id = m.id
			AND l.workspace_id = m.workspace_id AND l.period_credits + l.extra_credits + l.unmetered = -m.credits
		WHERE m.credits > 0 AND l.id IS NULL`},
	{"ledger entry %d: it charges a message that does not name it: %s", `
		SELECT l.id, CAST(l.message_id AS TEXT)
		FROM ledger l LEFT JOIN messages m ON m.id = l.message_id AND m.charge_id = l.id
		WHERE l.kind = 'charge' AND m.id IS NULL`},
	{"ledger entry %d: it refunds a message that is not there: %s", `
		SELECT l.id, CAST(l.message_id AS TEXT)
		FROM ledger l LEFT JOIN messages m ON m.id = l.message_id AND m.workspace_id = l.workspace_id
		WHERE l.kind = 'refund' AND m.id IS NULL`},
	{"ledger entry %d: it carries a period forward and is not noted as that of workspace %s", `
		SELECT l.id, CAST(l.workspace_id AS TEXT)
		FROM ledger l LEFT JOIN ledger_carried c ON c.entry = l.id AND c.workspace_id = l.workspace_id
		WHERE l.kind = 'carried' AND c.entry IS NULL`},
	{"ledger entry %d: it is noted as the one that carries a period of workspace %s forward, and does not", `
		SELECT c.entry, CAST(c.workspace_id AS TEXT)
		FROM ledger_carried c LEFT JOIN ledger l ON l.id = c.entry AND l.workspace_id = c.workspace_id AND l.kind = 'carried'
		WHERE l.id IS NULL`},
	{"message %d: it is %s and its refund does not fit that", `
		SELECT m.id, m.status
		FROM messages m LEFT JOIN ledger r ON r.message_id = m.id AND r.kind = 'refund'
		WHERE (m.status = 'Failed') <> (r.id IS NOT NULL)
			OR r.period_credits + r.extra_credits + r.unmetered <> m.credits`},
	{"message %d: it is %s and its place in the outbox does not fit that", `
		SELECT m.id, m.status
		FROM messages m LEFT JOIN outbox o ON o.message_id = m.id
		WHERE m.from_me AND ((m.status = 'Pending') <> (o.message_id IS NOT NULL) OR o.account_id <> m.account_id)`},
	{"outbox: there is no message %d (account %s)", `
		SELECT o.message_id, CAST(o.account_id AS TEXT)
		FROM outbox o LEFT JOIN messages m ON m.id = o.message_id WHERE m.id IS NULL`},
	{"message %d: it is %s and its history does not end with that", `
		SELECT m.id, m.status
		FROM messages m LEFT JOIN message_status h ON h.message_id = m.id AND h.status = m.status
		WHERE m.from_me AND m.status <> 'Pending' AND m.kind <> 'note' AND h.message_id IS NULL`},
}

// auditLimit is how many faults of one kind are listed.
const auditLimit = 20

// AuditLedger implements store.Ledger. All checks see the same snapshot.
func (s *Store) AuditLedger(ctx context.Context) ([]string, error) {
	var faults []string
	err := s.read(ctx, func(t *tx) error {
		for _, check := range auditChecks {
			query := fmt.Sprintf("%s ORDER BY 1 LIMIT %d", check.query, auditLimit)
			err := t.each(ctx, query, nil, func(r *sql.Rows) error {
				var id int64
				var detail string
				err := r.Scan(&id, &detail)
				faults = append(faults, fmt.Sprintf(check.words, id, detail))
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return faults, failed("audit ledger", err)
}
