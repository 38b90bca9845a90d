-- name: add
INSERT INTO node (id, address) VALUES (?, ?);

-- name: beat
UPDATE node SET beat = beat + 1, load = ? WHERE id = ?;

-- name: all
SELECT id, beat, load FROM node ORDER BY id;

-- name: alive
SELECT 1 FROM node WHERE id = ?;

-- name: bury
DELETE FROM node WHERE id = ? AND beat = ?;

-- name: leave
DELETE FROM node WHERE id = ?;

-- name: orphans
WITH RECURSIVE owners (owner) AS (
  SELECT min(owner) FROM lane
  UNION ALL
  SELECT (SELECT min(lane.owner) FROM lane WHERE lane.owner > owners.owner) FROM owners WHERE owners.owner IS NOT NULL)
SELECT lane.no, lane.tenant, lane.name, lane.epoch, lane.ordered, lane.state
FROM owners CROSS JOIN lane ON lane.owner = owners.owner
WHERE owners.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM node WHERE node.id = owners.owner)
LIMIT ?;

-- name: take
UPDATE lane SET owner = ?, epoch = epoch + 1 WHERE no = ?;

-- name: mine
SELECT tenant, name, epoch, ordered, state FROM lane WHERE owner = ? ORDER BY no;

-- name: hand
UPDATE lane SET owner = :to, epoch = epoch + 1
WHERE tenant = :tenant AND name = :name AND owner = :node AND epoch = :epoch AND EXISTS (SELECT 1 FROM node WHERE id = :to);

-- name: retake
UPDATE lane SET epoch = epoch + 1
WHERE tenant = :tenant AND name = :name AND owner = :node AND epoch = :epoch AND EXISTS (SELECT 1 FROM node WHERE id = :node);

-- name: keep
UPDATE lane SET state = ? WHERE tenant = ? AND name = ? AND owner = ? AND epoch = ?;

-- name: state
SELECT state FROM lane WHERE tenant = ? AND name = ?;
