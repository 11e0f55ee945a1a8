-- Chunks of a phone's history, from their announcement until they are read.
-- Afterwards they stay for a while without what they held, so that one which is
-- announced again is recognised.

-- +goose Up
CREATE TABLE history_chunks (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL,
    account_id   INTEGER NOT NULL,
    chunk        TEXT NOT NULL,
    ref          BLOB NOT NULL,
    attempts     INTEGER NOT NULL,
    announced_at INTEGER NOT NULL,
    due_at       INTEGER, -- NULL once it is finished
    finished_at  INTEGER,
    note         TEXT NOT NULL,
    UNIQUE (account_id, chunk)
) STRICT;
CREATE INDEX history_chunks_due ON history_chunks (due_at, id) WHERE due_at IS NOT NULL;
