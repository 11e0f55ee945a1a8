-- What a team does with its chats: who is responsible, teams and invitations, and
-- texts that are used again and again. Notes are messages of the kind 'note'.

-- +goose Up
ALTER TABLE chats ADD COLUMN responsible_id INTEGER;
ALTER TABLE chats ADD COLUMN auto_reply INTEGER NOT NULL DEFAULT 0;
-- Few chats of many are assigned at a time, and most of the others never were.
CREATE INDEX chats_responsible ON chats (responsible_id) WHERE responsible_id IS NOT NULL;
CREATE INDEX chat_labels_label ON chat_labels (label_id, chat_id);
-- Lists of chats walk along this one, and look at what they are filtered by
-- without reading a chat. It has an entry for chats without a last message too:
-- of what accepting a message writes, this touches only the first in a new chat.
DROP INDEX chats_recent;
CREATE INDEX chats_list ON chats (workspace_id, last_at DESC, name, account_id, jid, closed, unread, responsible_id,
    auto_reply, created_at);

CREATE TABLE teams (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    title        TEXT NOT NULL,
    UNIQUE (workspace_id, title)
) STRICT;

-- NULL is the default team, which has no row.
ALTER TABLE members ADD COLUMN team_id INTEGER;
ALTER TABLE members ADD COLUMN invited_at INTEGER;
ALTER TABLE members ADD COLUMN joined_at INTEGER;

CREATE TABLE text_templates (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    name         TEXT NOT NULL,
    text         TEXT NOT NULL,
    visibility   TEXT NOT NULL,
    team_id      INTEGER,
    author_id    INTEGER NOT NULL,
    editor_id    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    uses         INTEGER NOT NULL
) STRICT;
CREATE INDEX text_templates_workspace ON text_templates (workspace_id, updated_at);

CREATE INDEX files_uploads ON files (workspace_id, uploaded_at) WHERE member_id IS NOT NULL;
