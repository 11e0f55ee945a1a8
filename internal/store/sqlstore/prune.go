package sqlstore

import (
	"context"
	"time"
)

// pruneDeliveries deletes events and deliveries that are older than they are
// kept for, whatever became of them: by then a delivery is over, or its webhook
// is disabled. It works from the left edge of the tables in small transactions.
// An event that is not fanned out yet stays.
func (s *Store) pruneDeliveries(ctx context.Context, now time.Time) error {
	cutoff := now.Add(-s.keepDeliveries).UnixMilli()
	for _, query := range []string{
		`DELETE FROM events WHERE id IN (SELECT id FROM (SELECT id, at FROM events ORDER BY id LIMIT 500) AS oldest
			WHERE at <= $1 AND id <= (SELECT event FROM fan_out WHERE id = 1))`,
		`DELETE FROM deliveries WHERE id IN (SELECT o.id FROM (SELECT id, body_id FROM deliveries ORDER BY id LIMIT 500) AS o
			JOIN delivery_bodies b ON b.id = o.body_id WHERE b.made_at <= $1)`,
		`DELETE FROM delivery_bodies WHERE id IN (SELECT id FROM (SELECT id, made_at FROM delivery_bodies ORDER BY id LIMIT 500) AS oldest
			WHERE made_at <= $1)`,
		`DELETE FROM delivery_attempts WHERE (delivery_id, at) IN (SELECT delivery_id, at FROM
			(SELECT delivery_id, at FROM delivery_attempts ORDER BY delivery_id, at LIMIT 500) AS oldest
			WHERE at <= CAST($1 AS BIGINT) * 1000 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = oldest.delivery_id))`,
	} {
		for n := int64(1); n > 0; {
			err := s.write(ctx, "prune", func(ctx context.Context, t *tx) (err error) {
				n, err = t.exec(ctx, query, cutoff)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
