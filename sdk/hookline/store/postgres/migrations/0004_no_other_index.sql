-- Of what waits, these indexes serve whoever asks for an id or an event, and nobody else. While a table is empty but for rows
-- that are gone and cannot be removed yet (somebody holds an old snapshot), its statistics make every index look alike; one that
-- could be used for the tenant alone was then taken for a position, and read all those rows for each. `IS NOT NULL` follows from
-- `id = …` and from nothing else, so a statement that does not name the column cannot use the index.
DROP INDEX hookline.fresh_id, hookline.fresh_event, hookline.later_id, hookline.later_event;
CREATE INDEX fresh_id ON hookline.fresh (tenant, id) WHERE id IS NOT NULL;
CREATE INDEX fresh_event ON hookline.fresh (tenant, event) WHERE event IS NOT NULL;
CREATE INDEX later_id ON hookline.later (tenant, id) WHERE id IS NOT NULL;
CREATE INDEX later_event ON hookline.later (tenant, event) WHERE event IS NOT NULL;
