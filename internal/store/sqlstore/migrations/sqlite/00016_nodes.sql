-- Several servers on one database: who they are, what each of them holds, and what
-- they ask each other.

-- +goose Up
CREATE TABLE nodes (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    version     TEXT NOT NULL,
    url         TEXT NOT NULL,
    seat        TEXT NOT NULL, -- what only one process can have at a time; '' = nothing
    started_at  INTEGER NOT NULL,
    lease_until INTEGER NOT NULL, -- by the database's clock, as Unix milliseconds
    leaving     INTEGER NOT NULL
) STRICT;

-- A row for each account, also while nobody holds it.
CREATE TABLE holds (
    account_id INTEGER PRIMARY KEY,
    node_id    INTEGER,
    epoch      INTEGER NOT NULL
) STRICT;
CREATE INDEX holds_node ON holds (node_id, account_id);
INSERT INTO holds (account_id, epoch) SELECT id, 0 FROM accounts;

CREATE TABLE duties (
    name    TEXT PRIMARY KEY,
    node_id INTEGER,
    epoch   INTEGER NOT NULL
) STRICT;

CREATE TABLE node_calls (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    caller  INTEGER NOT NULL,
    target  INTEGER NOT NULL,
    method  TEXT NOT NULL,
    args    BLOB NOT NULL,
    made_at INTEGER NOT NULL, -- by the database's clock, as Unix milliseconds
    taken   INTEGER NOT NULL,
    reply   BLOB -- NULL = not answered yet
) STRICT;
CREATE INDEX node_calls_target ON node_calls (target, id);
