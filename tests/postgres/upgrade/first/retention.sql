-- name: partitions
SELECT p.relname AS parent, c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
WHERE i.inhparent IN ('hookline.event'::regclass, 'hookline.done'::regclass, 'hookline.change'::regclass) ORDER BY c.relname;

-- name: lock    one at a time; whoever comes second has nothing to do
SELECT pg_try_advisory_xact_lock($1);

-- name: strays    days that stand in the default partitions, which no new partition may cover
SELECT 'event' AS parent, day FROM hookline.event_default GROUP BY day
UNION ALL SELECT 'done', day FROM hookline.done_default GROUP BY day
UNION ALL SELECT 'change', day FROM hookline.change_default GROUP BY day;

-- name: finished    old ones in the default partition: days for which there was no partition
DELETE FROM hookline.done_default WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM hookline.done_default WHERE finished < $1 ORDER BY finished LIMIT $2)) RETURNING tenant, id;

-- name: remove_changes
WITH c AS (
  DELETE FROM hookline.change c USING unnest($1::text[], $2::text[]) w(tenant, id)
  WHERE c.tenant = w.tenant AND c.delivery = w.id RETURNING c.tenant, c.pos, c.attempt)
SELECT tenant, max(pos) AS pos, count(attempt) AS attempts FROM c GROUP BY tenant;

-- name: raise_horizon
INSERT INTO hookline.tenant (tenant, horizon) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (tenant) DO UPDATE SET horizon = greatest(hookline.tenant.horizon, excluded.horizon);

-- name: unneeded    events of the default partition that nothing needs; $1 accepted before, $2 above this position, $3 limit
DELETE FROM hookline.event_default WHERE ctid = ANY (ARRAY(
  SELECT e.ctid FROM hookline.event_default e
  WHERE e.accept < $1
    AND NOT EXISTS (SELECT 1 FROM hookline.fresh f WHERE f.tenant = e.tenant AND f.event = e.id)
    AND NOT EXISTS (SELECT 1 FROM hookline.later f WHERE f.tenant = e.tenant AND f.event = e.id)
    AND NOT EXISTS (SELECT 1 FROM hookline.done f WHERE f.tenant = e.tenant AND f.event = e.id)
    AND NOT EXISTS (SELECT 1 FROM hookline.job j WHERE j.tenant = e.tenant AND j.id = 'fanout:' || e.id AND j.finished IS NULL)
  LIMIT $2 FOR UPDATE)) RETURNING id;

-- name: carry_events
-- What is still needed of an old day moves to a younger one. $1 the old day, $2 the new, $3 the first day that is kept.
WITH n AS (
  SELECT tenant, event FROM hookline.fresh WHERE day <= $1
  UNION SELECT tenant, event FROM hookline.later WHERE day <= $1
  UNION SELECT tenant, event FROM hookline.done WHERE event_day <= $1 AND event_day <> day AND day >= $3
  UNION SELECT tenant, subject FROM hookline.job WHERE finished IS NULL AND kind = 'fanout')
INSERT INTO hookline.event (tenant, id, day, pos, token, digest, type, source, subject, time, data, content_type, data_schema,
  labels, idempotency_key, okey, not_before, traceparent, accept)
SELECT e.tenant, e.id, $2, e.pos, e.token, e.digest, e.type, e.source, e.subject, e.time, e.data, e.content_type, e.data_schema,
  e.labels, e.idempotency_key, e.okey, e.not_before, e.traceparent, e.accept
FROM n JOIN hookline.event e ON e.tenant = n.tenant AND e.id = n.event AND e.day = $1
ON CONFLICT DO NOTHING;

-- name: carry_changes
WITH n AS (
  SELECT tenant, id FROM hookline.fresh WHERE run > 1
  UNION SELECT tenant, id FROM hookline.later
  UNION SELECT tenant, id FROM hookline.done WHERE event_day <= $1 AND event_day <> day AND day >= $3)
INSERT INTO hookline.change (tenant, pos, day, delivery, event, type, lane, webhook, created, replay, state, reason, run, attempts,
  next, at, attempt, number, start, duration, url, address, status, answer, error, detail)
SELECT c.tenant, c.pos, $2, c.delivery, c.event, c.type, c.lane, c.webhook, c.created, c.replay, c.state, c.reason, c.run, c.attempts,
  c.next, c.at, c.attempt, c.number, c.start, c.duration, c.url, c.address, c.status, c.answer, c.error, c.detail
FROM n JOIN hookline.change c ON c.tenant = n.tenant AND c.delivery = n.id AND c.day = $1;

-- name: horizons    of a day of changes that is to go: the highest position of what was not carried forward
SELECT tenant, max(pos) AS pos, count(attempt) AS attempts FROM hookline.change WHERE day = $1 GROUP BY tenant;

-- name: count_events
SELECT count(*) FROM hookline.event WHERE day = $1;

-- name: count_done
SELECT count(*) FROM hookline.done WHERE day = $1;

-- name: expired_keys
DELETE FROM hookline.idempotency WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM hookline.idempotency WHERE kind = 'key' AND accept < $1 ORDER BY accept LIMIT $2)) RETURNING 1;

-- name: expired_ids    an id stays known for as long as its event is there
DELETE FROM hookline.idempotency WHERE ctid = ANY (ARRAY(
  SELECT i.ctid FROM hookline.idempotency i WHERE i.kind = 'id' AND i.accept < $1
    AND NOT EXISTS (SELECT 1 FROM hookline.event e WHERE e.tenant = i.tenant AND e.id = i.key)
  ORDER BY i.accept LIMIT $2)) RETURNING 1;

-- name: expired_requests
DELETE FROM hookline.request WHERE ctid = ANY (ARRAY(SELECT ctid FROM hookline.request WHERE at < $1 ORDER BY at LIMIT $2)) RETURNING 1;

-- name: finished_jobs
DELETE FROM hookline.job WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM hookline.job WHERE finished < $1 ORDER BY finished LIMIT $2)) RETURNING 1;

-- name: ended_lanes
DELETE FROM hookline.lane WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM hookline.lane WHERE ended < $1 ORDER BY ended LIMIT $2)) RETURNING tenant, name;

-- name: fold    the tallies of lanes that have gathered many become one each
WITH m AS MATERIALIZED (SELECT tenant, lane FROM hookline.tally GROUP BY tenant, lane HAVING count(*) > $1 LIMIT $2),
d AS (DELETE FROM hookline.tally t USING m WHERE t.tenant = m.tenant AND t.lane = m.lane
  RETURNING t.tenant, t.lane, t.delivered, t.exhausted, t.cancelled)
INSERT INTO hookline.tally (tenant, lane, delivered, exhausted, cancelled)
SELECT tenant, lane, sum(delivered), sum(exhausted), sum(cancelled) FROM d GROUP BY tenant, lane;

-- name: forget_tally
DELETE FROM hookline.tally t USING unnest($1::text[], $2::text[]) w(tenant, lane) WHERE t.tenant = w.tenant AND t.lane = w.lane;
