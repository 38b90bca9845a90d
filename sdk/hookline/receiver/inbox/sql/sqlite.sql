-- name: create_table
-- `due_time` is when a waiting event may be claimed: its next attempt, or the end of the lease of this one.
-- `state` is 0 while it waits, 1 when it is handled (its content is gone, its key is kept), 2 for a dead letter.
-- `epoch` counts every claim and never begins anew, so that what an older attempt reports is told apart.
CREATE TABLE IF NOT EXISTS hookline_inbox (
    scope TEXT NOT NULL,
    event_key TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    due_time INTEGER NOT NULL,
    started_time INTEGER,
    ended_time INTEGER,
    error TEXT NOT NULL DEFAULT '',
    event BLOB NOT NULL,
    PRIMARY KEY (scope, event_key)
) WITHOUT ROWID;

-- name: create_due_index
CREATE INDEX IF NOT EXISTS hookline_inbox_due ON hookline_inbox (scope, due_time) WHERE state = 0;

-- name: create_ended_index
CREATE INDEX IF NOT EXISTS hookline_inbox_ended ON hookline_inbox (scope, ended_time) WHERE state = 1;

-- name: waiting
SELECT count(*) FROM (SELECT 1 FROM hookline_inbox WHERE scope = :scope AND state = 0 LIMIT :most);

-- name: accept
INSERT INTO hookline_inbox (scope, event_key, due_time, event) VALUES (:scope, :key, :now, :event)
ON CONFLICT DO NOTHING;

-- name: claim
UPDATE hookline_inbox
SET attempts = attempts + 1, epoch = epoch + 1, due_time = :now + :lease, started_time = coalesce(started_time, :now)
WHERE scope = :scope AND state = 0 AND event_key IN (
    SELECT event_key FROM hookline_inbox
    WHERE scope = :scope AND state = 0 AND due_time <= :now
    ORDER BY due_time LIMIT :most
)
RETURNING event, attempts, epoch, :now - started_time;

-- name: extend
UPDATE hookline_inbox SET due_time = :now + :lease
WHERE scope = :scope AND event_key = :key AND state = 0 AND epoch = :epoch;

-- name: finish
UPDATE hookline_inbox SET state = 1, ended_time = :now, event = x'', error = ''
WHERE scope = :scope AND event_key = :key AND state = 0 AND epoch = :epoch;

-- name: postpone
UPDATE hookline_inbox SET due_time = :now + :delay, error = :error
WHERE scope = :scope AND event_key = :key AND state = 0 AND epoch = :epoch;

-- name: bury
UPDATE hookline_inbox SET state = 2, ended_time = :now, error = :error
WHERE scope = :scope AND event_key = :key AND state = 0 AND epoch = :epoch;

-- name: next_due
SELECT min(due_time) - :now FROM hookline_inbox WHERE scope = :scope AND state = 0;

-- name: dead_letters
SELECT event, attempts, error, ended_time FROM hookline_inbox
WHERE scope = :scope AND state = 2 AND event_key > :after ORDER BY event_key LIMIT :most;

-- name: retry
UPDATE hookline_inbox
SET state = 0, attempts = 0, due_time = :now, started_time = NULL, ended_time = NULL, error = ''
WHERE scope = :scope AND event_key = :key AND state = 2;

-- name: purge
DELETE FROM hookline_inbox WHERE scope = :scope AND state = 1 AND ended_time < :before;
