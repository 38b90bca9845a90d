-- name: highest    transaction that a position stands for, found by indexes: a look for each tenant, and for each lane that is not over
WITH RECURSIVE e(tenant) AS (
  (SELECT tenant FROM hookline.event ORDER BY tenant LIMIT 1)
  UNION ALL
  SELECT (SELECT n.tenant FROM hookline.event n WHERE n.tenant > e.tenant ORDER BY n.tenant LIMIT 1) FROM e WHERE e.tenant IS NOT NULL),
t AS MATERIALIZED (SELECT tenant FROM e WHERE tenant IS NOT NULL UNION SELECT tenant FROM hookline.tenant)
SELECT greatest(
  (SELECT max(p.pos) FROM t CROSS JOIN LATERAL (
    SELECT pos FROM hookline.event f WHERE f.tenant = t.tenant ORDER BY f.pos DESC LIMIT 1) p) >> 20,
  (SELECT max(p.pos) FROM t CROSS JOIN LATERAL (
    SELECT pos FROM hookline.change f WHERE f.tenant = t.tenant ORDER BY f.pos DESC LIMIT 1) p) >> 20,
  (SELECT max(p.pos) FROM hookline.lane l CROSS JOIN LATERAL (
    SELECT pos FROM hookline.fresh f WHERE f.tenant = l.tenant AND f.lane = l.name ORDER BY f.pos DESC LIMIT 1) p
    WHERE l.owner IS NOT NULL) >> 20,
  (SELECT max(p.pos) FROM hookline.lane l CROSS JOIN LATERAL (
    SELECT pos FROM hookline.later f WHERE f.tenant = l.tenant AND f.lane = l.name ORDER BY f.pos DESC LIMIT 1) p
    WHERE l.owner IS NOT NULL) >> 20,
  (SELECT xid FROM hookline.outbox ORDER BY xid DESC LIMIT 1),
  0) AS highest,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next;
