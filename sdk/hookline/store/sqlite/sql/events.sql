-- name: known_key
SELECT event, digest, accept FROM idempotency WHERE tenant = ? AND kind = 'key' AND key = ?;

-- name: known_id
SELECT id, digest, accept FROM event WHERE tenant = :tenant AND id = :id
UNION ALL
SELECT event, digest, accept FROM idempotency WHERE tenant = :tenant AND kind = 'id' AND key = :id
LIMIT 1;

-- name: add
INSERT INTO event (pos, tenant, id, digest, type, source, subject, time, data, content_type, data_schema, labels,
  idempotency_key, okey, not_before, traceparent, accept)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17
WHERE NOT EXISTS (SELECT 1 FROM idempotency WHERE tenant = ?2 AND kind = 'id' AND key = ?3)
ON CONFLICT (tenant, id) DO NOTHING;

-- name: add_many    any number of rows; what is known already is passed over
INSERT INTO event (pos, tenant, id, digest, type, source, subject, time, data, content_type, data_schema, labels,
  idempotency_key, okey, not_before, traceparent, accept)
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) new
WHERE NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.tenant = new.column2 AND i.kind = 'id' AND i.key = new.column3)
ON CONFLICT (tenant, id) DO NOTHING;

-- name: remove_range
DELETE FROM event WHERE pos BETWEEN ? AND ?;

-- name: add_key
INSERT INTO idempotency (tenant, kind, key, event, digest, accept) VALUES (?, 'key', ?, ?, ?, ?);

-- name: last_lane
SELECT ifnull(max(no), 0) FROM lane;

-- name: add_delivery
INSERT INTO delivery (tenant, pos, id, lane, event, created, webhook_id, replay) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_fresh
INSERT INTO fresh (lane, pos, okey, run, before, since) VALUES (?, ?, ?, ?, ?, ?);

-- name: event
SELECT e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM event e WHERE e.tenant = ? AND e.id = ?;

-- name: event_at
SELECT e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM event e WHERE e.pos = ?;

-- name: falling
SELECT pos FROM event
WHERE tenant = :tenant AND pos < :before AND accept >= :from AND accept < :to
  AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY pos DESC LIMIT :limit;

-- name: rising
SELECT pos FROM event
WHERE tenant = :tenant AND pos > :after AND accept >= :from AND accept < :to
  AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY pos LIMIT :limit;
