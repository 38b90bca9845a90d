-- name: create_table
-- `due_time` is when a waiting event may be claimed: its next attempt, or the end of the lease of this one.
-- `state` is 0 while it waits, 1 when it is handled (its content is gone, its key is kept), 2 for a dead letter.
-- `epoch` counts every claim and never begins anew, so that what an older attempt reports is told apart.
CREATE TABLE IF NOT EXISTS hookline_inbox (
    scope text NOT NULL,
    event_key text NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0,
    due_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_time timestamptz,
    ended_time timestamptz,
    error text NOT NULL DEFAULT '',
    event bytea NOT NULL,
    PRIMARY KEY (scope, event_key)
);

-- name: create_due_index
CREATE INDEX IF NOT EXISTS hookline_inbox_due ON hookline_inbox (scope, due_time) WHERE state = 0;

-- name: create_ended_index
CREATE INDEX IF NOT EXISTS hookline_inbox_ended ON hookline_inbox (scope, ended_time) WHERE state = 1;

-- name: waiting
SELECT count(*) FROM (SELECT 1 FROM hookline_inbox WHERE scope = $1 AND state = 0 LIMIT $2) AS found;

-- name: accept
INSERT INTO hookline_inbox (scope, event_key, event)
SELECT $1, given.event_key, given.event
FROM unnest($2::text[], $3::bytea[]) AS given (event_key, event)
ORDER BY given.event_key
ON CONFLICT DO NOTHING
RETURNING event_key;

-- name: claim
UPDATE hookline_inbox
SET attempts = attempts + 1, epoch = epoch + 1, due_time = clock_timestamp() + $3::interval,
    started_time = coalesce(started_time, clock_timestamp())
WHERE scope = $1 AND event_key = ANY (ARRAY (
    SELECT event_key FROM hookline_inbox
    WHERE scope = $1 AND state = 0 AND due_time <= clock_timestamp()
    ORDER BY due_time LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING event, attempts, epoch, extract(epoch FROM clock_timestamp() - started_time)::float8 AS elapsed;

-- name: extend
UPDATE hookline_inbox SET due_time = clock_timestamp() + $4::interval
FROM unnest($2::text[], $3::bigint[]) AS held (event_key, epoch)
WHERE hookline_inbox.scope = $1 AND hookline_inbox.event_key = held.event_key AND hookline_inbox.state = 0
    AND hookline_inbox.epoch = held.epoch;

-- name: finish
UPDATE hookline_inbox SET state = 1, ended_time = clock_timestamp(), event = '', error = ''
WHERE scope = $1 AND event_key = $2 AND state = 0 AND epoch = $3 RETURNING 1;

-- name: postpone
UPDATE hookline_inbox SET due_time = clock_timestamp() + $4::interval, error = $5
WHERE scope = $1 AND event_key = $2 AND state = 0 AND epoch = $3 RETURNING 1;

-- name: bury
UPDATE hookline_inbox SET state = 2, ended_time = clock_timestamp(), error = $4
WHERE scope = $1 AND event_key = $2 AND state = 0 AND epoch = $3 RETURNING 1;

-- name: next_due
SELECT extract(epoch FROM min(due_time) - clock_timestamp())::float8 FROM hookline_inbox WHERE scope = $1 AND state = 0;

-- name: dead_letters
SELECT event, attempts, error, ended_time FROM hookline_inbox
WHERE scope = $1 AND state = 2 AND event_key > $2 ORDER BY event_key LIMIT $3;

-- name: retry
UPDATE hookline_inbox
SET state = 0, attempts = 0, due_time = clock_timestamp(), started_time = NULL, ended_time = NULL, error = ''
WHERE scope = $1 AND event_key = $2 AND state = 2 RETURNING 1;

-- name: purge
WITH gone AS (
    DELETE FROM hookline_inbox WHERE scope = $1 AND state = 1 AND ended_time < clock_timestamp() - $2::interval RETURNING 1
)
SELECT count(*) FROM gone;
