-- name: server
SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby, current_database() AS database,
  current_user AS role, current_setting('transaction_read_only') = 'on' AS read_only;

-- name: begin    every statement that may write positions locks these before it gets its transaction id (see settled_below)
BEGIN;
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL enable_seqscan = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL jit = off;
LOCK TABLE hookline.event, hookline.change IN ROW EXCLUSIVE MODE;

-- name: xid
SELECT pg_current_xact_id()::text::bigint;

-- name: fate
SELECT pg_xact_status($1::text::xid8);

-- name: settled_below
-- The position below which every transaction of ours is over. Others, that hold no lock on our tables, may go on as long as
-- they like: the snapshot is taken first, then the locks are read, so whoever is in neither has committed or comes later.
WITH s AS MATERIALIZED (SELECT pg_current_snapshot() AS snap),
k AS MATERIALIZED (
  SELECT locktype, virtualtransaction, transactionid, relation, mode FROM pg_locks
  WHERE (SELECT pg_snapshot_xmin(snap) < pg_snapshot_xmax(snap) FROM s)),
w AS (
  SELECT min(p.x::text::bigint) AS x FROM s, pg_snapshot_xip(s.snap) p(x)
  JOIN k t ON t.locktype = 'transactionid' AND t.transactionid = p.x::xid AND t.mode = 'ExclusiveLock'
  WHERE EXISTS (SELECT 1 FROM k r WHERE r.virtualtransaction = t.virtualtransaction AND r.locktype = 'relation'
    AND r.mode = 'RowExclusiveLock' AND r.relation IN ('hookline.event'::regclass, 'hookline.change'::regclass)))
SELECT coalesce(w.x, pg_snapshot_xmax(s.snap)::text::bigint) << 20 AS below, pg_snapshot_xmax(s.snap)::text::bigint << 20 AS next
FROM s, w;

-- name: request
SELECT digest, result FROM hookline.request WHERE tenant = $1 AND method = $2 AND id = $3;

-- name: add_request
INSERT INTO hookline.request (tenant, method, id, digest, result, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- name: notify
SELECT pg_notify(w.channel, w.payload) FROM unnest($1::text[], $2::text[]) w(channel, payload);

-- name: clock
SELECT extract(epoch FROM clock_timestamp())::float8;
