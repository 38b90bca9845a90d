-- name: settle
-- $1 the node. Outcomes: $2 ordinal, $3 tenant, $4 lane, $5 epoch, $6 the time it waited for (NULL: fresh), $7 position,
-- $8 state, $9 reason, $10 new time to wait for, $11 attempts of this run, $12 start of the run, $13 when, $14 day, $15 next;
-- attempts: $16 id, $17 number, $18 start, $19 duration, $20 url, $21 address, $22 status, $23 answer, $24 error, $25 detail; $26 the key under which it waits.
-- The plan is for any number of outcomes, and takes that for a few: so nothing here leaves it the choice to compare each with each
-- (IN as a value, IS TRUE, is hashed), or to look for lanes by their owner.
WITH o AS MATERIALIZED (
  SELECT * FROM unnest($2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::int[], $9::text[], $10::bigint[],
    $11::int[], $12::bigint[], $13::bigint[], $14::int[], $15::bigint[], $16::text[], $17::int[], $18::bigint[], $19::float8[],
    $20::text[], $21::text[], $22::int[], $23::bytea[], $24::text[], $25::text[], $26::text[])
  o(ord, tenant, lane, epoch, old, pos, state, reason, due, tried, run_start, at, day, next,
    attempt, number, start, duration, url, address, status, answer, error, detail, okey)),
own AS MATERIALIZED (                         -- the fence: holds off a takeover until this commit
  SELECT l.tenant, l.name, l.epoch FROM (SELECT DISTINCT tenant, lane, epoch FROM o) d
  JOIN hookline.lane l ON l.tenant = d.tenant AND l.name = d.lane AND l.epoch = d.epoch
  WHERE (l.owner = $1) IS TRUE ORDER BY l.tenant, l.name FOR SHARE OF l),
mine AS MATERIALIZED (SELECT o.* FROM o WHERE ((o.tenant, o.lane, o.epoch) IN (SELECT tenant, name, epoch FROM own)) IS TRUE),
pf AS MATERIALIZED (
  SELECT m.*, f.place FROM mine m CROSS JOIN LATERAL (
    SELECT f.ctid AS place FROM hookline.fresh f WHERE f.tenant = m.tenant AND f.lane = m.lane AND f.pos = m.pos LIMIT 1) f
  WHERE m.old IS NULL),
df AS (
  DELETE FROM hookline.fresh f USING pf m WHERE f.ctid = m.place
  RETURNING m.*, f.id, f.event, f.day AS event_day, f.size, f.type, f.webhook, f.replay, f.created, f.run, f.before),
pl AS MATERIALIZED (
  SELECT m.*, f.place FROM mine m CROSS JOIN LATERAL (
    SELECT f.ctid AS place FROM hookline.later f
    WHERE f.tenant = m.tenant AND f.lane = m.lane AND f.due = m.old AND f.pos = m.pos LIMIT 1) f
  WHERE m.old > 0),                           -- as all times are that something waits for
dl AS (
  DELETE FROM hookline.later f USING pl m WHERE f.ctid = m.place
  RETURNING m.*, f.id, f.event, f.day AS event_day, f.size, f.type, f.webhook, f.replay, f.created, f.run, f.before),
g AS MATERIALIZED (SELECT * FROM df UNION ALL SELECT * FROM dl),
il AS (
  INSERT INTO hookline.later (tenant, lane, due, pos, id, event, day, size, type, okey, webhook, replay, created, run, before,
    attempts, run_start, reason)
  SELECT tenant, lane, due, pos, id, event, event_day, size, type, okey, webhook, replay, created, run, before, tried, run_start, reason
  FROM g WHERE state = 0),
ih AS (
  INSERT INTO hookline.done (tenant, id, day, pos, lane, event, event_day, type, webhook, replay, created,
    state, reason, run, attempts, finished)
  SELECT tenant, id, day, pos, lane, event, event_day, type, webhook, replay, created, state, reason, run, before + tried, at
  FROM g WHERE state <> 0),
it AS (
  INSERT INTO hookline.tally (tenant, lane, delivered, exhausted, cancelled)
  SELECT tenant, lane, count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)
  FROM g WHERE state <> 0 GROUP BY tenant, lane),
ic AS (
  INSERT INTO hookline.change (tenant, pos, day, delivery, event, type, lane, webhook, created, replay, state, reason, run, attempts,
    next, at, attempt, number, start, duration, url, address, status, answer, error, detail)
  SELECT tenant, (pg_current_xact_id()::text::bigint << 20) | ord, day, id, event, type, lane, webhook, created, replay, state, reason,
    run, before + tried, next, at, attempt, number, start, duration, url, address, status, answer, error, detail
  FROM g)
SELECT (SELECT array_agg(ord) FROM g) AS written, (SELECT array_agg(ord) FROM mine) AS held;

-- name: odd    what became of outcomes that were not written: settled before, or too late
-- $1 ordinal, $2 tenant, $3 delivery, $4 attempt
SELECT o.ord,
  (SELECT c.state IS NOT NULL FROM hookline.change c
   WHERE c.tenant = o.tenant AND c.delivery = o.delivery AND c.attempt = o.attempt LIMIT 1) AS counted,
  s.*
FROM unnest($1::int[], $2::text[], $3::text[], $4::text[]) o(ord, tenant, delivery, attempt)
LEFT JOIN LATERAL (
  SELECT f.pos, NULL::bigint AS due, 0 AS attempts, NULL::smallint AS state, f.event, f.type, f.lane, f.webhook, f.created, f.replay
  FROM hookline.fresh f WHERE f.tenant = o.tenant AND f.id = o.delivery
  UNION ALL
  SELECT f.pos, f.due, f.attempts, NULL, f.event, f.type, f.lane, f.webhook, f.created, f.replay
  FROM hookline.later f WHERE f.tenant = o.tenant AND f.id = o.delivery
  UNION ALL
  SELECT f.pos, NULL, 0, f.state, f.event, f.type, f.lane, f.webhook, f.created, f.replay
  FROM hookline.done f WHERE f.tenant = o.tenant AND f.id = o.delivery
  LIMIT 1) s ON true;

-- name: supersede    keep attempts whose outcome came too late; once, and not if they counted after all
INSERT INTO hookline.change (tenant, pos, day, delivery, event, type, lane, webhook, created, replay, state, reason, run, attempts,
  next, at, attempt, number, start, duration, url, address, status, answer, error, detail)
SELECT o.tenant, (pg_current_xact_id()::text::bigint << 20) | o.ord, o.day, o.delivery, o.event, o.type, o.lane, o.webhook, o.created,
  o.replay, NULL, o.reason, o.run, o.attempts, o.next, o.at,
  o.attempt, o.number, o.start, o.duration, o.url, o.address, o.status, o.answer, o.error, o.detail
FROM unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[],
    $11::text[], $12::int[], $13::int[], $14::bigint[], $15::bigint[], $16::text[], $17::int[], $18::bigint[], $19::float8[],
    $20::text[], $21::text[], $22::int[], $23::bytea[], $24::text[], $25::text[])
  o(ord, tenant, day, delivery, event, type, lane, webhook, created, replay, reason, run, attempts, next, at,
    attempt, number, start, duration, url, address, status, answer, error, detail)
WHERE NOT EXISTS (SELECT 1 FROM hookline.change c
  WHERE c.tenant = o.tenant AND c.delivery = o.delivery AND c.attempt = o.attempt);
