-- How labels are shown, and how often attachment templates are used.

-- +goose Up
-- '' = the colour that follows from the name.
ALTER TABLE labels ADD COLUMN colour TEXT NOT NULL DEFAULT '';
ALTER TABLE attachment_templates ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;
