-- Events, webhooks and their deliveries.
--
-- What accepting a message costs does not change, unless it makes a chat: then
-- one event is appended to the right edge of its table and indexes.

-- +goose Up

-- Written in the transaction of their cause, never changed.
CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uid          TEXT NOT NULL UNIQUE,
    workspace_id INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    account_id   INTEGER,
    chat_id      INTEGER,
    message_id   INTEGER,
    member_id    INTEGER,
    detail       TEXT NOT NULL
) STRICT;
CREATE INDEX events_workspace ON events (workspace_id, id);

-- The event up to which all were turned into deliveries.
CREATE TABLE fan_out (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    event INTEGER NOT NULL
) STRICT;
INSERT INTO fan_out (id, event) VALUES (1, 0);

-- What was announced about an account: '' or one of the two types of events.
ALTER TABLE accounts ADD COLUMN announced TEXT NOT NULL DEFAULT '';
UPDATE accounts SET announced = 'whatsapp:account:connected'
    WHERE connected_on IS NOT NULL AND removed_at IS NULL AND state IN ('connecting', 'active', 'disconnected');

-- The event of the message is yet to be written.
ALTER TABLE downloads ADD COLUMN announce INTEGER NOT NULL DEFAULT 0;

-- One event type and URL is one webhook of its workspace, deleted or not. No
-- index says so, because a URL may be longer than an index entry: webhooks are
-- changed under the lock of their workspace's row.
CREATE TABLE webhooks (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id    INTEGER NOT NULL REFERENCES workspaces (id),
    event_type      TEXT NOT NULL,
    url             TEXT NOT NULL,
    enabled         INTEGER NOT NULL,
    accounts        TEXT NOT NULL,
    errors_counter  INTEGER NOT NULL,
    trouble         TEXT NOT NULL,
    secret          TEXT NOT NULL,
    previous        TEXT NOT NULL,
    previous_until  INTEGER,
    failures        INTEGER NOT NULL,
    open_since      INTEGER,
    probe_at        INTEGER,
    created_by      TEXT NOT NULL,
    updated_by      TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    deleted_at      INTEGER
) STRICT;
CREATE INDEX webhooks_workspace ON webhooks (workspace_id, id);

-- Apart from deliveries, so that storing an outcome doesn't write the body again.
CREATE TABLE delivery_bodies (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    body    BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE deliveries (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL,
    webhook_id   INTEGER NOT NULL,
    event_id     INTEGER NOT NULL,
    event_uid    TEXT NOT NULL,
    event_at     INTEGER NOT NULL,
    chat_id      INTEGER NOT NULL,
    body_id      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    made_at      INTEGER NOT NULL,
    due_at       INTEGER,
    ended_at     INTEGER,
    note         TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_log ON deliveries (webhook_id, id);
CREATE INDEX deliveries_waiting ON deliveries (webhook_id, id) WHERE state = 'waiting';
CREATE INDEX deliveries_aside ON deliveries (webhook_id, due_at, id) WHERE state = 'aside';

-- at is in microseconds here: two attempts never share one.
CREATE TABLE delivery_attempts (
    delivery_id  INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    duration_us  INTEGER NOT NULL,
    status_code  INTEGER NOT NULL,
    error        TEXT NOT NULL,
    request      TEXT NOT NULL,
    response     TEXT NOT NULL,
    PRIMARY KEY (delivery_id, at)
) STRICT, WITHOUT ROWID;
