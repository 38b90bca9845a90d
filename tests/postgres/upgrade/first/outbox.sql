-- name: read    what committed from a transaction id on, and of earlier ones those that were in progress
SELECT o.xid, o.no, o.tenant, o.id, o.type, o.data, o.content_type, o.data_schema, o.source, o.subject, o.time, o.labels,
  o.idempotency_key, o.ordering_key, o.not_before, o.traceparent
FROM hookline.outbox o
WHERE o.xid >= $1 OR o.xid = ANY($2::bigint[])
ORDER BY o.xid, o.no LIMIT $3;

-- name: snapshot
SELECT pg_postmaster_start_time(), ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(s) AS x)
FROM pg_current_snapshot() AS s;

-- name: remove
DELETE FROM hookline.outbox o USING unnest($1::bigint[], $2::bigint[]) AS d (xid, no) WHERE o.xid = d.xid AND o.no = d.no;

-- name: refuse
WITH gone AS (
  DELETE FROM hookline.outbox o USING unnest($1::bigint[], $2::bigint[], $3::text[]) AS d (xid, no, reason)
  WHERE o.xid = d.xid AND o.no = d.no
  RETURNING o.tenant, o.no, o.id, o.type, o.data, o.idempotency_key, d.reason)
INSERT INTO hookline.outbox_refused (tenant, no, id, type, data, idempotency_key, reason) SELECT * FROM gone;
