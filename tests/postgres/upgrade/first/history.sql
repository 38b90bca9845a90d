-- Deliveries are in `fresh`, `later` or `done`; a list is what one snapshot has in all of them.

-- name: delivery
SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished FROM hookline.fresh f WHERE f.tenant = $1 AND f.id = $2
UNION ALL
SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint FROM hookline.later f WHERE f.tenant = $1 AND f.id = $2
UNION ALL
SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished FROM hookline.done f WHERE f.tenant = $1 AND f.id = $2
LIMIT 1;

-- Lists: $1 tenant, $2 before, $3 created from, $4 to (excluded), $5 type or '', $6 with what is pending, $7 with what is finished in
-- this state (0: in any; NULL: not), $8 limit, $9 the lane or the event, $10 the lane or ''.

-- name: of_tenant
SELECT * FROM (
  (SELECT r.* FROM hookline.lane l CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished
    FROM hookline.fresh f WHERE f.tenant = $1 AND f.lane = l.name AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8) r
  WHERE $6 AND l.tenant = $1 AND l.owner IS NOT NULL ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT r.* FROM hookline.lane l CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint
    FROM hookline.later f WHERE f.tenant = $1 AND f.lane = l.name AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8) r
  WHERE $6 AND l.tenant = $1 AND l.owner IS NOT NULL ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7::smallint IS NOT NULL AND $7 <= 1 AND ($7 = 0 OR f.state = $7) AND f.tenant = $1 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7 > 1 AND f.state = $7 AND f.state <> 1 AND f.tenant = $1 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)) found
ORDER BY pos DESC LIMIT $8;

-- name: of_lane
SELECT * FROM (
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished
  FROM hookline.fresh f WHERE $6 AND f.tenant = $1 AND f.lane = $9 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint
  FROM hookline.later f WHERE $6 AND f.tenant = $1 AND f.lane = $9 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7::smallint IS NOT NULL AND $7 <= 1 AND ($7 = 0 OR f.state = $7) AND f.tenant = $1 AND f.lane = $9 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7 > 1 AND f.state = $7 AND f.state <> 1 AND f.tenant = $1 AND f.lane = $9 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)) found
ORDER BY pos DESC LIMIT $8;

-- name: of_event
SELECT * FROM (
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished
  FROM hookline.fresh f WHERE $6 AND f.tenant = $1 AND f.event = $9 AND ($10 = '' OR f.lane = $10) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint
  FROM hookline.later f WHERE $6 AND f.tenant = $1 AND f.event = $9 AND ($10 = '' OR f.lane = $10) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7::smallint IS NOT NULL AND $7 <= 1 AND ($7 = 0 OR f.state = $7) AND f.tenant = $1 AND f.event = $9 AND ($10 = '' OR f.lane = $10) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7 > 1 AND f.state = $7 AND f.state <> 1 AND f.tenant = $1 AND f.event = $9 AND ($10 = '' OR f.lane = $10) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) ORDER BY f.pos DESC LIMIT $8)) found
ORDER BY pos DESC LIMIT $8;

-- name: blocker    the first pending delivery of the same lane and ordering key, if it is an earlier one
WITH d AS MATERIALIZED (
  SELECT f.lane, f.okey, f.pos FROM hookline.fresh f WHERE f.tenant = $1 AND f.id = $2
  UNION ALL
  SELECT f.lane, f.okey, f.pos FROM hookline.later f WHERE f.tenant = $1 AND f.id = $2)
SELECT b.id FROM d CROSS JOIN LATERAL (
  (SELECT f.id, f.pos FROM hookline.fresh f WHERE f.tenant = $1 AND f.lane = d.lane AND f.okey = d.okey ORDER BY f.pos LIMIT 1)
  UNION ALL
  (SELECT f.id, f.pos FROM hookline.later f WHERE f.tenant = $1 AND f.lane = d.lane AND f.okey = d.okey ORDER BY f.pos LIMIT 1)
  ORDER BY pos LIMIT 1) b
WHERE b.pos < d.pos;

-- name: attempts
SELECT delivery, event, lane, run, next, state, attempt, number, start, duration, url, address, status, answer, error, detail
FROM hookline.change WHERE tenant = $1 AND delivery = $2 AND attempt IS NOT NULL ORDER BY pos;

-- name: changes
SELECT pos, delivery, event, type, lane, webhook, created, replay, state, reason, run, attempts, next, at,
  attempt, number, start, duration, url, address, status, answer, error, detail
FROM hookline.change WHERE tenant = $1 AND pos > $2 AND pos < $3 ORDER BY pos LIMIT $4;

-- name: horizon
SELECT horizon FROM hookline.tenant WHERE tenant = $1;

-- name: stats
SELECT l.name, f.pending + w.pending AS pending, t.delivered, t.exhausted, t.cancelled,
  least((SELECT h.since FROM hookline.fresh h WHERE h.tenant = l.tenant AND h.lane = l.name ORDER BY h.pos LIMIT 1),
        (SELECT h.due FROM hookline.later h WHERE h.tenant = l.tenant AND h.lane = l.name ORDER BY h.due LIMIT 1)) AS since
FROM hookline.lane l
CROSS JOIN LATERAL (SELECT count(*) AS pending FROM hookline.fresh h WHERE h.tenant = l.tenant AND h.lane = l.name) f
CROSS JOIN LATERAL (SELECT count(*) AS pending FROM hookline.later h WHERE h.tenant = l.tenant AND h.lane = l.name) w
CROSS JOIN LATERAL (
  SELECT coalesce(sum(h.delivered), 0)::bigint AS delivered, coalesce(sum(h.exhausted), 0)::bigint AS exhausted,
    coalesce(sum(h.cancelled), 0)::bigint AS cancelled
  FROM hookline.tally h WHERE h.tenant = l.tenant AND h.lane = l.name) t
WHERE l.tenant = $1 AND l.owner IS NOT NULL ORDER BY l.name;
