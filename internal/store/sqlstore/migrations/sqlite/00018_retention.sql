-- How long workspaces keep what, what of it was archived, and what the ledger
-- carries forward of messages that are gone.
--
-- What accepting a message costs does not change: the new index of messages has no
-- entry for one that waits in the queue.

-- +goose Up

-- Days; NULL is the server's setting, 0 for ever. archive is '' or a word of
-- tideline.Archiving.
CREATE TABLE retention (
    workspace_id  INTEGER PRIMARY KEY REFERENCES workspaces (id),
    keep_messages INTEGER CHECK (keep_messages >= 0),
    keep_files    INTEGER CHECK (keep_files >= 0),
    archive       TEXT NOT NULL
) STRICT;

-- One row for each part. planned is a JSON array of the ids of its messages, ''
-- when these are deleted.
CREATE TABLE archive_parts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    month        TEXT NOT NULL,
    number       INTEGER NOT NULL,
    blob         TEXT NOT NULL,
    messages     INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    sha256       BLOB,
    planned      TEXT NOT NULL,
    written_at   INTEGER,
    UNIQUE (workspace_id, month, number)
) STRICT;
CREATE INDEX archive_parts_open ON archive_parts (workspace_id, id) WHERE planned <> '';

-- Which entry of the ledger stands for the charges and refunds of a period, by the
-- period's beginning, and for how many messages.
CREATE TABLE ledger_carried (
    workspace_id INTEGER NOT NULL,
    period       INTEGER NOT NULL,
    entry        INTEGER NOT NULL,
    messages     INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, period)
) STRICT, WITHOUT ROWID;

-- Holds a row only inside of a transaction that carries entries of the workspace
-- forward: nothing else may delete any.
CREATE TABLE ledger_carrying (
    workspace_id INTEGER PRIMARY KEY
) STRICT;
DROP TRIGGER ledger_loses_nothing;
-- +goose StatementBegin
CREATE TRIGGER ledger_loses_nothing BEFORE DELETE ON ledger
    WHEN OLD.kind NOT IN ('charge', 'refund', 'carried') OR NOT EXISTS (
        SELECT 1 FROM ledger_carrying c WHERE c.workspace_id = OLD.workspace_id)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
-- +goose StatementEnd

-- Something was said in the chat that is not kept any more: its contact is no
-- stranger.
ALTER TABLE chats ADD COLUMN met INTEGER NOT NULL DEFAULT 0;

-- Who used a file last, and which files are old.
CREATE INDEX messages_file ON messages (file_id, at) WHERE file_id IS NOT NULL AND at IS NOT NULL;
CREATE INDEX files_age ON files (workspace_id, uploaded_at, id);
