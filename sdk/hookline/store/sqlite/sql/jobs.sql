-- name: open
SELECT tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished
FROM job WHERE finished IS NULL ORDER BY tenant, id;

-- name: one
SELECT tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished
FROM job WHERE tenant = ? AND id = ?;

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

-- name: end_lane
UPDATE lane SET owner = NULL WHERE tenant = ? AND name = ? AND taking = 0;
