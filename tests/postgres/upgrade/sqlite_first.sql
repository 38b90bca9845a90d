PRAGMA application_id = 1752133483;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE change (                     -- every attempt, and every change of state without one
  pos INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, delivery INTEGER NOT NULL,
  state INTEGER,                          -- after it; 0 pending; NULL: a superseded attempt, which changed nothing
  reason TEXT NOT NULL, run INTEGER NOT NULL, attempts INTEGER NOT NULL, next INTEGER, at INTEGER NOT NULL,
  attempt TEXT,                           -- its id; NULL, as all that follows: no attempt
  number INTEGER, start INTEGER, duration REAL, url TEXT, address TEXT, status INTEGER, answer BLOB,
  error TEXT, detail TEXT
);
INSERT INTO "change" VALUES(4,'acme',3,0,'the receiver refused the connection: 127.0.0.1:9 refused the connection',1,1,1795490375405698,1795490375105698,'att_01m85s1sede9fbtmap1r94y7va',1,1795490375097295,8.25846400039154104888e-03,'http://127.0.0.1:9/plain','127.0.0.1:9',0,X'','refused','the receiver refused the connection: 127.0.0.1:9 refused the connection');
INSERT INTO "change" VALUES(5,'acme',2,0,'the receiver refused the connection: 127.0.0.1:9 refused the connection',1,1,1795490375424379,1795490375124379,'att_01m85s1semea994zcn2z596ps2',1,1795490375123701,5.14543000463163480162e-04,'http://127.0.0.1:9/ordered','127.0.0.1:9',0,X'','refused','the receiver refused the connection: 127.0.0.1:9 refused the connection');
CREATE TABLE delivery (                   -- what never changes of a delivery; a new run of a finished one gives it a new pos
  tenant TEXT NOT NULL, pos INTEGER NOT NULL, id TEXT NOT NULL,
  lane INTEGER NOT NULL, event INTEGER NOT NULL, created INTEGER NOT NULL,
  webhook_id TEXT,                        -- NULL: the event's id
  replay TEXT,
  PRIMARY KEY (tenant, pos)
) WITHOUT ROWID;
INSERT INTO "delivery" VALUES('acme',2,'dlv_01m85s1sdhee8bj0skzy9b6wn6',1,1,1795490375089566,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',3,'dlv_01m85s1sdhee8bj135xz897wm8',2,1,1795490375089566,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',7,'dlv_01m85s1smzeefry9qxymej4mta',1,6,1795490375327721,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',8,'dlv_01m85s1smzeefrya8m4n696n2h',2,6,1795490375327721,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',10,'dlv_01m85s1sn6edy9s76w067kh7gd',1,9,1795490375334282,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',11,'dlv_01m85s1sn6edy9s8kw218j5s67',2,9,1795490375334282,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',13,'dlv_01m85s1sn8eckvx6xtrgkc3ehc',1,12,1795490375336599,NULL,NULL);
INSERT INTO "delivery" VALUES('acme',14,'dlv_01m85s1sn8eckvx7gzp709vzqb',2,12,1795490375336599,NULL,NULL);
CREATE TABLE done (                       -- how a delivery ended; state: 1 delivered, 2 exhausted, 3 cancelled
  tenant TEXT NOT NULL, pos INTEGER NOT NULL,
  state INTEGER NOT NULL, reason TEXT NOT NULL, run INTEGER NOT NULL, attempts INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  PRIMARY KEY (tenant, pos)
) WITHOUT ROWID;
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
INSERT INTO "event" VALUES(1,'acme','tried',X'2D7F21BA3C4B5C7122169A35E7033D6D','order.placed','urn:hookline:acme','',1795490375089566,X'7B226E6F223A20317D',NULL,'',NULL,'','k',NULL,'',1795490375089566);
INSERT INTO "event" VALUES(6,'acme','waiting-0',X'C09A61388207F758B26267C2A155A998','order.paid','urn:hookline:acme','',1795490375327721,X'7B226E6F223A20307D',NULL,'',NULL,'key-0','k',NULL,'',1795490375327721);
INSERT INTO "event" VALUES(9,'acme','waiting-1',X'2870CF86B3A225F1ED71AAF4E1FAE631','order.paid','urn:hookline:acme','',1795490375334282,X'7B226E6F223A20317D',NULL,'',NULL,'key-1','k',NULL,'',1795490375334282);
INSERT INTO "event" VALUES(12,'acme','waiting-2',X'69767D6415EACE8E8A1280992E23B099','order.paid','urn:hookline:acme','',1795490375336599,X'7B226E6F223A20327D',NULL,'',NULL,'key-2','k',NULL,'',1795490375336599);
CREATE TABLE event_type (
  tenant TEXT NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE TABLE fresh (                      -- never tried in this run; inserted once, deleted once
  lane INTEGER NOT NULL, pos INTEGER NOT NULL,
  okey TEXT,                              -- the ordering key; NULL: none
  run INTEGER NOT NULL, before INTEGER NOT NULL,
  since INTEGER,                          -- when the run was asked for; NULL: when the delivery was created
  PRIMARY KEY (lane, pos)
) WITHOUT ROWID;
INSERT INTO "fresh" VALUES(1,7,'k',1,0,NULL);
INSERT INTO "fresh" VALUES(1,10,'k',1,0,NULL);
INSERT INTO "fresh" VALUES(1,13,'k',1,0,NULL);
INSERT INTO "fresh" VALUES(2,8,'k',1,0,NULL);
INSERT INTO "fresh" VALUES(2,11,'k',1,0,NULL);
INSERT INTO "fresh" VALUES(2,14,'k',1,0,NULL);
CREATE TABLE idempotency (                -- kind 'key': a caller's key; 'id': an event that is gone, within the window
  tenant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  event TEXT NOT NULL, digest BLOB NOT NULL, accept INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, key)
) WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('acme','key','key-0','waiting-0',X'C09A61388207F758B26267C2A155A998',1795490375327721);
INSERT INTO "idempotency" VALUES('acme','key','key-1','waiting-1',X'2870CF86B3A225F1ED71AAF4E1FAE631',1795490375334282);
INSERT INTO "idempotency" VALUES('acme','key','key-2','waiting-2',X'69767D6415EACE8E8A1280992E23B099',1795490375336599);
CREATE TABLE job (
  tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, spec TEXT NOT NULL,
  cursor TEXT NOT NULL, scanned INTEGER NOT NULL, added INTEGER NOT NULL, cancelled INTEGER NOT NULL,
  created INTEGER NOT NULL, finished INTEGER,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
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
INSERT INTO "lane" VALUES(1,'acme','sub_01m85s1sczennse2npb33twk6t',1,1,1,1,4,0,0,0);
INSERT INTO "lane" VALUES(2,'acme','sub_01m85s1sdbe5tayv3j3a3desf0',1,1,0,1,4,0,0,0);
CREATE TABLE later (                      -- waits for a retry, or for its event's time
  lane INTEGER NOT NULL, due INTEGER NOT NULL, pos INTEGER NOT NULL,
  okey TEXT, run INTEGER NOT NULL, attempts INTEGER NOT NULL, before INTEGER NOT NULL,
  run_start INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (lane, due, pos)
) WITHOUT ROWID;
INSERT INTO "later" VALUES(1,1795490375424379,2,'k',1,1,0,1795490375123701,'the receiver refused the connection: 127.0.0.1:9 refused the connection');
INSERT INTO "later" VALUES(2,1795490375405698,3,'k',1,1,0,1795490375097295,'the receiver refused the connection: 127.0.0.1:9 refused the connection');
CREATE TABLE meta (               -- one row
  position INTEGER NOT NULL,      -- the highest position given out
  commits INTEGER NOT NULL,       -- rises with every commit: tells whether a doubtful one took place
  nodes INTEGER NOT NULL          -- the highest node id given out; ids are never used again
);
INSERT INTO "meta" VALUES(14,11,1);
CREATE TABLE node (                       -- one row a living incarnation; no row = dead
  id INTEGER PRIMARY KEY, beat INTEGER NOT NULL DEFAULT 0, load INTEGER NOT NULL DEFAULT 0,
  address TEXT NOT NULL DEFAULT ''        -- of its datagram socket
);
CREATE TABLE request (                    -- calls that may be repeated
  tenant TEXT NOT NULL, method TEXT NOT NULL, id TEXT NOT NULL,
  digest BLOB NOT NULL, result TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (tenant, method, id)
) WITHOUT ROWID;
CREATE TABLE subscription (
  tenant TEXT NOT NULL, id TEXT NOT NULL, etag TEXT NOT NULL,
  body TEXT NOT NULL,                     -- JSON of the whole, with the secrets
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
INSERT INTO "subscription" VALUES('acme','sub_01m85s1sczennse2npb33twk6t','1','{"tenant":"acme","id":"sub_01m85s1sczennse2npb33twk6t","url":"http://127.0.0.1:9/ordered","event_types":["order.*"],"description":"","body_format":"standard","signature_scheme":"standard","headers":{},"retry":{"schedule":{"delays":[0.3]},"max_attempts":100,"max_elapsed":null,"jitter":0.0,"count_paused":true},"timeout":15.0,"max_in_flight":64,"ordering":"by-key","labels":{},"state":"active","state_reason":"","etag":"1","create_time":"2026-11-24T03:19:35.071796Z","update_time":"2026-11-24T03:19:35.071796Z","secrets":[{"value":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","expire_time":null}],"pauses":[]}');
INSERT INTO "subscription" VALUES('acme','sub_01m85s1sdbe5tayv3j3a3desf0','1','{"tenant":"acme","id":"sub_01m85s1sdbe5tayv3j3a3desf0","url":"http://127.0.0.1:9/plain","event_types":["*"],"description":"","body_format":"standard","signature_scheme":"standard","headers":{},"retry":{"schedule":{"delays":[0.3]},"max_attempts":100,"max_elapsed":null,"jitter":0.0,"count_paused":true},"timeout":15.0,"max_in_flight":64,"ordering":"none","labels":{},"state":"active","state_reason":"","etag":"1","create_time":"2026-11-24T03:19:35.083656Z","update_time":"2026-11-24T03:19:35.083656Z","secrets":[{"value":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","expire_time":null}],"pauses":[]}');
CREATE TABLE tenant (
  tenant TEXT NOT NULL PRIMARY KEY,
  revision INTEGER NOT NULL DEFAULT 0,    -- of the catalogue
  horizon INTEGER NOT NULL DEFAULT 0      -- up to here retention may have removed changes
) WITHOUT ROWID;
INSERT INTO "tenant" VALUES('acme',2,0);
CREATE INDEX request_at ON request (at);
CREATE INDEX lane_owner ON lane (owner);
CREATE UNIQUE INDEX event_id ON event (tenant, id);
CREATE INDEX event_list ON event (tenant, pos, type, accept);
CREATE INDEX idempotency_accept ON idempotency (accept);
CREATE UNIQUE INDEX delivery_id ON delivery (tenant, id);
CREATE INDEX delivery_lane ON delivery (lane, pos);
CREATE INDEX delivery_event ON delivery (event);
CREATE INDEX fresh_key ON fresh (lane, okey, pos) WHERE okey IS NOT NULL;
CREATE UNIQUE INDEX later_pos ON later (lane, pos);
CREATE INDEX later_key ON later (lane, okey) WHERE okey IS NOT NULL;
CREATE INDEX done_finished ON done (finished);
CREATE INDEX done_failed ON done (tenant, state, pos) WHERE state <> 1;
CREATE INDEX change_list ON change (tenant);
CREATE INDEX change_delivery ON change (delivery);
CREATE INDEX job_open ON job (tenant, id) WHERE finished IS NULL;
CREATE INDEX job_finished ON job (finished) WHERE finished IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('lane',2);
COMMIT;
