-- name: claim
SELECT f.pos, NULL, d.id, d.webhook_id, f.run, 0, f.before, 0,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM fresh f JOIN delivery d ON d.tenant = ?1 AND d.pos = f.pos JOIN event e ON e.pos = d.event
WHERE f.lane = ?2 AND f.pos > ?3
ORDER BY f.pos LIMIT ?4;

-- name: claim_ordered
SELECT f.pos, NULL, d.id, d.webhook_id, f.run, 0, f.before, 0,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM fresh f JOIN delivery d ON d.tenant = ?1 AND d.pos = f.pos JOIN event e ON e.pos = d.event
WHERE f.lane = ?2 AND f.pos > ?3
  AND (f.okey IS NULL OR NOT EXISTS (SELECT 1 FROM later l WHERE l.lane = f.lane AND l.okey = f.okey))
ORDER BY f.pos LIMIT ?4;

-- name: probe
SELECT f.pos, NULL, d.id, d.webhook_id, f.run, 0, f.before, 0,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM fresh f JOIN delivery d ON d.tenant = ?1 AND d.pos = f.pos JOIN event e ON e.pos = d.event
WHERE f.lane = ?2 AND f.okey = ?3
ORDER BY f.pos LIMIT ?4;

-- name: due
SELECT l.pos, l.due, d.id, d.webhook_id, l.run, l.attempts, l.before, l.run_start,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept, l.okey IS NULL AND e.okey <> ''
FROM later l JOIN delivery d ON d.tenant = ?1 AND d.pos = l.pos JOIN event e ON e.pos = d.event
WHERE l.lane = ?2 AND l.due <= ?3 AND (l.due, l.pos) > (?5, ?6)
ORDER BY l.due, l.pos LIMIT ?4;

-- name: next_due
SELECT min(due) FROM later WHERE lane = ? AND due > ?;

-- name: remove_fresh
DELETE FROM fresh WHERE lane = ? AND pos = ?;

-- name: remove_fresh_of    any number of positions of one lane
DELETE FROM fresh WHERE lane = ? AND pos IN (?);

-- name: remove_later
DELETE FROM later WHERE lane = ? AND due = ? AND pos = ?;

-- name: add_later
INSERT INTO later (lane, due, pos, okey, run, attempts, before, run_start, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_done
INSERT INTO done (tenant, pos, state, reason, run, attempts, finished) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: add_change
INSERT INTO change (pos, tenant, delivery, state, reason, run, attempts, next, at,
  attempt, number, start, duration, url, address, status, answer, error, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: where_now    where a delivery stands, whatever became of it
SELECT d.pos, d.lane, g.name, g.owner, g.taking,
  f.run, f.before,
  l.due, l.run, l.attempts, l.before, l.run_start, l.reason,
  x.state, x.run, x.attempts,
  e.okey, l.okey
FROM delivery d JOIN lane g ON g.no = d.lane JOIN event e ON e.pos = d.event
LEFT JOIN fresh f ON f.lane = d.lane AND f.pos = d.pos
LEFT JOIN later l ON l.lane = d.lane AND l.pos = d.pos
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE d.tenant = ? AND d.id = ?;

-- name: has_attempt
SELECT 1 FROM change WHERE delivery = ? AND attempt = ?;

-- name: remove_done
DELETE FROM done WHERE tenant = ? AND pos = ?;

-- name: move_delivery
UPDATE delivery SET pos = :new WHERE tenant = :tenant AND pos = :old;

-- name: move_changes
UPDATE change SET delivery = :new WHERE delivery = :old;

-- name: head_fresh
SELECT f.pos, d.id, f.run, f.before FROM fresh f JOIN delivery d ON d.tenant = ? AND d.pos = f.pos
WHERE f.lane = ? ORDER BY f.pos LIMIT ?;

-- name: head_later
SELECT l.pos, l.due, d.id, l.run, l.attempts, l.before FROM later l JOIN delivery d ON d.tenant = ? AND d.pos = l.pos
WHERE l.lane = ? ORDER BY l.due, l.pos LIMIT ?;

-- name: old_fresh
SELECT f.pos, d.id, f.run, f.before FROM fresh f JOIN delivery d ON d.tenant = ? AND d.pos = f.pos
WHERE f.lane = ? AND d.created < ? ORDER BY f.pos LIMIT ?;

-- name: old_later
SELECT l.pos, l.due, d.id, l.run, l.attempts, l.before FROM later l JOIN delivery d ON d.tenant = ? AND d.pos = l.pos
WHERE l.lane = ? AND d.created < ? ORDER BY l.due, l.pos LIMIT ?;

-- name: settled_attempt
SELECT 1 FROM change WHERE delivery = ? AND attempt = ? AND state IS NOT NULL;
