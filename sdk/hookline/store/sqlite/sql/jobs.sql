-- name: open    fan-outs in the order of their events
SELECT j.tenant, j.id, j.kind, j.subject, j.spec, j.cursor, j.scanned, j.added, j.cancelled, j.created, j.finished
FROM job j LEFT JOIN event e ON j.kind = 'fanout' AND e.tenant = j.tenant AND e.id = j.subject
WHERE j.finished IS NULL ORDER BY j.tenant, e.pos, j.id;

-- name: one
SELECT tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished
FROM job WHERE tenant = ? AND id = ?;

-- name: replays    ids are in the order of time
SELECT tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished
FROM job WHERE tenant = :tenant AND kind = 'replay' AND (:subject = '' OR subject = :subject) AND (:before = '' OR id < :before)
ORDER BY id DESC LIMIT :limit;

-- name: add
INSERT INTO job (tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: move
UPDATE job SET cursor = :cursor, scanned = scanned + :scanned, finished = :finished
WHERE tenant = :tenant AND id = :id AND cursor = :from AND finished IS NULL;

-- name: count
UPDATE job SET added = added + ? WHERE tenant = ? AND id = ?;

-- name: finish
UPDATE job SET finished = ?, cancelled = ? WHERE tenant = ? AND id = ? AND finished IS NULL;

-- name: subject_event
SELECT pos, okey FROM event WHERE tenant = ? AND id = ?;

-- name: known_delivery
SELECT 1 FROM delivery WHERE tenant = ? AND id = ?;

-- name: lanes    of a subscription: its id, or its id, a slash and a number ('0' follows the slash)
SELECT name FROM lane
WHERE tenant = :tenant AND (name = :name OR (name >= :name || '/' AND name < :name || '0')) AND owner IS NOT NULL ORDER BY name;

-- name: end_lane
UPDATE lane SET owner = NULL WHERE tenant = ? AND name = ? AND taking = 0;
