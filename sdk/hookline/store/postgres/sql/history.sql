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
-- this state (0: in any; NULL: not), $8 limit, $9 the replay or '', $10 the lane or the event, $11 the lane or ''.

-- name: of_tenant
SELECT * FROM (
  (SELECT r.* FROM hookline.lane l CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished
    FROM hookline.fresh f WHERE f.tenant = $1 AND f.lane = l.name AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8) r
  WHERE $6 AND l.tenant = $1 AND l.owner IS NOT NULL ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT r.* FROM hookline.lane l CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint
    FROM hookline.later f WHERE f.tenant = $1 AND f.lane = l.name AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8) r
  WHERE $6 AND l.tenant = $1 AND l.owner IS NOT NULL ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7::smallint IS NOT NULL AND $7 <= 1 AND ($7 = 0 OR f.state = $7) AND f.tenant = $1 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7 > 1 AND f.state = $7 AND f.state <> 1 AND f.tenant = $1 AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8)) found
ORDER BY pos DESC LIMIT $8;

-- name: of_lane    of all lanes of a subscription: its id, or its id, a slash and a number ('0' follows the slash)
WITH w AS MATERIALIZED (
  SELECT $10::text COLLATE "C" AS lane
  UNION ALL SELECT l.name FROM hookline.lane l WHERE l.tenant = $1 AND l.name >= $10 || '/' AND l.name < $10 || '0')
SELECT * FROM (
  (SELECT r.* FROM w CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished
    FROM hookline.fresh f WHERE f.tenant = $1 AND f.lane = w.lane AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8) r
  WHERE $6 ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT r.* FROM w CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint
    FROM hookline.later f WHERE f.tenant = $1 AND f.lane = w.lane AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8) r
  WHERE $6 ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT r.* FROM w CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
    FROM hookline.done f WHERE $7::smallint IS NOT NULL AND $7 <= 1 AND ($7 = 0 OR f.state = $7) AND f.tenant = $1 AND f.lane = w.lane AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8) r
  ORDER BY r.pos DESC LIMIT $8)
  UNION ALL
  (SELECT r.* FROM w CROSS JOIN LATERAL (
    SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
    FROM hookline.done f WHERE $7 > 1 AND f.state = $7 AND f.state <> 1 AND f.tenant = $1 AND f.lane = w.lane AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8) r
  ORDER BY r.pos DESC LIMIT $8)) found
ORDER BY pos DESC LIMIT $8;

-- name: of_event
SELECT * FROM (
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint AS state, '' AS reason, f.run, f.before AS attempts,
    NULL::bigint AS due, NULL::bigint AS finished
  FROM hookline.fresh f WHERE $6 AND f.tenant = $1 AND f.event = $10 AND ($11 = '' OR split_part(f.lane, '/', 1) = $11) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, 0::smallint, f.reason, f.run, f.before + f.attempts, f.due, NULL::bigint
  FROM hookline.later f WHERE $6 AND f.tenant = $1 AND f.event = $10 AND ($11 = '' OR split_part(f.lane, '/', 1) = $11) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7::smallint IS NOT NULL AND $7 <= 1 AND ($7 = 0 OR f.state = $7) AND f.tenant = $1 AND f.event = $10 AND ($11 = '' OR split_part(f.lane, '/', 1) = $11) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8)
  UNION ALL
  (SELECT f.pos, f.id, f.event, f.type, f.lane, f.webhook, f.created, f.replay, f.state, f.reason, f.run, f.attempts, NULL::bigint, f.finished
  FROM hookline.done f WHERE $7 > 1 AND f.state = $7 AND f.state <> 1 AND f.tenant = $1 AND f.event = $10 AND ($11 = '' OR split_part(f.lane, '/', 1) = $11) AND f.pos < $2 AND f.created >= $3 AND f.created < $4 AND ($5 = '' OR f.type = $5) AND ($9 = '' OR f.replay = $9) ORDER BY f.pos DESC LIMIT $8)) found
ORDER BY pos DESC LIMIT $8;

-- name: standings    of the last deliveries of the events $3 to the subscription $2
SELECT w.event, r.state FROM unnest($3::text[]) w(event) CROSS JOIN LATERAL (
  SELECT u.state FROM (
    SELECT f.pos, 0::smallint AS state FROM hookline.fresh f WHERE f.tenant = $1 AND f.event = w.event AND split_part(f.lane, '/', 1) = $2
    UNION ALL
    SELECT f.pos, 0::smallint FROM hookline.later f WHERE f.tenant = $1 AND f.event = w.event AND split_part(f.lane, '/', 1) = $2
    UNION ALL
    SELECT f.pos, f.state FROM hookline.done f WHERE f.tenant = $1 AND f.event = w.event AND split_part(f.lane, '/', 1) = $2) u
  ORDER BY u.pos DESC LIMIT 1) r;

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

-- name: lanes    of a subscription: its id, or its id, a slash and a number ('0' follows the slash)
SELECT l.name, EXISTS (SELECT 1 FROM hookline.fresh f WHERE f.tenant = l.tenant AND f.lane = l.name)
  OR EXISTS (SELECT 1 FROM hookline.later f WHERE f.tenant = l.tenant AND f.lane = l.name) AS pending
FROM hookline.lane l WHERE l.tenant = $1 AND (l.name = $2 OR (l.name >= $2 || '/' AND l.name < $2 || '0')) ORDER BY l.name;
