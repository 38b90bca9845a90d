-- name: read    what committed from a transaction id on, and of earlier ones those that were in progress; and, of the same
--               moment, what it could not see: with two statements, a transaction that began between them would be in neither
-- $1 from, $2 suspects, $3 rows, $4 bytes. Times are seconds as text: the server's range is wider than a driver's.
WITH s AS MATERIALIZED (
  SELECT u.*, octet_length(u.data) + coalesce(octet_length(u.labels), 0) AS size FROM (
    (SELECT o.* FROM unnest($2::bigint[]) w(xid)
     CROSS JOIN LATERAL (SELECT * FROM hookline.outbox l WHERE l.xid = w.xid ORDER BY l.no LIMIT $3) o)
    UNION ALL
    (SELECT o.* FROM hookline.outbox o WHERE o.xid >= $1 ORDER BY o.xid, o.no LIMIT $3)) u
  ORDER BY u.xid, u.no LIMIT $3),
c AS MATERIALIZED (SELECT s.*, sum(s.size) OVER (ORDER BY s.xid, s.no) - s.size AS taken, count(*) OVER () AS found FROM s)
SELECT h.snap, h.born, o.found, o.xid, o.no, o.tenant, o.id, o.type, o.data, o.content_type, o.data_schema, o.source, o.subject,
  extract(epoch FROM o.time)::text AS time, o.labels, o.idempotency_key, o.ordering_key,
  extract(epoch FROM o.not_before)::text AS not_before, o.traceparent
FROM (SELECT pg_current_snapshot()::text AS snap, pg_postmaster_start_time()::text AS born) h
LEFT JOIN c o ON o.taken <= $4
ORDER BY o.xid, o.no;

-- name: remove
DELETE FROM hookline.outbox o USING unnest($1::bigint[], $2::bigint[]) AS d (xid, no) WHERE o.xid = d.xid AND o.no = d.no;

-- name: refuse
WITH gone AS (
  DELETE FROM hookline.outbox o USING unnest($1::bigint[], $2::bigint[], $3::text[]) AS d (xid, no, reason)
  WHERE o.xid = d.xid AND o.no = d.no
  RETURNING o.tenant, o.no, o.id, o.type, o.data, o.idempotency_key, d.reason)
INSERT INTO hookline.outbox_refused (tenant, no, id, type, data, idempotency_key, reason) SELECT * FROM gone;

-- name: max_data    what hookline.emit refuses from now on
INSERT INTO hookline.setting AS s (name, value) VALUES ('max_data', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value;
