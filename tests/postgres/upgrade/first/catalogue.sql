-- name: revisions
SELECT tenant, revision FROM hookline.tenant WHERE revision > 0;

-- name: raise
INSERT INTO hookline.tenant (tenant, revision) VALUES ($1, 1)
ON CONFLICT (tenant) DO UPDATE SET revision = hookline.tenant.revision + 1;

-- name: view    the whole in one statement, so of one revision
SELECT 0 AS kind, '' AS name, coalesce((SELECT revision FROM hookline.tenant WHERE tenant = $1), 0)::text AS body
UNION ALL SELECT 1, id, body FROM hookline.subscription WHERE tenant = $1
UNION ALL SELECT 2, name, body FROM hookline.event_type WHERE tenant = $1
ORDER BY 1, 2;

-- name: subscription
SELECT body FROM hookline.subscription WHERE tenant = $1 AND id = $2;

-- name: subscription_etag
SELECT etag FROM hookline.subscription WHERE tenant = $1 AND id = $2;

-- name: subscriptions
SELECT body FROM hookline.subscription WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: lane_exists
SELECT 1 FROM hookline.lane WHERE tenant = $1 AND name = $2;

-- name: add_subscription
INSERT INTO hookline.subscription (tenant, id, etag, body) VALUES ($1, $2, $3, $4);

-- name: replace_subscription
UPDATE hookline.subscription SET etag = $3, body = $4 WHERE tenant = $1 AND id = $2;

-- name: remove_subscription
DELETE FROM hookline.subscription WHERE tenant = $1 AND id = $2;

-- name: add_lane
INSERT INTO hookline.lane (tenant, name, owner, ordered) VALUES ($1, $2, $3, $4);

-- name: order_lane
UPDATE hookline.lane SET ordered = $3 WHERE tenant = $1 AND name = $2 AND ordered <> $3 RETURNING name;

-- name: hold_lane    waits for appends that are under way, and lets none begin until this commit
SELECT 1 FROM hookline.lane WHERE tenant = $1 AND name = $2 FOR UPDATE;

-- name: close_lane
UPDATE hookline.lane SET taking = false WHERE tenant = $1 AND name = $2;

-- name: event_type
SELECT body FROM hookline.event_type WHERE tenant = $1 AND name = $2;

-- name: event_type_etag
SELECT etag FROM hookline.event_type WHERE tenant = $1 AND name = $2;

-- name: event_types
SELECT body FROM hookline.event_type WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3;

-- name: put_event_type
INSERT INTO hookline.event_type (tenant, name, etag, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, name) DO UPDATE SET etag = excluded.etag, body = excluded.body;

-- name: remove_event_type
DELETE FROM hookline.event_type WHERE tenant = $1 AND name = $2;
