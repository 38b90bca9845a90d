-- name: finished
SELECT tenant, pos FROM done WHERE finished < ? ORDER BY finished LIMIT ?;

-- name: count_attempts
SELECT count(attempt), ifnull(max(pos), 0) FROM change WHERE delivery = ?;

-- name: remove_changes
DELETE FROM change WHERE delivery = ?;

-- name: remove_done
DELETE FROM done WHERE tenant = ? AND pos = ?;

-- name: remove_delivery
DELETE FROM delivery WHERE tenant = ? AND pos = ?;

-- name: raise_horizon
INSERT INTO tenant (tenant, horizon) VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET horizon = max(horizon, excluded.horizon);

-- name: unneeded    events that no delivery and no running fan-out needs, from a position on
SELECT e.pos FROM event e
WHERE e.pos > :after AND e.accept < :before
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event = e.pos)
  AND NOT EXISTS (SELECT 1 FROM job j WHERE j.tenant = e.tenant AND j.id = 'fanout:' || e.id AND j.finished IS NULL)
ORDER BY e.pos LIMIT :limit;

-- name: still_unneeded
SELECT e.tenant, e.id, e.digest, e.accept FROM event e
WHERE e.pos = ?
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event = e.pos)
  AND NOT EXISTS (SELECT 1 FROM job j WHERE j.tenant = e.tenant AND j.id = 'fanout:' || e.id AND j.finished IS NULL);

-- name: carry_forward
INSERT INTO idempotency (tenant, kind, key, event, digest, accept) VALUES (?, 'id', ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: remove_event
DELETE FROM event WHERE pos = ?;

-- name: expired_keys
SELECT tenant, kind, key FROM idempotency WHERE accept < ? ORDER BY accept LIMIT ?;

-- name: remove_key
DELETE FROM idempotency WHERE tenant = ? AND kind = ? AND key = ?;

-- name: expired_requests
SELECT tenant, method, id FROM request WHERE at < ? ORDER BY at LIMIT ?;

-- name: remove_request
DELETE FROM request WHERE tenant = ? AND method = ? AND id = ?;

-- name: finished_jobs
SELECT tenant, id FROM job WHERE finished < ? ORDER BY finished LIMIT ?;

-- name: remove_job
DELETE FROM job WHERE tenant = ? AND id = ?;

-- name: empty_lanes
SELECT no FROM lane WHERE owner IS NULL AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.lane = lane.no) LIMIT ?;

-- name: remove_lane
DELETE FROM lane WHERE no = ?;
