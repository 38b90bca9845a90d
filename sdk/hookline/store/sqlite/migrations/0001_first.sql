-- Positions (`pos`) come from one counter, in commit order. Times are microseconds since 1970-01-01T00:00Z.
-- A row refers to events and deliveries by position and to lanes by number: small keys keep commits small.

CREATE TABLE meta (               -- one row
  position INTEGER NOT NULL,      -- the highest position given out
  commits INTEGER NOT NULL,       -- rises with every commit: tells whether a doubtful one took place
  nodes INTEGER NOT NULL          -- the highest node id given out; ids are never used again
);
INSERT INTO meta (position, commits, nodes) VALUES (0, 0, 0);

CREATE TABLE tenant (
  tenant TEXT NOT NULL PRIMARY KEY,
  revision INTEGER NOT NULL DEFAULT 0,    -- of the catalogue
  horizon INTEGER NOT NULL DEFAULT 0      -- up to here retention may have removed changes
) WITHOUT ROWID;

CREATE TABLE subscription (
  tenant TEXT NOT NULL, id TEXT NOT NULL, etag TEXT NOT NULL,
  body TEXT NOT NULL,                     -- JSON of the whole, with the secrets
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE TABLE event_type (
  tenant TEXT NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

CREATE TABLE request (                    -- calls that may be repeated
  tenant TEXT NOT NULL, method TEXT NOT NULL, id TEXT NOT NULL,
  digest BLOB NOT NULL, result TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (tenant, method, id)
) WITHOUT ROWID;
CREATE INDEX request_at ON request (at);

CREATE TABLE node (                       -- one row a living incarnation; no row = dead
  id INTEGER PRIMARY KEY, beat INTEGER NOT NULL DEFAULT 0, load INTEGER NOT NULL DEFAULT 0,
  address TEXT NOT NULL DEFAULT ''        -- of its datagram socket
);

CREATE TABLE lane (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, name TEXT NOT NULL,
  owner INTEGER,                          -- NULL: the lane is over; only its history is left
  epoch INTEGER NOT NULL, ordered INTEGER NOT NULL,
  taking INTEGER NOT NULL DEFAULT 1,      -- 0: the subscription is gone, the lane takes nothing more
  pending INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
  exhausted INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, name)
);
CREATE INDEX lane_owner ON lane (owner);

CREATE TABLE event (
  pos INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL, type TEXT NOT NULL,
  source TEXT NOT NULL, subject TEXT NOT NULL, time INTEGER NOT NULL, data BLOB NOT NULL,
  content_type TEXT,                      -- NULL: application/json
  data_schema TEXT NOT NULL,
  labels TEXT,                            -- JSON; NULL: none
  idempotency_key TEXT NOT NULL, okey TEXT NOT NULL, not_before INTEGER, traceparent TEXT NOT NULL,
  accept INTEGER NOT NULL
);
CREATE UNIQUE INDEX event_id ON event (tenant, id);
CREATE INDEX event_list ON event (tenant, pos, type, accept);

CREATE TABLE idempotency (                -- kind 'key': a caller's key; 'id': an event that is gone, within the window
  tenant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  event TEXT NOT NULL, digest BLOB NOT NULL, accept INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_accept ON idempotency (accept);

CREATE TABLE delivery (                   -- what never changes of a delivery; a new run of a finished one gives it a new pos
  tenant TEXT NOT NULL, pos INTEGER NOT NULL, id TEXT NOT NULL,
  lane INTEGER NOT NULL, event INTEGER NOT NULL, created INTEGER NOT NULL,
  webhook_id TEXT,                        -- NULL: the event's id
  replay TEXT,
  PRIMARY KEY (tenant, pos)
) WITHOUT ROWID;
CREATE UNIQUE INDEX delivery_id ON delivery (tenant, id);
CREATE INDEX delivery_lane ON delivery (lane, pos);
CREATE INDEX delivery_event ON delivery (event);

CREATE TABLE fresh (                      -- never tried in this run; inserted once, deleted once
  lane INTEGER NOT NULL, pos INTEGER NOT NULL,
  okey TEXT,                              -- the ordering key; NULL: none
  run INTEGER NOT NULL, before INTEGER NOT NULL,
  since INTEGER,                          -- when the run was asked for; NULL: when the delivery was created
  PRIMARY KEY (lane, pos)
) WITHOUT ROWID;
CREATE INDEX fresh_key ON fresh (lane, okey, pos) WHERE okey IS NOT NULL;

CREATE TABLE later (                      -- waits for a retry, or for its event's time
  lane INTEGER NOT NULL, due INTEGER NOT NULL, pos INTEGER NOT NULL,
  okey TEXT, run INTEGER NOT NULL, attempts INTEGER NOT NULL, before INTEGER NOT NULL,
  run_start INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (lane, due, pos)
) WITHOUT ROWID;
CREATE UNIQUE INDEX later_pos ON later (lane, pos);
CREATE INDEX later_key ON later (lane, okey) WHERE okey IS NOT NULL;

CREATE TABLE done (                       -- how a delivery ended; state: 1 delivered, 2 exhausted, 3 cancelled
  tenant TEXT NOT NULL, pos INTEGER NOT NULL,
  state INTEGER NOT NULL, reason TEXT NOT NULL, run INTEGER NOT NULL, attempts INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  PRIMARY KEY (tenant, pos)
) WITHOUT ROWID;
CREATE INDEX done_finished ON done (finished);
CREATE INDEX done_failed ON done (tenant, state, pos) WHERE state <> 1;

CREATE TABLE change (                     -- every attempt, and every change of state without one
  pos INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, delivery INTEGER NOT NULL,
  state INTEGER,                          -- after it; 0 pending; NULL: a superseded attempt, which changed nothing
  reason TEXT NOT NULL, run INTEGER NOT NULL, attempts INTEGER NOT NULL, next INTEGER, at INTEGER NOT NULL,
  attempt TEXT,                           -- its id; NULL, as all that follows: no attempt
  number INTEGER, start INTEGER, duration REAL, url TEXT, address TEXT, status INTEGER, answer BLOB,
  error TEXT, detail TEXT
);
CREATE INDEX change_list ON change (tenant);          -- and pos, which every index carries
CREATE INDEX change_delivery ON change (delivery);

CREATE TABLE job (
  tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, spec TEXT NOT NULL,
  cursor TEXT NOT NULL, scanned INTEGER NOT NULL, added INTEGER NOT NULL, cancelled INTEGER NOT NULL,
  created INTEGER NOT NULL, finished INTEGER,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX job_open ON job (tenant, id) WHERE finished IS NULL;
CREATE INDEX job_finished ON job (finished) WHERE finished IS NOT NULL;
