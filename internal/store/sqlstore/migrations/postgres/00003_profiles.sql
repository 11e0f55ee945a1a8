-- What people see of contacts and groups: names, members, pictures.
--
-- What accepting a message costs does not change: the new columns have defaults
-- and no index, and the other tables are written when something is received or
-- looked at.

-- +goose Up

-- The name that WhatsApp gave the chat last, before it was made unique. While the
-- chat is called so, nobody chose its name, and it follows.
ALTER TABLE chats ADD COLUMN auto_name TEXT NOT NULL DEFAULT '';
-- Why nothing can be written here; see tideline.Bar.
ALTER TABLE chats ADD COLUMN bar TEXT NOT NULL DEFAULT '';

-- Chats that WhatsApp is asked about. The generation grows whenever there is a
-- reason to ask, so that one that comes while WhatsApp is being asked is not
-- forgotten. due_at is NULL when there is nothing to ask.
CREATE TABLE profiles (
    chat_id      BIGINT PRIMARY KEY,
    workspace_id BIGINT NOT NULL,
    account_id   BIGINT NOT NULL,
    due_at       BIGINT,
    attempts     BIGINT NOT NULL DEFAULT 0,
    generation   BIGINT NOT NULL DEFAULT 0,
    checked_at   BIGINT,
    picture_id   TEXT NOT NULL DEFAULT '',
    file_id      BIGINT
);
CREATE INDEX profiles_due ON profiles (due_at, chat_id) WHERE due_at IS NOT NULL;
CREATE INDEX profiles_file ON profiles (file_id) WHERE file_id IS NOT NULL;

CREATE TABLE group_members (
    chat_id      BIGINT NOT NULL,
    place        BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    jid          TEXT NOT NULL,
    lid          TEXT NOT NULL,
    phone        TEXT NOT NULL,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL,
    PRIMARY KEY (chat_id, place)
);
CREATE INDEX group_members_phone ON group_members (workspace_id, phone) WHERE phone <> '';

-- Bytes of files that have no record any more.
CREATE TABLE lost_blobs (
    blob TEXT PRIMARY KEY
);

-- Up to which chat new ones have been looked at.
CREATE TABLE seen_chats (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    chat_id BIGINT NOT NULL
);
INSERT INTO seen_chats (id, chat_id) VALUES (1, 0);

-- Of chats that are there already: names that their contacts used, and those of
-- groups that the team never wrote to, are WhatsApp's.
UPDATE chats SET auto_name = name WHERE jid LIKE '%@g.us' AND NOT EXISTS (
    SELECT 1 FROM messages m WHERE m.chat_id = chats.id AND m.at IS NOT NULL AND m.member_id IS NOT NULL);
UPDATE chats SET auto_name = name WHERE jid NOT LIKE '%@g.us' AND EXISTS (
    SELECT 1 FROM messages m WHERE m.chat_id = chats.id AND m.at IS NOT NULL AND NOT m.from_me AND m.sender_name = chats.name);
INSERT INTO profiles (chat_id, workspace_id, account_id, due_at)
    SELECT c.id, c.workspace_id, c.account_id, c.last_at FROM chats c WHERE c.jid LIKE '%@g.us' OR EXISTS (
        SELECT 1 FROM messages m WHERE m.chat_id = c.id AND m.at IS NOT NULL AND NOT m.from_me);
