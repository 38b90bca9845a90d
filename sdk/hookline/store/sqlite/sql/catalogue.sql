-- name: revisions
SELECT tenant, revision FROM tenant WHERE revision > 0;

-- name: raise
INSERT INTO tenant (tenant, revision) VALUES (?, 1) ON CONFLICT (tenant) DO UPDATE SET revision = revision + 1;

-- name: all_subscriptions
SELECT body FROM subscription WHERE tenant = ? ORDER BY id;

-- name: all_event_types
SELECT body FROM event_type WHERE tenant = ? ORDER BY name;

-- name: subscription
SELECT body FROM subscription WHERE tenant = ? AND id = ?;

-- name: subscription_etag
SELECT etag FROM subscription WHERE tenant = ? AND id = ?;

-- name: subscriptions
SELECT body FROM subscription WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?;

-- name: add_subscription
INSERT INTO subscription (tenant, id, etag, body) VALUES (?, ?, ?, ?);

-- name: replace_subscription
UPDATE subscription SET etag = ?, body = ? WHERE tenant = ? AND id = ?;

-- name: remove_subscription
DELETE FROM subscription WHERE tenant = ? AND id = ?;

-- name: lane_exists
SELECT 1 FROM lane WHERE tenant = ? AND name = ?;

-- name: living
SELECT id FROM node ORDER BY id;

-- name: add_lane    if it is not there
INSERT INTO lane (tenant, name, owner, epoch, ordered) VALUES (?, ?, ?, 1, ?) ON CONFLICT (tenant, name) DO NOTHING;

-- name: order_lanes    of a subscription: its id, or its id, a slash and a number ('0' follows the slash)
UPDATE lane SET ordered = :ordered
WHERE tenant = :tenant AND (name = :name OR (name >= :name || '/' AND name < :name || '0')) AND ordered <> :ordered;

-- name: close_lanes
UPDATE lane SET taking = 0 WHERE tenant = :tenant AND (name = :name OR (name >= :name || '/' AND name < :name || '0'));

-- name: event_type
SELECT body FROM event_type WHERE tenant = ? AND name = ?;

-- name: event_type_etag
SELECT etag FROM event_type WHERE tenant = ? AND name = ?;

-- name: event_types
SELECT body FROM event_type WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?;

-- name: put_event_type
INSERT INTO event_type (tenant, name, etag, body) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, name) DO UPDATE SET etag = excluded.etag, body = excluded.body;

-- name: remove_event_type
DELETE FROM event_type WHERE tenant = ? AND name = ?;
