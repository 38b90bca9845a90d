-- name: join
INSERT INTO hookline.node (load) VALUES (0) RETURNING id, extract(epoch FROM clock_timestamp())::float8;

-- name: beat
WITH b AS (UPDATE hookline.node SET beat = beat + 1, load = $2 WHERE id = $1 RETURNING id, beat, load)
SELECT n.id, coalesce(b.beat, n.beat) AS beat, coalesce(b.load, n.load) AS load, extract(epoch FROM clock_timestamp())::float8 AS now
FROM hookline.node n LEFT JOIN b USING (id) WHERE n.id <> $1 OR b.id IS NOT NULL ORDER BY n.id;

-- name: bury
DELETE FROM hookline.node WHERE id = $1 AND beat = $2 RETURNING id;

-- name: leave
DELETE FROM hookline.node WHERE id = $1 RETURNING id;

-- name: orphans
WITH RECURSIVE o(owner) AS (
  (SELECT owner FROM hookline.lane WHERE owner IS NOT NULL ORDER BY owner LIMIT 1)
  UNION ALL
  SELECT (SELECT l.owner FROM hookline.lane l WHERE l.owner > o.owner ORDER BY l.owner LIMIT 1) FROM o WHERE o.owner IS NOT NULL)
SELECT 1 FROM o WHERE o.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM hookline.node n WHERE n.id = o.owner) LIMIT 1;

-- name: sweep
WITH RECURSIVE o(owner) AS (
  (SELECT owner FROM hookline.lane WHERE owner IS NOT NULL ORDER BY owner LIMIT 1)
  UNION ALL
  SELECT (SELECT l.owner FROM hookline.lane l WHERE l.owner > o.owner ORDER BY l.owner LIMIT 1) FROM o WHERE o.owner IS NOT NULL),
dead AS MATERIALIZED (
  SELECT o.owner FROM o WHERE o.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM hookline.node n WHERE n.id = o.owner)),
pick AS MATERIALIZED (
  SELECT l.tenant, l.name FROM dead d JOIN hookline.lane l ON l.owner = d.owner LIMIT $2 FOR NO KEY UPDATE OF l SKIP LOCKED)
UPDATE hookline.lane l SET owner = $1, epoch = l.epoch + 1 FROM pick p
WHERE l.tenant = p.tenant AND l.name = p.name AND EXISTS (SELECT 1 FROM hookline.node WHERE id = $1)
RETURNING l.tenant, l.name, l.epoch, l.ordered, l.state;

-- name: mine
SELECT tenant, name, epoch, ordered, state FROM hookline.lane WHERE owner = $1 ORDER BY no;

-- name: hand
UPDATE hookline.lane SET owner = $5, epoch = epoch + 1
WHERE tenant = $2 AND name = $3 AND owner = $1 AND epoch = $4 AND EXISTS (SELECT 1 FROM hookline.node WHERE id = $5)
RETURNING epoch;

-- name: retake
UPDATE hookline.lane SET epoch = epoch + 1
WHERE tenant = $2 AND name = $3 AND owner = $1 AND epoch = $4 AND EXISTS (SELECT 1 FROM hookline.node WHERE id = $1)
RETURNING epoch, ordered, state;

-- name: keep    the lanes in the order in which a settle takes them, and by name as there, whatever their owner has
WITH w AS MATERIALIZED (
  SELECT l.tenant, l.name, w.state FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) w(tenant, name, epoch, state)
  JOIN hookline.lane l ON l.tenant = w.tenant AND l.name = w.name AND l.epoch = w.epoch
  WHERE (l.owner = $1) IS TRUE ORDER BY l.tenant, l.name FOR NO KEY UPDATE OF l)
UPDATE hookline.lane l SET state = w.state FROM w WHERE l.tenant = w.tenant AND l.name = w.name;

-- name: states
SELECT name, state FROM hookline.lane WHERE tenant = $1 AND name = ANY ($2::text[]) AND state <> '';

-- name: freshened    lanes of these nodes into which somebody has put something since; and, of the same moment, what it could not see
-- $1 nodes, $2 from, $3 transactions that were under way below it: those that are over are looked for, each by its own range
WITH h AS MATERIALIZED (SELECT pg_current_snapshot() AS snap),
e AS MATERIALIZED (SELECT x << 20 AS low FROM h, unnest($3::bigint[]) x WHERE pg_visible_in_snapshot(x::text::xid8, h.snap)),
l AS MATERIALIZED (
  SELECT l.owner, l.tenant, l.name FROM unnest($1::bigint[]) w(node)
  JOIN hookline.lane l ON l.owner = w.node
  WHERE EXISTS (SELECT 1 FROM hookline.fresh f WHERE f.tenant = l.tenant AND f.lane = l.name AND f.pos >= $2)
    OR EXISTS (SELECT 1 FROM e CROSS JOIN LATERAL (
      SELECT 1 FROM hookline.fresh f
      WHERE f.tenant = l.tenant AND f.lane = l.name AND f.pos >= e.low AND f.pos < e.low + (1 << 20) LIMIT 1) f))
SELECT h.snap::text AS snap, pg_postmaster_start_time()::text AS born, l.owner, l.tenant, l.name FROM h LEFT JOIN l ON true;
