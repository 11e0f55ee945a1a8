-- Times are Unix milliseconds in UTC; NULL means "not yet" or "never".
--
-- The tables on the acceptance path (messages, outbox, ledger, idempotency) are
-- appended to on their right edge and have no index that would dirty another
-- page for every accepted message, so what a message costs does not grow with
-- the table. They carry no foreign keys: Accept checks what it refers to.
--
-- Listing a chat's messages will want an index on messages (chat_id, id)
-- WHERE sent_at IS NOT NULL; it comes with the call that lists them.

-- +goose Up
CREATE TABLE config (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plans (
    name           TEXT PRIMARY KEY,
    credits        INTEGER NOT NULL CHECK (credits >= -1),
    api_calls      INTEGER NOT NULL CHECK (api_calls >= -1),
    seats          INTEGER NOT NULL CHECK (seats >= -1),
    webhooks       INTEGER NOT NULL CHECK (webhooks >= -1),
    max_file_bytes INTEGER NOT NULL CHECK (max_file_bytes >= 0),
    api            INTEGER NOT NULL,
    attachments    INTEGER NOT NULL,
    gap_adjustable INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workspaces (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    slug         TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    time_zone    TEXT NOT NULL,
    plan         TEXT NOT NULL REFERENCES plans (name),
    credits      INTEGER CHECK (credits >= -1),
    gap_min_ms   INTEGER NOT NULL CHECK (gap_min_ms >= 0),
    gap_max_ms   INTEGER NOT NULL CHECK (gap_max_ms >= gap_min_ms),
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE balances (
    workspace_id   INTEGER PRIMARY KEY REFERENCES workspaces (id),
    granted        INTEGER NOT NULL CHECK (granted >= -1),
    used           INTEGER NOT NULL CHECK (used >= 0),
    period_credits INTEGER NOT NULL CHECK (period_credits >= 0),
    extra_credits  INTEGER NOT NULL CHECK (extra_credits >= 0),
    unmetered      INTEGER NOT NULL CHECK (unmetered <= 0),
    period_start   INTEGER,
    period_end     INTEGER
) STRICT;

CREATE TABLE members (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    email        TEXT NOT NULL,
    display_name TEXT NOT NULL,
    role         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    removed_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX members_email ON members (workspace_id, lower(email)) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX members_owner ON members (workspace_id) WHERE role = 'owner' AND removed_at IS NULL;

CREATE TABLE tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    member_id    INTEGER NOT NULL REFERENCES members (id),
    name         TEXT NOT NULL,
    prefix       TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX tokens_workspace ON tokens (workspace_id, id);

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    jid          TEXT NOT NULL,
    device_jid   TEXT NOT NULL,
    phone        TEXT NOT NULL,
    name         TEXT NOT NULL,
    state        TEXT NOT NULL,
    state_reason TEXT NOT NULL,
    connected_on INTEGER,
    owner_name   TEXT NOT NULL,
    owner_email  TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    removed_at   INTEGER,
    UNIQUE (workspace_id, jid)
) STRICT;
CREATE UNIQUE INDEX accounts_jid ON accounts (jid) WHERE removed_at IS NULL;

CREATE TABLE chats (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL,
    account_id   INTEGER NOT NULL,
    jid          TEXT NOT NULL,
    phone        TEXT NOT NULL,
    name         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    UNIQUE (account_id, jid),
    UNIQUE (workspace_id, name)
) STRICT;

CREATE TABLE labels (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL,
    name         TEXT NOT NULL,
    UNIQUE (workspace_id, name)
) STRICT;

CREATE TABLE chat_labels (
    chat_id  INTEGER NOT NULL,
    label_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, label_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uid          TEXT NOT NULL UNIQUE,
    workspace_id INTEGER NOT NULL,
    account_id   INTEGER NOT NULL,
    chat_id      INTEGER NOT NULL,
    member_id    INTEGER,
    whatsapp_id  TEXT NOT NULL,
    from_me      INTEGER NOT NULL,
    text         TEXT NOT NULL,
    file_id      INTEGER,
    origin       TEXT NOT NULL,
    status       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    credits      INTEGER NOT NULL,
    charge_id    INTEGER,
    accepted_at  INTEGER NOT NULL,
    sent_at      INTEGER
) STRICT;
-- Only what was sent can get a receipt, so its random page is paid for when a
-- message is settled and not when it is accepted.
CREATE UNIQUE INDEX messages_whatsapp ON messages (account_id, whatsapp_id) WHERE sent_at IS NOT NULL;

CREATE TABLE message_status (
    message_id INTEGER NOT NULL,
    status     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (message_id, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    message_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    gap_ms     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    note       TEXT NOT NULL
) STRICT;

CREATE TABLE lanes (
    account_id INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE early_receipts (
    account_id   INTEGER NOT NULL,
    whatsapp_id  TEXT NOT NULL,
    delivered_at INTEGER,
    read_at      INTEGER,
    PRIMARY KEY (account_id, whatsapp_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id    INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    message_id      INTEGER,
    period_credits  INTEGER NOT NULL,
    extra_credits   INTEGER NOT NULL,
    unmetered       INTEGER NOT NULL,
    after_period    INTEGER NOT NULL CHECK (after_period >= 0),
    after_extra     INTEGER NOT NULL CHECK (after_extra >= 0),
    after_unmetered INTEGER NOT NULL CHECK (after_unmetered <= 0),
    note            TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_refund ON ledger (message_id) WHERE kind = 'refund';

CREATE TABLE files (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uid          TEXT NOT NULL UNIQUE,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    member_id    INTEGER,
    name         TEXT NOT NULL,
    mime_type    TEXT NOT NULL,
    size         INTEGER NOT NULL,
    blob         TEXT NOT NULL,
    uploaded_by  TEXT NOT NULL,
    uploaded_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE attachment_templates (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    name         TEXT NOT NULL,
    file_id      INTEGER NOT NULL REFERENCES files (id),
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX attachment_templates_workspace ON attachment_templates (workspace_id, id);

CREATE TABLE idempotency (
    message_id   INTEGER PRIMARY KEY,
    workspace_id INTEGER NOT NULL,
    key          TEXT NOT NULL,
    body_hash    BLOB NOT NULL,
    at           INTEGER NOT NULL,
    UNIQUE (workspace_id, key)
) STRICT;

CREATE TABLE api_calls (
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    period_start INTEGER NOT NULL,
    calls        INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, period_start)
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER ledger_keeps_entries BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_loses_nothing BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
-- +goose StatementEnd

INSERT INTO config (id, version) VALUES (1, 1);

INSERT INTO plans (name, credits, api_calls, seats, webhooks, max_file_bytes, api, attachments, gap_adjustable) VALUES
    ('self-hosted',  1000000,     -1, -1, -1, 104857600, 1, 1, 1),
    ('business',        5000,     -1, -1, -1, 104857600, 1, 1, 1),
    ('shared-inbox',     500, 100000, -1, 10,   2097152, 1, 1, 0),
    ('inbox-only',         0,      0, -1,  0,   2097152, 0, 1, 0);
