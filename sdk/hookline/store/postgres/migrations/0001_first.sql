-- The first schema. Every key begins with the tenant, and no statement joins across tenants.
-- Times are microseconds since 1970, days are whole days since then. pos = (transaction id << 20) | ordinal.
-- Text is compared byte by byte (COLLATE "C"), as everywhere else in hookline.

CREATE TABLE hookline.tenant (
  tenant text COLLATE "C" PRIMARY KEY,
  revision bigint NOT NULL DEFAULT 0,         -- of the catalogue
  horizon bigint NOT NULL DEFAULT 0           -- the highest position of a change that retention has removed
) WITH (fillfactor = 50);

CREATE TABLE hookline.subscription (
  tenant text COLLATE "C", id text COLLATE "C", etag text NOT NULL, body text NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE TABLE hookline.event_type (
  tenant text COLLATE "C", name text COLLATE "C", etag text NOT NULL, body text NOT NULL,
  PRIMARY KEY (tenant, name)
);

CREATE TABLE hookline.request (               -- calls that may be repeated, and their first answer
  tenant text COLLATE "C", method text COLLATE "C", id text COLLATE "C",
  digest bytea NOT NULL, result text NOT NULL, at bigint NOT NULL,
  PRIMARY KEY (tenant, method, id)
);
CREATE INDEX request_at ON hookline.request (at);

CREATE TABLE hookline.node (                  -- one row a living incarnation; the id is never used again; no row = dead
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  beat bigint NOT NULL DEFAULT 0, load int NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

CREATE TABLE hookline.lane (                  -- written only when ownership, order or life changes
  tenant text COLLATE "C", name text COLLATE "C",
  no bigint GENERATED ALWAYS AS IDENTITY,     -- rises with age
  owner bigint,                               -- NULL: the lane is over; only its history is left
  epoch bigint NOT NULL DEFAULT 1,
  ordered boolean NOT NULL,
  taking boolean NOT NULL DEFAULT true,       -- false: the subscription is gone, the lane takes nothing more
  ended bigint,                               -- when it was over
  state text NOT NULL DEFAULT '',             -- what its owner keeps with it for the next one
  PRIMARY KEY (tenant, name)
) WITH (fillfactor = 50);
CREATE INDEX lane_owner ON hookline.lane (owner);
CREATE INDEX lane_ended ON hookline.lane (ended) WHERE ended IS NOT NULL;

CREATE TABLE hookline.tally (                 -- finished deliveries, as sums to add up; nobody updates a row
  tenant text COLLATE "C", lane text COLLATE "C",
  delivered bigint NOT NULL, exhausted bigint NOT NULL, cancelled bigint NOT NULL
);
CREATE INDEX tally_lane ON hookline.tally (tenant, lane);

CREATE TABLE hookline.event (
  tenant text COLLATE "C", id text COLLATE "C",
  day int NOT NULL,                           -- when it was accepted; later, if it was carried forward
  pos bigint NOT NULL, token uuid NOT NULL,   -- of the append, so that it knows its own work again
  digest bytea NOT NULL, type text COLLATE "C" NOT NULL,
  source text NOT NULL, subject text NOT NULL, time bigint NOT NULL, data bytea NOT NULL,
  content_type text,                          -- NULL: application/json
  data_schema text NOT NULL,
  labels text,                                -- JSON; NULL: none
  idempotency_key text NOT NULL, okey text COLLATE "C" NOT NULL, not_before bigint, traceparent text NOT NULL,
  accept bigint NOT NULL,
  PRIMARY KEY (tenant, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX event_list ON hookline.event (tenant, pos);
CREATE TABLE hookline.event_default PARTITION OF hookline.event DEFAULT;

CREATE TABLE hookline.idempotency (           -- kind 'key': a caller's key; 'id': a caller's event id
  tenant text COLLATE "C", kind text COLLATE "C", key text COLLATE "C",
  event text COLLATE "C" NOT NULL, digest bytea NOT NULL, accept bigint NOT NULL, token uuid NOT NULL,
  PRIMARY KEY (tenant, kind, key)
);
CREATE INDEX idempotency_accept ON hookline.idempotency (kind, accept);

CREATE TABLE hookline.fresh (                 -- never tried in this run; inserted once, deleted once, never updated
  tenant text COLLATE "C", lane text COLLATE "C", pos bigint,
  id text COLLATE "C" NOT NULL,               -- of the delivery
  event text COLLATE "C" NOT NULL, day int NOT NULL, size int NOT NULL, type text COLLATE "C" NOT NULL,
  okey text COLLATE "C",                      -- the ordering key; NULL: none
  webhook text,                               -- NULL: the event's id
  replay text, created bigint NOT NULL,
  run int NOT NULL, before int NOT NULL,
  since bigint NOT NULL,                      -- when the run was asked for
  PRIMARY KEY (tenant, lane, pos)
);
CREATE INDEX fresh_id ON hookline.fresh (tenant, id);
CREATE INDEX fresh_event ON hookline.fresh (tenant, event);
CREATE INDEX fresh_key ON hookline.fresh (tenant, lane, okey, pos) WHERE okey IS NOT NULL;

CREATE TABLE hookline.later (                 -- waits for a retry, or for its event's time
  tenant text COLLATE "C", lane text COLLATE "C", due bigint, pos bigint,
  id text COLLATE "C" NOT NULL,
  event text COLLATE "C" NOT NULL, day int NOT NULL, size int NOT NULL, type text COLLATE "C" NOT NULL,
  okey text COLLATE "C", webhook text, replay text, created bigint NOT NULL,
  run int NOT NULL, before int NOT NULL,
  attempts int NOT NULL, run_start bigint NOT NULL, reason text NOT NULL,
  PRIMARY KEY (tenant, lane, due, pos)
);
CREATE UNIQUE INDEX later_pos ON hookline.later (tenant, lane, pos);
CREATE INDEX later_id ON hookline.later (tenant, id);
CREATE INDEX later_event ON hookline.later (tenant, event);
CREATE INDEX later_key ON hookline.later (tenant, lane, okey, pos) WHERE okey IS NOT NULL;

-- Live tables turn over all the time: look after them early, whatever the server's defaults.
ALTER TABLE hookline.fresh SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE hookline.later SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE hookline.done (                  -- how a delivery ended; state: 1 delivered, 2 exhausted, 3 cancelled
  tenant text COLLATE "C", id text COLLATE "C" NOT NULL, day int NOT NULL, pos bigint NOT NULL,
  lane text COLLATE "C" NOT NULL, event text COLLATE "C" NOT NULL, event_day int NOT NULL, type text COLLATE "C" NOT NULL,
  webhook text, replay text, created bigint NOT NULL,
  state smallint NOT NULL, reason text NOT NULL, run int NOT NULL, attempts int NOT NULL, finished bigint NOT NULL
) PARTITION BY RANGE (day);
CREATE INDEX done_id ON hookline.done (tenant, id);
CREATE INDEX done_list ON hookline.done (tenant, pos);
CREATE INDEX done_lane ON hookline.done (tenant, lane, pos);
CREATE INDEX done_event ON hookline.done (tenant, event);
CREATE INDEX done_failed ON hookline.done (tenant, state, pos) WHERE state <> 1;
CREATE INDEX done_older ON hookline.done (event_day) WHERE event_day <> day;
CREATE TABLE hookline.done_default PARTITION OF hookline.done DEFAULT;
CREATE INDEX done_default_finished ON hookline.done_default (finished);

CREATE TABLE hookline.change (                -- every attempt, and every change of state without one
  tenant text COLLATE "C" NOT NULL, pos bigint NOT NULL, day int NOT NULL,
  delivery text COLLATE "C" NOT NULL, event text COLLATE "C" NOT NULL, type text NOT NULL, lane text NOT NULL,
  webhook text, created bigint NOT NULL, replay text,
  state smallint,                             -- after it; 0 pending; NULL: a superseded attempt, which changed nothing
  reason text NOT NULL, run int NOT NULL, attempts int NOT NULL, next bigint, at bigint NOT NULL,
  attempt text COLLATE "C",                   -- its id; NULL, as all that follows: no attempt
  number int, start bigint, duration double precision, url text, address text, status int, answer bytea,
  error text, detail text
) PARTITION BY RANGE (day);
CREATE INDEX change_list ON hookline.change (tenant, pos);
CREATE INDEX change_delivery ON hookline.change (tenant, delivery);
CREATE TABLE hookline.change_default PARTITION OF hookline.change DEFAULT;

CREATE TABLE hookline.job (
  tenant text COLLATE "C", id text COLLATE "C", kind text NOT NULL, subject text NOT NULL, spec text NOT NULL,
  cursor text NOT NULL, scanned bigint NOT NULL, added bigint NOT NULL, cancelled boolean NOT NULL,
  created bigint NOT NULL, finished bigint,
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 50);
CREATE INDEX job_open ON hookline.job (tenant, id) WHERE finished IS NULL;
CREATE INDEX job_finished ON hookline.job (finished) WHERE finished IS NOT NULL;
