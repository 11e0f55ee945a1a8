-- How members get into the pages: passwords, sessions and one-time links.

-- +goose Up
-- NULL is a member who has not chosen a password.
ALTER TABLE members ADD COLUMN password TEXT;
ALTER TABLE members ADD COLUMN language TEXT NOT NULL DEFAULT '';
-- Whoever signs in names no workspace.
CREATE INDEX members_login ON members (lower(email)) WHERE removed_at IS NULL;

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    member_id    INTEGER NOT NULL REFERENCES members (id),
    hash         BLOB NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    user_agent   TEXT NOT NULL,
    address      TEXT NOT NULL,
    by_link      INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_member ON sessions (member_id, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE links (
    hash         BLOB PRIMARY KEY,
    workspace_id INTEGER NOT NULL REFERENCES workspaces (id),
    member_id    INTEGER NOT NULL REFERENCES members (id),
    purpose      TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_member ON links (member_id);
CREATE INDEX links_expiry ON links (expires_at);
