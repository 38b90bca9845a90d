-- name: claim
-- Ranges: $1 lane's index, $2 tenant, $3 lane, $4 from, $5 to (excluded), $6 room + 1. $7 bytes of data in the answer.
WITH s AS MATERIALIZED (
  SELECT w.i, w.room, r.* FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::int[]) w(i, tenant, lane, lo, hi, room)
  CROSS JOIN LATERAL (SELECT l.ordered FROM hookline.lane l WHERE l.tenant = w.tenant AND l.name = w.lane LIMIT 1) l
  CROSS JOIN LATERAL (
    SELECT f.tenant, f.lane, f.pos, f.id, f.event, f.day, f.size, f.webhook, f.run, f.before FROM hookline.fresh f
    WHERE f.tenant = w.tenant AND f.lane = w.lane AND f.pos >= w.lo AND f.pos < w.hi
      AND (NOT l.ordered OR f.okey IS NULL OR NOT EXISTS (
        SELECT 1 FROM hookline.later b WHERE b.tenant = f.tenant AND b.lane = f.lane AND b.okey = f.okey))
    ORDER BY f.pos LIMIT w.room) r),
c AS MATERIALIZED (
  SELECT s.*, sum(s.size) OVER (ORDER BY s.i, s.pos) - s.size AS taken,
    row_number() OVER (PARTITION BY s.i ORDER BY s.pos) AS nth, count(*) OVER (PARTITION BY s.i) AS found
  FROM s),
g AS MATERIALIZED (SELECT * FROM c WHERE c.nth < c.room AND (c.taken <= $7 OR c.nth = 1))
SELECT h.snap, h.born, g.i, g.found, g.pos, NULL::bigint AS due, g.id, g.webhook, g.run, 0 AS attempts, g.before, 0::bigint AS run_start,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept, g.event
FROM (SELECT pg_current_snapshot()::text AS snap, pg_postmaster_start_time()::text AS born) h
LEFT JOIN g ON true
LEFT JOIN LATERAL (SELECT * FROM hookline.event e WHERE e.tenant = g.tenant AND e.id = g.event AND e.day = g.day LIMIT 1) e ON true
ORDER BY g.i, g.pos;

-- name: due
-- $1 lane's index, $2 tenant, $3 lane, $4 until, $5 room + 1, $6 and $7 due time and position after which; $8 bytes of data in the answer
WITH w AS MATERIALIZED (
  SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::bigint[], $7::bigint[])
    w(i, tenant, lane, until, room, due, pos)),
s AS MATERIALIZED (
  SELECT w.i, w.room, r.* FROM w CROSS JOIN LATERAL (
    SELECT f.tenant, f.lane, f.pos, f.due, f.id, f.event, f.day, f.size, f.webhook, f.run, f.attempts, f.before, f.run_start, f.okey
    FROM hookline.later f WHERE f.tenant = w.tenant AND f.lane = w.lane AND f.due <= w.until AND (f.due, f.pos) > (w.due, w.pos)
    ORDER BY f.due, f.pos LIMIT w.room) r),
c AS MATERIALIZED (
  SELECT s.*, sum(s.size) OVER (ORDER BY s.i, s.due, s.pos) - s.size AS taken,
    row_number() OVER (PARTITION BY s.i ORDER BY s.due, s.pos) AS nth, count(*) OVER (PARTITION BY s.i) AS found
  FROM s),
g AS MATERIALIZED (SELECT * FROM c WHERE c.nth < c.room AND (c.taken <= $8 OR c.nth = 1))
SELECT w.i, (SELECT n.due FROM hookline.later n WHERE n.tenant = w.tenant AND n.lane = w.lane AND n.due > w.until
    ORDER BY n.due LIMIT 1) AS next_due,
  g.found, g.pos, g.due, g.id, g.webhook, g.run, g.attempts, g.before, g.run_start,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept, g.event, g.okey AS waits_as
FROM w LEFT JOIN g ON g.i = w.i
LEFT JOIN LATERAL (SELECT * FROM hookline.event e WHERE e.tenant = g.tenant AND e.id = g.event AND e.day = g.day LIMIT 1) e ON true
ORDER BY w.i, g.due, g.pos;

-- name: probe
SELECT g.pos, NULL::bigint AS due, g.id, g.webhook, g.run, 0 AS attempts, g.before, 0::bigint AS run_start,
  e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept, g.event
FROM (SELECT * FROM hookline.fresh f WHERE f.tenant = $1 AND f.lane = $2 AND f.okey = $3 ORDER BY f.pos LIMIT $4) g
LEFT JOIN LATERAL (SELECT * FROM hookline.event e WHERE e.tenant = g.tenant AND e.id = g.event AND e.day = g.day LIMIT 1) e ON true
ORDER BY g.pos;

-- name: carried    events that were carried forward since their delivery was appended
SELECT e.tenant, e.id, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema, e.labels,
  e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM unnest($1::text[], $2::text[]) w(tenant, id)
CROSS JOIN LATERAL (SELECT * FROM hookline.event e WHERE e.tenant = w.tenant AND e.id = w.id ORDER BY e.day DESC LIMIT 1) e;
