-- name: append
-- $1 the node, $2 the token of this append. Events: $3 ordinal, $4 tenant, $5 revision, $6 fan-out, $7 day, $8 ... as `event` has them.
-- Names that may be repeated: $24 ordinal of the event, $25 kind, $26 key. Deliveries: $27 ordinal, $28 of the event, $29 lane, $30 id.
WITH x AS MATERIALIZED (SELECT pg_current_xact_id()::text::bigint << 20 AS base),
e AS MATERIALIZED (
  SELECT * FROM unnest($3::int[], $4::text[], $5::bigint[], $6::bool[], $7::int[], $8::text[], $9::bytea[], $10::text[], $11::text[],
    $12::text[], $13::bigint[], $14::bytea[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::bigint[],
    $21::text[], $22::bigint[], $23::int[])
  e(ord, tenant, revision, fanout, day, id, digest, type, source, subject, time, data, content_type, data_schema, labels,
    idempotency_key, okey, not_before, traceparent, accept, size)),
r AS MATERIALIZED (
  SELECT w.tenant, coalesce((SELECT t.revision FROM hookline.tenant t WHERE t.tenant = w.tenant), 0) AS revision
  FROM (SELECT DISTINCT tenant FROM e) w),
n AS MATERIALIZED (
  SELECT n.ord, e.tenant, n.kind, n.key, e.id, e.digest, e.accept
  FROM unnest($24::int[], $25::text[], $26::text[]) n(ord, kind, key) JOIN e ON e.ord = n.ord),
known AS MATERIALIZED (
  SELECT n.ord FROM n
  WHERE EXISTS (SELECT 1 FROM hookline.idempotency i WHERE i.tenant = n.tenant AND i.kind = n.kind AND i.key = n.key)),
fit AS MATERIALIZED (
  SELECT e.* FROM e JOIN r ON r.tenant = e.tenant AND r.revision = e.revision
  WHERE e.ord NOT IN (SELECT ord FROM known)),
named AS (
  INSERT INTO hookline.idempotency (tenant, kind, key, event, digest, accept, token)
  SELECT n.tenant, n.kind, n.key, n.id, n.digest, n.accept, $2 FROM n WHERE n.ord IN (SELECT ord FROM fit)
  ORDER BY n.tenant, n.kind, n.key
  ON CONFLICT DO NOTHING RETURNING tenant, kind, key),
missed AS MATERIALIZED (                      -- somebody else was faster with the name
  SELECT n.ord FROM n WHERE n.ord IN (SELECT ord FROM fit) AND (n.tenant, n.kind, n.key) NOT IN (SELECT tenant, kind, key FROM named)),
ev AS (
  INSERT INTO hookline.event (tenant, id, day, pos, token, digest, type, source, subject, time, data, content_type, data_schema,
    labels, idempotency_key, okey, not_before, traceparent, accept)
  SELECT f.tenant, f.id, f.day, x.base | f.ord, $2, f.digest, f.type, f.source, f.subject, f.time, f.data, f.content_type,
    f.data_schema, f.labels, f.idempotency_key, f.okey, f.not_before, f.traceparent, f.accept
  FROM fit f, x WHERE f.ord NOT IN (SELECT ord FROM missed)
  ORDER BY f.tenant, f.id                     -- one order for all appends
  ON CONFLICT DO NOTHING RETURNING (pos & 1048575)::int AS ord),
d AS MATERIALIZED (
  SELECT d.ord, d.lane, d.id AS delivery, f.tenant, f.id, f.day, f.size, f.type, f.okey, f.accept
  FROM unnest($27::int[], $28::int[], $29::text[], $30::text[]) d(ord, event, lane, id)
  JOIN ev ON ev.ord = d.event JOIN fit f ON f.ord = d.event),
l AS MATERIALIZED (                           -- holds off whoever closes a lane until this commit
  SELECT l.tenant, l.name, l.owner FROM (SELECT DISTINCT tenant, lane FROM d) w
  JOIN hookline.lane l ON l.tenant = w.tenant AND l.name = w.lane
  WHERE l.taking ORDER BY l.tenant, l.name FOR KEY SHARE OF l),
fr AS (
  INSERT INTO hookline.fresh (tenant, lane, pos, id, event, day, size, type, okey, created, run, before, since)
  SELECT d.tenant, d.lane, x.base | d.ord, d.delivery, d.id, d.day, d.size, d.type, nullif(d.okey, ''), d.accept, 1, 0, d.accept
  FROM d JOIN l ON l.tenant = d.tenant AND l.name = d.lane, x
  RETURNING (pos & 1048575)::int AS ord),
jb AS (
  INSERT INTO hookline.job (tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created)
  SELECT f.tenant, 'fanout:' || f.id, 'fanout', f.id,
    json_build_object('lanes', (SELECT coalesce(max(no), 0) FROM hookline.lane a WHERE a.tenant = f.tenant))::text, '', 0, 0, false, f.accept
  FROM fit f WHERE f.fanout AND f.ord IN (SELECT ord FROM ev)
  ON CONFLICT DO NOTHING)
SELECT x.base, (SELECT array_agg(ord) FROM ev) AS events, (SELECT array_agg(ord) FROM fr) AS deliveries,
  (SELECT array_agg(ord) FROM missed) AS missed,
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

-- name: unname    names that were taken for an event that did not come about
DELETE FROM hookline.idempotency i USING unnest($1::text[], $2::text[], $3::text[]) n(tenant, kind, key)
WHERE i.tenant = n.tenant AND i.kind = n.kind AND i.key = n.key AND i.token = $4;

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
WHERE tenant = $1 AND pos < $2 AND accept >= $3 AND accept < $4 AND (cardinality($5::text[]) = 0 OR type = ANY ($5))
ORDER BY pos DESC LIMIT $6;

-- name: rising
SELECT pos, tenant, id, type, source, subject, time, data, content_type, data_schema, labels,
  idempotency_key, okey, not_before, traceparent, accept
FROM hookline.event
WHERE tenant = $1 AND pos > $2 AND pos < $7 AND accept >= $3 AND accept < $4 AND (cardinality($5::text[]) = 0 OR type = ANY ($5))
ORDER BY pos LIMIT $6;
