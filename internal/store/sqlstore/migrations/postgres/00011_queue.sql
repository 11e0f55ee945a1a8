-- What people do with the queue, lanes that are paused and messages that go first,
-- and what a workspace spent, summed up by quarters of an hour.

-- +goose Up
ALTER TABLE accounts ADD COLUMN paused_at BIGINT;
ALTER TABLE accounts ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN resumed_at BIGINT;

-- 0 is the order of acceptance, in which nearly all messages stay; what goes first
-- has a place below zero. Only those are in the index, so accepting a message does
-- not touch it.
ALTER TABLE outbox ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
CREATE INDEX outbox_first ON outbox (account_id, place) WHERE place < 0;

-- The ledger has no index by workspace or time, which every acceptance would have
-- to write. These sums follow it when somebody asks for them.
CREATE TABLE ledger_sums (
    workspace_id BIGINT NOT NULL,
    quarter      BIGINT NOT NULL,
    account_id   BIGINT NOT NULL,
    charged      BIGINT NOT NULL,
    refunded     BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, quarter, account_id)
);
CREATE TABLE ledger_summed (
    workspace_id BIGINT PRIMARY KEY,
    entry        BIGINT NOT NULL
);
