-- Who changed what, and what tokens may do. Times are Unix milliseconds.

-- +goose Up
-- Rows are written in the transactions of the changes that they tell of. What
-- they name may be gone: the names are of then.
CREATE TABLE audit (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    at           INTEGER NOT NULL,
    member_id    INTEGER,
    token_id     INTEGER,
    via          TEXT NOT NULL,
    action       TEXT NOT NULL,
    target_kind  TEXT NOT NULL,
    target_id    INTEGER NOT NULL,
    target_name  TEXT NOT NULL,
    chat_id      INTEGER,
    changes      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_list ON audit (workspace_id, id);
CREATE INDEX audit_chat ON audit (chat_id, id) WHERE chat_id IS NOT NULL;

ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT 'all';
ALTER TABLE tokens ADD COLUMN used_at INTEGER;
ALTER TABLE tokens ADD COLUMN used_from TEXT NOT NULL DEFAULT '';
