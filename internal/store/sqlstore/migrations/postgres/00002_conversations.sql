-- Conversations: what comes in, and chats that show both directions.
--
-- What accepting a message costs does not change: the new columns have defaults,
-- and of the new indexes none has an entry for a message that waits in the queue
-- or for a chat without a last message.

-- +goose Up
ALTER TABLE chats ADD COLUMN lid TEXT NOT NULL DEFAULT '';
ALTER TABLE chats ADD COLUMN closed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE chats ADD COLUMN unread BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chats ADD COLUMN last_message_id BIGINT;
ALTER TABLE chats ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX chats_lid ON chats (account_id, lid) WHERE lid <> '';
CREATE INDEX chats_recent ON chats (workspace_id, last_at DESC, name) WHERE last_at > 0;

-- A chat that another one took over. Its id goes on to work.
CREATE TABLE chat_aliases (
    chat_id      BIGINT PRIMARY KEY,
    workspace_id BIGINT NOT NULL,
    now_id       BIGINT NOT NULL
);
CREATE INDEX chat_aliases_now ON chat_aliases (now_id);

ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN sender_jid TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN sender_lid TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN sender_name TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN reply_to TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN data TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN edited_at BIGINT;
ALTER TABLE messages ADD COLUMN deleted_at BIGINT;
-- By what a chat's messages are ordered: WhatsApp's time, or for what was never
-- sent the time of acceptance. NULL while a message waits in the queue.
ALTER TABLE messages ADD COLUMN at BIGINT;
UPDATE messages SET at = coalesce(sent_at, accepted_at) WHERE status <> 'Pending';
CREATE INDEX messages_chat ON messages (chat_id, at, id) WHERE at IS NOT NULL;

-- Ids are drawn by whoever sends, so only ours are unique in an account.
DROP INDEX messages_whatsapp;
CREATE UNIQUE INDEX messages_sent ON messages (account_id, whatsapp_id) WHERE from_me AND sent_at IS NOT NULL;
CREATE UNIQUE INDEX messages_received ON messages (account_id, chat_id, whatsapp_id) WHERE NOT from_me;

UPDATE chats SET
    last_at = coalesce((SELECT max(m.at) FROM messages m WHERE m.chat_id = chats.id AND m.at IS NOT NULL), 0),
    last_message_id = (SELECT m.id FROM messages m WHERE m.chat_id = chats.id AND m.at IS NOT NULL
        ORDER BY m.at DESC, m.id DESC LIMIT 1);

-- By the WhatsApp id of the message, which may not be there yet. A reaction that
-- was taken back stays as '', so that a late repetition does not bring it back.
CREATE TABLE reactions (
    chat_id      BIGINT NOT NULL,
    whatsapp_id  TEXT NOT NULL,
    sender       TEXT NOT NULL,
    sender_lid   TEXT NOT NULL,
    name         TEXT NOT NULL,
    emoji        TEXT NOT NULL,
    at           BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    PRIMARY KEY (chat_id, whatsapp_id, sender)
);

-- Edits and deletions that came before their message.
CREATE TABLE amendments (
    chat_id      BIGINT NOT NULL,
    whatsapp_id  TEXT NOT NULL,
    sender       TEXT NOT NULL,
    sender_lid   TEXT NOT NULL,
    from_me      BOOLEAN NOT NULL,
    deletes      BOOLEAN NOT NULL,
    text         TEXT NOT NULL,
    at           BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    PRIMARY KEY (chat_id, whatsapp_id, sender, deletes)
);
CREATE INDEX amendments_at ON amendments (at);

CREATE TABLE downloads (
    message_id   BIGINT PRIMARY KEY,
    workspace_id BIGINT NOT NULL,
    account_id   BIGINT NOT NULL,
    name         TEXT NOT NULL,
    mime_type    TEXT NOT NULL,
    size         BIGINT NOT NULL,
    ref          BYTEA NOT NULL,
    attempts     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    note         TEXT NOT NULL
);
CREATE INDEX downloads_due ON downloads (due_at, message_id);
