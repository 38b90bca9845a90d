-- name: meta
SELECT position, commits, nodes FROM meta;

-- name: save_meta
UPDATE meta SET position = ?, commits = ?, nodes = ?;

-- name: lane
SELECT no, owner, epoch, ordered, taking FROM lane WHERE tenant = ? AND name = ? AND owner IS NOT NULL;

-- name: revision
SELECT revision FROM tenant WHERE tenant = ?;

-- name: tally
UPDATE lane SET pending = pending + ?, delivered = delivered + ?, exhausted = exhausted + ?, cancelled = cancelled + ? WHERE no = ?;

-- name: living
SELECT id, address FROM node;

-- name: request
SELECT digest, result FROM request WHERE tenant = ? AND method = ? AND id = ?;

-- name: add_request
INSERT INTO request (tenant, method, id, digest, result, at) VALUES (?, ?, ?, ?, ?, ?);
