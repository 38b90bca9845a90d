-- name: open    fan-outs in the order of their events
SELECT j.tenant, j.id, j.kind, j.subject, j.spec, j.cursor, j.scanned, j.added, j.cancelled, j.created, j.finished
FROM hookline.job j LEFT JOIN LATERAL (
  SELECT e.pos FROM hookline.event e WHERE j.kind = 'fanout' AND e.tenant = j.tenant AND e.id = j.subject ORDER BY e.day LIMIT 1) e ON true
WHERE j.finished IS NULL ORDER BY j.tenant, e.pos, j.id;

-- name: one
SELECT tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished
FROM hookline.job WHERE tenant = $1 AND id = $2;

-- name: replays    ids are in the order of time
SELECT tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished
FROM hookline.job WHERE tenant = $1 AND kind = 'replay' AND ($2 = '' OR subject = $2) AND ($3 = '' OR id < $3)
ORDER BY id DESC LIMIT $4;

-- name: add
INSERT INTO hookline.job (tenant, id, kind, subject, spec, cursor, scanned, added, cancelled, created, finished)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: move
UPDATE hookline.job SET cursor = $4, scanned = scanned + $5, finished = $6
WHERE tenant = $1 AND id = $2 AND cursor = $3 AND finished IS NULL RETURNING id;

-- name: count
UPDATE hookline.job SET added = added + $3 WHERE tenant = $1 AND id = $2;

-- name: finish
UPDATE hookline.job SET finished = $3, cancelled = $4 WHERE tenant = $1 AND id = $2 AND finished IS NULL RETURNING id;

-- name: deliver
-- $1 tenant, $2 base, $3 at, $4 replay, $5 the youngest first lane of a subscription that is meant; $6 ordinal, $7 lane, $8 delivery, $9 event, $10 webhook id
WITH w AS MATERIALIZED (
  SELECT * FROM unnest($6::int[], $7::text[], $8::text[], $9::text[], $10::text[]) w(ord, lane, id, event, webhook)),
l AS MATERIALIZED (
  SELECT l.name, l.owner FROM (SELECT DISTINCT lane FROM w) d JOIN hookline.lane l ON l.tenant = $1 AND l.name = d.lane
  JOIN hookline.lane first ON first.tenant = $1 AND first.name = split_part(d.lane, '/', 1)  -- of its subscription: it has the age
  WHERE l.taking AND l.owner IS NOT NULL AND first.no <= $5 ORDER BY l.name FOR KEY SHARE OF l),
fr AS (
  INSERT INTO hookline.fresh (tenant, lane, pos, id, event, day, size, type, okey, webhook, replay, created, run, before, since)
  SELECT $1, w.lane, $2::bigint | w.ord, w.id, w.event, e.day, e.size, e.type, nullif(e.okey, ''), nullif(w.webhook, w.event), $4, $3, 1, 0, $3
  FROM w CROSS JOIN LATERAL (
    SELECT e.day, octet_length(e.data) AS size, e.type, e.okey FROM hookline.event e
    WHERE e.tenant = $1 AND e.id = w.event ORDER BY e.day DESC LIMIT 1) e
  WHERE (w.lane IN (SELECT name FROM l)) IS TRUE
  RETURNING lane)
SELECT l.name, l.owner, EXISTS (SELECT 1 FROM hookline.node n WHERE n.id = l.owner) AS alive, f.added
FROM (SELECT lane, count(*) AS added FROM fr GROUP BY lane) f FULL JOIN l ON l.name = f.lane WHERE coalesce(f.added, 0) > 0;

-- name: lanes_for_end    of a subscription: its id, or its id, a slash and a number ('0' follows the slash)
SELECT name, owner FROM hookline.lane
WHERE tenant = $1 AND (name = $2 OR (name >= $2 || '/' AND name < $2 || '0')) AND owner IS NOT NULL ORDER BY name FOR UPDATE;

-- name: end_lane
UPDATE hookline.lane SET owner = NULL, ended = $3 WHERE tenant = $1 AND name = $2 AND NOT taking AND owner IS NOT NULL RETURNING name;
