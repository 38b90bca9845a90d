-- name: standing    where a delivery stands; one of the three has it
SELECT 'fresh' AS place, f.lane, f.pos, f.id, f.event, f.day, f.size, f.type, f.okey, f.webhook, f.replay, f.created, f.run, f.before,
  0 AS attempts, 0::bigint AS run_start, '' AS reason, NULL::bigint AS due, 0::smallint AS state
FROM hookline.fresh f WHERE f.tenant = $1 AND f.id = $2
UNION ALL
SELECT 'later', f.lane, f.pos, f.id, f.event, f.day, f.size, f.type, f.okey, f.webhook, f.replay, f.created, f.run, f.before,
  f.attempts, f.run_start, f.reason, f.due, 0
FROM hookline.later f WHERE f.tenant = $1 AND f.id = $2
UNION ALL
SELECT 'done', f.lane, f.pos, f.id, f.event, f.day, 0, f.type, NULL, f.webhook, f.replay, f.created, f.run, 0,
  f.attempts, 0, f.reason, NULL, f.state
FROM hookline.done f WHERE f.tenant = $1 AND f.id = $2
LIMIT 1;

-- name: add_done
INSERT INTO hookline.done (tenant, id, day, pos, lane, event, event_day, type, webhook, replay, created,
  state, reason, run, attempts, finished) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: lane    its owner, and whether that one lives; holds off whoever closes it
SELECT l.owner, l.taking, EXISTS (SELECT 1 FROM hookline.node n WHERE n.id = l.owner) AS alive
FROM hookline.lane l WHERE l.tenant = $1 AND l.name = $2 AND l.owner IS NOT NULL FOR KEY SHARE OF l;

-- name: event_day
SELECT day, octet_length(data) AS size, okey FROM hookline.event WHERE tenant = $1 AND id = $2 ORDER BY day DESC LIMIT 1;

-- name: remove_fresh
DELETE FROM hookline.fresh WHERE tenant = $1 AND lane = $2 AND pos = $3 RETURNING pos;

-- name: remove_later
DELETE FROM hookline.later WHERE tenant = $1 AND lane = $2 AND due = $3 AND pos = $4 RETURNING pos;

-- name: remove_done
DELETE FROM hookline.done WHERE tenant = $1 AND id = $2 AND day = $3 RETURNING pos;

-- name: add_fresh
INSERT INTO hookline.fresh (tenant, lane, pos, id, event, day, size, type, okey, webhook, replay, created, run, before, since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), $10, $11, $12, $13, $14, $15);

-- name: postpone
INSERT INTO hookline.later (tenant, lane, due, pos, id, event, day, size, type, okey, webhook, replay, created, run, before,
  attempts, run_start, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18);

-- name: add_tally
INSERT INTO hookline.tally (tenant, lane, delivered, exhausted, cancelled) VALUES ($1, $2, $3, $4, $5);

-- name: add_change
INSERT INTO hookline.change (tenant, pos, day, delivery, event, type, lane, webhook, created, replay, state, reason, run, attempts, next, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: call_off    $1 tenant, $2 lane, $3 limit, $4 base, $5 reason, $6 at, $7 day, $8 made before: cancel what is pending in a lane
WITH pf AS MATERIALIZED (
  SELECT ctid AS place FROM hookline.fresh WHERE tenant = $1 AND lane = $2 AND created < $8 ORDER BY pos LIMIT $3),
df AS (
  DELETE FROM hookline.fresh f USING pf WHERE f.ctid = pf.place
  RETURNING f.pos, f.id, f.event, f.day, f.type, f.webhook, f.replay, f.created, f.run, f.before AS attempts),
pl AS MATERIALIZED (
  SELECT ctid AS place FROM hookline.later WHERE tenant = $1 AND lane = $2 AND created < $8 ORDER BY due, pos
  LIMIT $3 - (SELECT count(*) FROM pf) FOR UPDATE),
dl AS (
  DELETE FROM hookline.later f USING pl WHERE f.ctid = pl.place
  RETURNING f.pos, f.id, f.event, f.day, f.type, f.webhook, f.replay, f.created, f.run, f.before + f.attempts),
g AS MATERIALIZED (SELECT *, row_number() OVER () AS ord FROM (SELECT * FROM df UNION ALL SELECT * FROM dl) d),
ih AS (
  INSERT INTO hookline.done (tenant, id, day, pos, lane, event, event_day, type, webhook, replay, created,
    state, reason, run, attempts, finished)
  SELECT $1, id, $7, pos, $2, event, day, type, webhook, replay, created, 3, $5, run, attempts, $6 FROM g),
ic AS (
  INSERT INTO hookline.change (tenant, pos, day, delivery, event, type, lane, webhook, created, replay, state, reason, run, attempts, at)
  SELECT $1, $4::bigint | ord, $7, id, event, type, $2, webhook, created, replay, 3, $5, run, attempts, $6 FROM g)
SELECT id FROM g;
