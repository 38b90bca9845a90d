-- Rows as deliveries would leave them, made in bulk. $1 tenant, $2 day, $3 time, $4 to $5 numbers of events, $6 deliveries of
-- an event, $7 lanes, $8 the lane of the first delivery of each event.

-- name: lanes
INSERT INTO hookline.lane (tenant, name, owner, ordered)
SELECT $1, 'sub_' || k, $2, false FROM generate_series(1, $3::int) k

-- name: events    $6 the data
INSERT INTO hookline.event (tenant, id, day, pos, token, digest, type, source, subject, time, data, data_schema,
  idempotency_key, okey, traceparent, accept)
SELECT $1, 'evt_' || lpad(g::text, 26, '0'), $2, g * 8, '00000000-0000-0000-0000-000000000000', '', 'invoice.paid', 'billing', '',
  $3, $6, '', '', '', '', $3
FROM generate_series($4::bigint, $5::bigint) g

-- name: done
INSERT INTO hookline.done (tenant, id, day, pos, lane, event, event_day, type, created, state, reason, run, attempts, finished)
SELECT $1, 'dlv_' || lpad((g * 8 + k)::text, 26, '0'), $2, g * 8 + k, 'sub_' || (1 + (g * $6 + k) % $7),
  'evt_' || lpad(g::text, 26, '0'), $2, 'invoice.paid', $3, 1, '', 1, 1, $3
FROM generate_series($4::bigint, $5::bigint) g, generate_series(1, $6::int) k

-- name: changes
INSERT INTO hookline.change (tenant, pos, day, delivery, event, type, lane, created, state, reason, run, attempts, at,
  attempt, number, start, duration, url, address, status, answer)
SELECT $1, g * 8 + k, $2, 'dlv_' || lpad((g * 8 + k)::text, 26, '0'), 'evt_' || lpad(g::text, 26, '0'), 'invoice.paid',
  'sub_' || (1 + (g * $6 + k) % $7), $3, 1, '', 1, 1, $3, 'att_' || lpad((g * 8 + k)::text, 26, '0'), 1, $3, 0.01,
  'https://receiver.example/hooks', '203.0.113.7:443', 204, ''
FROM generate_series($4::bigint, $5::bigint) g, generate_series(1, $6::int) k

-- name: fresh
INSERT INTO hookline.fresh (tenant, lane, pos, id, event, day, size, type, created, run, before, since)
SELECT $1, CASE k WHEN 1 THEN $8 ELSE 'sub_' || (1 + (g * $6 + k) % $7) END, g * 8 + k,
  'dlv_' || lpad((g * 8 + k)::text, 26, '0'), 'evt_' || lpad(g::text, 26, '0'), $2, 500, 'invoice.paid', $3, 1, 0, $3
FROM generate_series($4::bigint, $5::bigint) g, generate_series(1, $6::int) k
