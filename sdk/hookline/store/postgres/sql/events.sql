-- An append is one statement of three parts: the events, one of the next two, and `append_rest`. `e` are the events whose routing is not
-- stale, `x` is what ordinals are added to, `fit` what is to be stored. $1 the node, $2 the token of this append. Deliveries: $3 ordinal,
-- $4 of the event, $5 lane, $6 id. Events: $7 ordinal, $8 tenant, $9 revision, $10 fan-out, $11 day, $12 ... as `event` has them.
-- A plan that is made for any number of events takes that for a few, and would compare each row with each. What it has no choice
-- in is hashed: FULL JOIN, of which `coalesce` leaves the inner part, and IN as a value (IS TRUE).

-- name: append_events
-- $27 one at a time, under the advisory lock $28. That comes before the transaction id, and all that writes needs `e`, which needs
-- `b`: so these appends have ids that rise in the order of their commits. The lock is the transaction's, which poolers let through.
WITH b AS MATERIALIZED (
  SELECT CASE WHEN $27::bool AND pg_advisory_xact_lock($28)::text IS NULL THEN NULL
    ELSE pg_current_xact_id()::text::bigint << 20 END AS base),
t AS MATERIALIZED (SELECT t.tenant, t.revision FROM hookline.tenant t WHERE t.tenant = ANY ($8)),
e AS MATERIALIZED (
  SELECT e.* FROM b, unnest($7::int[], $8::text[], $9::bigint[], $10::bool[], $11::int[], $12::text[], $13::bytea[], $14::text[],
    $15::text[], $16::text[], $17::bigint[], $18::bytea[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
    $24::bigint[], $25::text[], $26::bigint[])
  e(ord, tenant, revision, fanout, day, id, digest, type, source, subject, time, data, content_type, data_schema, labels,
    idempotency_key, okey, not_before, traceparent, accept)
  WHERE ((e.tenant, e.revision) IN (SELECT tenant, revision FROM t)) IS TRUE
    OR e.revision = 0 AND e.tenant NOT IN (SELECT tenant FROM t)),

-- name: append_plain    events that nobody can repeat; a shorter statement takes less time to begin
x AS NOT MATERIALIZED (SELECT base FROM b),
fit AS NOT MATERIALIZED (SELECT * FROM e),

-- name: append_named    $29 ordinal of the event, $30 kind and $31 key of a name that it may be repeated under
n AS MATERIALIZED (
  SELECT n.ord, e.tenant, n.kind, n.key, e.id, e.digest, e.accept
  FROM unnest($29::int[], $30::text[], $31::text[]) n(ord, kind, key) FULL JOIN e ON e.ord = n.ord
  WHERE coalesce(n.ord, 0) > 0 AND coalesce(e.ord, 0) > 0),
known AS MATERIALIZED (
  SELECT n.ord FROM n
  WHERE EXISTS (SELECT 1 FROM hookline.idempotency i WHERE i.tenant = n.tenant AND i.kind = n.kind AND i.key = n.key)),
new AS MATERIALIZED (SELECT n.* FROM n WHERE n.ord NOT IN (SELECT ord FROM known)),
named AS (
  INSERT INTO hookline.idempotency (tenant, kind, key, event, digest, accept, token)
  SELECT n.tenant, n.kind, n.key, n.id, n.digest, n.accept, $2 FROM new n
  ORDER BY n.tenant, n.kind, n.key
  ON CONFLICT DO NOTHING RETURNING tenant, kind, key),
missed AS MATERIALIZED (                      -- somebody else was faster with the name
  SELECT n.ord FROM new n WHERE (n.tenant, n.kind, n.key) NOT IN (SELECT tenant, kind, key FROM named)),
torn AS MATERIALIZED (                        -- ... with one of two; or while something in order stands here, with an older transaction id
  SELECT 1 FROM missed m
  WHERE EXISTS (SELECT 1 FROM e WHERE e.okey <> '' AND e.ord NOT IN (SELECT ord FROM known))
    OR EXISTS (SELECT 1 FROM n WHERE n.ord = m.ord AND ((n.tenant, n.kind, n.key) IN (SELECT tenant, kind, key FROM named)) IS TRUE)
  LIMIT 1),
x AS MATERIALIZED (                           -- division by zero: all is undone, to be repeated
  SELECT b.base / CASE WHEN EXISTS (SELECT 1 FROM torn) THEN 0 ELSE 1 END AS base FROM b),
fit AS MATERIALIZED (
  SELECT e.* FROM e WHERE e.ord NOT IN (SELECT ord FROM known) AND e.ord NOT IN (SELECT ord FROM missed)),

-- name: append_rest
ev AS (
  INSERT INTO hookline.event (tenant, id, day, pos, token, digest, type, source, subject, time, data, content_type, data_schema,
    labels, idempotency_key, okey, not_before, traceparent, accept)
  SELECT f.tenant, f.id, f.day, x.base | f.ord, $2, f.digest, f.type, f.source, f.subject, f.time, f.data, f.content_type,
    f.data_schema, f.labels, f.idempotency_key, f.okey, f.not_before, f.traceparent, f.accept
  FROM fit f, x
  ORDER BY f.tenant, f.id                     -- one order for all appends
  ON CONFLICT DO NOTHING
  RETURNING (pos & 1048575)::int AS ord, tenant, id, day, octet_length(data) AS size, type, okey, accept),
d AS MATERIALIZED (
  SELECT d.ord, d.lane, d.id AS delivery, e.tenant, e.id, e.day, e.size, e.type, e.okey, e.accept
  FROM unnest($3::int[], $4::int[], $5::text[], $6::text[]) d(ord, event, lane, id) FULL JOIN ev e ON e.ord = d.event
  WHERE coalesce(d.ord, 0) > 0 AND coalesce(e.ord, 0) > 0),
l AS MATERIALIZED (                           -- holds off whoever closes a lane until this commit
  SELECT l.tenant, l.name, l.owner FROM (SELECT DISTINCT tenant, lane FROM d) w
  JOIN hookline.lane l ON l.tenant = w.tenant AND l.name = w.lane
  WHERE l.taking ORDER BY l.tenant, l.name FOR KEY SHARE OF l),
fr AS (
  INSERT INTO hookline.fresh (tenant, lane, pos, id, event, day, size, type, okey, created, run, before, since)
  SELECT d.tenant, d.lane, x.base | d.ord, d.delivery, d.id, d.day, d.size, d.type, nullif(d.okey, ''), d.accept, 1, 0, d.accept
  FROM d, x WHERE ((d.tenant, d.lane) IN (SELECT l.tenant, l.name FROM l)) IS TRUE
  RETURNING (pos & 1048575)::int AS ord),
jb AS (
  INSERT INTO hookline.job (tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created)
  SELECT f.tenant, 'fanout:' || f.id, 'fanout', f.id,
    json_build_object('lanes', (SELECT coalesce(max(no), 0) FROM hookline.lane a WHERE a.tenant = f.tenant))::text, '', 0, 0, false, f.accept
  FROM fit f WHERE f.fanout AND (f.ord IN (SELECT ord FROM ev)) IS TRUE
  ON CONFLICT DO NOTHING)
SELECT x.base, (SELECT array_agg(ord) FROM ev) AS events, (SELECT array_agg(ord) FROM fr) AS deliveries,
  o.tenants, o.lanes, o.owners, o.alive
FROM x, (SELECT array_agg(l.tenant) AS tenants, array_agg(l.name) AS lanes, array_agg(l.owner) AS owners,
    array_agg(EXISTS (SELECT 1 FROM hookline.node n WHERE n.id = l.owner)) AS alive
  FROM l WHERE l.owner <> $1) o;

-- name: known    what stands under these names, and the events that an append with this token has made
SELECT n.ord, i.kind, i.event, i.digest, i.accept, i.token, NULL::bigint AS pos
FROM unnest($1::int[], $2::text[], $3::text[], $4::text[]) n(ord, tenant, kind, key)
CROSS JOIN LATERAL (SELECT * FROM hookline.idempotency i WHERE i.tenant = n.tenant AND i.kind = n.kind AND i.key = n.key) i
UNION ALL
SELECT n.ord, 'event', e.id, e.digest, e.accept, e.token, e.pos
FROM unnest($5::int[], $6::text[], $7::text[], $8::int[]) n(ord, tenant, id, day)
CROSS JOIN LATERAL (SELECT * FROM hookline.event e WHERE e.tenant = n.tenant AND e.id = n.id AND e.day = n.day) e;

-- name: still_fresh
SELECT w.pos FROM unnest($1::text[], $2::text[], $3::bigint[]) w(tenant, lane, pos)
CROSS JOIN LATERAL (SELECT 1 FROM hookline.fresh f WHERE f.tenant = w.tenant AND f.lane = w.lane AND f.pos = w.pos) f;

-- name: revision
SELECT revision FROM hookline.tenant WHERE tenant = $1;

-- name: event
SELECT tenant, id, type, source, subject, time, data, content_type, data_schema, labels,
  idempotency_key, okey, not_before, traceparent, accept
FROM hookline.event WHERE tenant = $1 AND id = $2 ORDER BY day DESC LIMIT 1;

-- name: falling
SELECT pos, tenant, id, type, source, subject, time, data, content_type, data_schema, labels,
  idempotency_key, okey, not_before, traceparent, accept
FROM hookline.event
WHERE tenant = $1 AND pos < $2 AND day >= $6 AND accept >= $3 AND accept < $4
  AND (cardinality($5::text[]) = 0 OR type = ANY ($5))
ORDER BY pos DESC LIMIT $7;

-- name: rising
SELECT pos, tenant, id, type, source, subject, time, data, content_type, data_schema, labels,
  idempotency_key, okey, not_before, traceparent, accept
FROM hookline.event
WHERE tenant = $1 AND pos > $2 AND pos < $8 AND day >= $6 AND accept >= $3 AND accept < $4
  AND (cardinality($5::text[]) = 0 OR type = ANY ($5))
ORDER BY pos LIMIT $7;
