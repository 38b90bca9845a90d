"""What the chaos adds to the database: commits that come late, and a look at the lane in the moment of a settle's commit."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE public.settled (attempt text, epoch bigint);
CREATE INDEX ON public.settled (attempt);

-- Whatever the numbers of transactions: when a settle commits, nobody else may have its lane.
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO public.settled SELECT NEW.attempt, l.epoch FROM hookline.lane l WHERE l.tenant = NEW.tenant AND l.name = NEW.lane;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON hookline.change DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.attempt IS NOT NULL AND NEW.state IS NOT NULL) EXECUTE FUNCTION public.note();

-- Some appends commit after newer ones were claimed.
CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_sleep(0.3 * random());
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON hookline.event DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.type = 'plain.direct' AND hashtext(NEW.id) % 50 = 0) EXECUTE FUNCTION public.dawdle();
"""
