-- name: delivery
SELECT d.pos, d.id, e.id, e.type, g.name, d.webhook_id, d.created, d.replay,
  f.run, f.before, l.due, l.run, l.attempts + l.before, l.reason, x.state, x.reason, x.run, x.attempts, x.finished
FROM delivery d JOIN event e ON e.pos = d.event JOIN lane g ON g.no = d.lane
LEFT JOIN fresh f ON f.lane = d.lane AND f.pos = d.pos
LEFT JOIN later l ON l.lane = d.lane AND l.pos = d.pos
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE d.tenant = ? AND d.id = ?;

-- name: delivery_at
SELECT d.pos, d.id, e.id, e.type, g.name, d.webhook_id, d.created, d.replay,
  f.run, f.before, l.due, l.run, l.attempts + l.before, l.reason, x.state, x.reason, x.run, x.attempts, x.finished
FROM delivery d JOIN event e ON e.pos = d.event JOIN lane g ON g.no = d.lane
LEFT JOIN fresh f ON f.lane = d.lane AND f.pos = d.pos
LEFT JOIN later l ON l.lane = d.lane AND l.pos = d.pos
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE d.tenant = ? AND d.pos = ?;

-- name: blocker    the first pending delivery of the same lane and ordering key, if it is an earlier one
SELECT b.id FROM delivery d JOIN event e ON e.pos = d.event JOIN delivery b ON b.tenant = d.tenant AND b.pos = (
  SELECT min(pos) FROM (
    SELECT f.pos FROM fresh f WHERE f.lane = d.lane AND f.okey = e.okey
    UNION ALL
    SELECT l.pos FROM later l WHERE l.lane = d.lane AND l.okey = e.okey))
WHERE d.tenant = ? AND d.id = ? AND e.okey <> '' AND b.pos < d.pos;

-- name: lanes    of a subscription: its id, or its id, a slash and a number ('0' follows the slash)
SELECT no, name FROM lane WHERE tenant = :tenant AND (name = :name OR (name >= :name || '/' AND name < :name || '0'));

-- name: holds
SELECT EXISTS (SELECT 1 FROM fresh WHERE lane = :lane) OR EXISTS (SELECT 1 FROM later WHERE lane = :lane);

-- name: lane_numbers
SELECT no FROM lane WHERE tenant = ?;

-- name: of_tenant
SELECT d.pos FROM delivery d JOIN event e ON e.pos = d.event
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE d.tenant = :tenant AND d.pos < :before AND d.created >= :from AND d.created < :to
  AND (:type = '' OR e.type = :type) AND (:replay = '' OR d.replay = :replay) AND (:state IS NULL OR ifnull(x.state, 0) = :state)
ORDER BY d.pos DESC LIMIT :limit;

-- name: of_lane
SELECT d.pos FROM delivery d INDEXED BY delivery_lane JOIN event e ON e.pos = d.event
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE d.lane = :lane AND d.tenant = :tenant AND d.pos < :before AND d.created >= :from AND d.created < :to
  AND (:type = '' OR e.type = :type) AND (:replay = '' OR d.replay = :replay) AND (:state IS NULL OR ifnull(x.state, 0) = :state)
ORDER BY d.pos DESC LIMIT :limit;

-- name: of_event
SELECT d.pos FROM event e CROSS JOIN delivery d ON d.event = e.pos
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE e.tenant = :tenant AND e.id = :event AND d.pos < :before AND d.created >= :from AND d.created < :to
  AND (:type = '' OR e.type = :type) AND (:replay = '' OR d.replay = :replay) AND (:state IS NULL OR ifnull(x.state, 0) = :state)
  AND (:lane IS NULL OR d.lane = :lane)
ORDER BY d.pos DESC LIMIT :limit;

-- name: failed    exhausted or cancelled: they have an index of their own
SELECT x.pos FROM done x INDEXED BY done_failed
JOIN delivery d ON d.tenant = x.tenant AND d.pos = x.pos JOIN event e ON e.pos = d.event
WHERE x.tenant = :tenant AND x.state = :state AND x.state <> 1 AND x.pos < :before
  AND d.created >= :from AND d.created < :to
  AND (:type = '' OR e.type = :type) AND (:replay = '' OR d.replay = :replay) AND (:lane IS NULL OR d.lane = :lane)
ORDER BY x.pos DESC LIMIT :limit;

-- name: pending_fresh
SELECT f.pos FROM fresh f JOIN delivery d ON d.tenant = :tenant AND d.pos = f.pos JOIN event e ON e.pos = d.event
WHERE f.lane = :lane AND f.pos < :before AND d.created >= :from AND d.created < :to AND (:type = '' OR e.type = :type) AND (:replay = '' OR d.replay = :replay)
ORDER BY f.pos DESC LIMIT :limit;

-- name: pending_later
SELECT l.pos FROM later l INDEXED BY later_pos JOIN delivery d ON d.tenant = :tenant AND d.pos = l.pos
JOIN event e ON e.pos = d.event
WHERE l.lane = :lane AND l.pos < :before AND d.created >= :from AND d.created < :to AND (:type = '' OR e.type = :type) AND (:replay = '' OR d.replay = :replay)
ORDER BY l.pos DESC LIMIT :limit;

-- name: standing    of an event's last delivery to a subscription
SELECT ifnull(x.state, 0) FROM event e CROSS JOIN delivery d ON d.event = e.pos JOIN lane g ON g.no = d.lane
LEFT JOIN done x ON x.tenant = d.tenant AND x.pos = d.pos
WHERE e.tenant = :tenant AND e.id = :event AND (g.name = :name OR (g.name >= :name || '/' AND g.name < :name || '0'))
ORDER BY d.pos DESC LIMIT 1;

-- name: attempts
SELECT d.id, e.id, g.name, c.run, c.next, c.state,
  c.attempt, c.number, c.start, c.duration, c.url, c.address, c.status, c.answer, c.error, c.detail
FROM delivery d JOIN event e ON e.pos = d.event JOIN lane g ON g.no = d.lane
JOIN change c ON c.delivery = d.pos
WHERE d.tenant = ? AND d.id = ? AND c.attempt IS NOT NULL ORDER BY c.pos;

-- name: changes
SELECT c.pos, c.delivery, d.id, e.id, e.type, g.name, d.webhook_id, d.created, d.replay,
  c.state, c.reason, c.run, c.attempts, c.next, c.at,
  c.attempt, c.number, c.start, c.duration, c.url, c.address, c.status, c.answer, c.error, c.detail
FROM change c INDEXED BY change_list
JOIN delivery d ON d.tenant = c.tenant AND d.pos = c.delivery JOIN event e ON e.pos = d.event JOIN lane g ON g.no = d.lane
WHERE c.tenant = ? AND c.pos > ? ORDER BY c.pos LIMIT ?;

-- name: horizon
SELECT horizon FROM tenant WHERE tenant = ?;

-- name: tallies
SELECT no, name, pending, delivered, exhausted, cancelled FROM lane WHERE tenant = ? AND owner IS NOT NULL ORDER BY name;

-- name: oldest_fresh
SELECT ifnull(f.since, d.created) FROM fresh f JOIN delivery d ON d.tenant = ? AND d.pos = f.pos
WHERE f.lane = ? ORDER BY f.pos LIMIT 1;

-- name: oldest_later
SELECT min(due) FROM later WHERE lane = ?;
