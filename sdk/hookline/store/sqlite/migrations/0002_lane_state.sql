-- What a lane's owner keeps with it, for the next owner: its breaker's state. Empty: nothing.
ALTER TABLE lane ADD COLUMN state TEXT NOT NULL DEFAULT '';
