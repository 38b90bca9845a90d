-- The SQL door: hookline.emit(…) keeps an event in the caller's own transaction; the router takes what committed.

CREATE SEQUENCE hookline.outbox_no;

CREATE TABLE hookline.outbox (                -- no unique key: an emit never waits for another
  tenant text COLLATE "C" NOT NULL,
  xid bigint NOT NULL,                        -- of the caller's transaction
  no bigint NOT NULL DEFAULT nextval('hookline.outbox_no'),
  id text COLLATE "C" NOT NULL,               -- of the event
  type text COLLATE "C" NOT NULL, data bytea NOT NULL, content_type text NOT NULL, data_schema text NOT NULL,
  source text NOT NULL, subject text NOT NULL, time timestamptz, labels text,
  idempotency_key text NOT NULL, ordering_key text NOT NULL, not_before timestamptz, traceparent text NOT NULL,
  at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX outbox_order ON hookline.outbox (xid, no);

CREATE TABLE hookline.outbox_refused (        -- what committed and could not be accepted, with the reason
  tenant text COLLATE "C" NOT NULL, no bigint NOT NULL, id text NOT NULL, type text NOT NULL, data bytea NOT NULL,
  idempotency_key text NOT NULL, reason text NOT NULL, at timestamptz NOT NULL DEFAULT now()
);

-- Emits an event as part of the caller's transaction; answers its id. Refuses with SQLSTATE 22023 (invalid_parameter_value),
-- or 22030 to 22032 and 22P02 for data that is no JSON, and names the argument.
CREATE FUNCTION hookline.emit_bytes(
  tenant text, type text, data bytea,
  idempotency_key text DEFAULT '', ordering_key text DEFAULT '', id text DEFAULT '',
  source text DEFAULT '', subject text DEFAULT '', labels jsonb DEFAULT NULL,
  "time" timestamptz DEFAULT NULL, not_before timestamptz DEFAULT NULL,
  content_type text DEFAULT 'application/json', data_schema text DEFAULT '', traceparent text DEFAULT ''
) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  event_id text := coalesce(nullif(id, ''), '');
  said text;
BEGIN
  IF tenant IS NULL OR tenant !~ '^[a-z0-9_-]{1,64}$' THEN
    RAISE invalid_parameter_value USING MESSAGE = format('hookline.emit: tenant is %L; right are 1 to 64 of a-z, 0-9, _ and -', tenant);
  ELSIF type IS NULL OR length(type) > 128 OR type !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' THEN
    RAISE invalid_parameter_value USING MESSAGE =
      format('hookline.emit: type is %L; right are names with full stops between them, like invoice.paid, at most 128 characters', type);
  ELSIF starts_with(type, 'hookline.') THEN
    RAISE invalid_parameter_value USING MESSAGE =
      format('hookline.emit: type is %L; types that begin with hookline. are its own', type);
  ELSIF event_id <> '' AND event_id !~ '^[A-Za-z0-9_-]{1,64}$' THEN
    RAISE invalid_parameter_value USING MESSAGE =
      format('hookline.emit: id is %L; right are 1 to 64 of A-Z, a-z, 0-9, _ and -, or none', id);
  ELSIF data IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'hookline.emit: data is NULL; right is the event''s data (JSON null is ''null'')';
  ELSIF octet_length(data) > 2097152 THEN
    RAISE invalid_parameter_value USING MESSAGE =
      format('hookline.emit: data has %s bytes; right are at most 2097152, or less if the server is set so', octet_length(data));
  ELSIF octet_length(idempotency_key) > 256 OR octet_length(ordering_key) > 256 OR octet_length(subject) > 1024 THEN
    RAISE invalid_parameter_value USING MESSAGE =
      'hookline.emit: idempotency_key, ordering_key or subject is too long; right are at most 256, 256 and 1024 bytes';
  ELSIF not_before > clock_timestamp() + interval '30 days' THEN
    RAISE invalid_parameter_value USING MESSAGE =
      format('hookline.emit: not_before is %s; right is at most 30 days ahead', not_before);
  ELSIF labels IS NOT NULL AND (jsonb_typeof(labels) <> 'object'
      OR EXISTS (SELECT 1 FROM jsonb_each(labels) AS l WHERE l.key !~ '^[a-z0-9_-]{1,63}$' OR jsonb_typeof(l.value) <> 'string'))
  THEN
    RAISE invalid_parameter_value USING MESSAGE =
      'hookline.emit: labels are not right; right is an object of strings, its keys of a-z, 0-9, _ and -';
  END IF;
  IF content_type ~* '^application/(json|[!#$%&''*+.^_`|~0-9a-z-]+\+json)( *;.*)?$' THEN
    BEGIN
      said := convert_from(data, 'UTF8');
      PERFORM said::json;
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = 'hookline.emit: data is no JSON in UTF-8: ' || SQLERRM,
        HINT = 'Pass JSON, or say by content_type what it is.';
    END;
  END IF;
  IF event_id = '' THEN
    event_id := 'evt_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
      || substr(replace(gen_random_uuid()::text, '-', ''), 1, 20);
  END IF;
  INSERT INTO hookline.outbox (tenant, xid, id, type, data, content_type, data_schema, source, subject, time, labels,
    idempotency_key, ordering_key, not_before, traceparent, at)
  VALUES (tenant, pg_current_xact_id()::text::bigint, event_id, type, data, coalesce(content_type, 'application/json'),
    coalesce(data_schema, ''), coalesce(source, ''), coalesce(subject, ''), "time", labels::text,
    coalesce(idempotency_key, ''), coalesce(ordering_key, ''), not_before, coalesce(traceparent, ''), clock_timestamp());
  RETURN event_id;
END
$$;

-- JSON as text: its bytes in UTF-8 are what is delivered.
CREATE FUNCTION hookline.emit(
  tenant text, type text, data text,
  idempotency_key text DEFAULT '', ordering_key text DEFAULT '', id text DEFAULT '',
  source text DEFAULT '', subject text DEFAULT '', labels jsonb DEFAULT NULL,
  "time" timestamptz DEFAULT NULL, not_before timestamptz DEFAULT NULL,
  content_type text DEFAULT 'application/json', data_schema text DEFAULT '', traceparent text DEFAULT ''
) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT hookline.emit_bytes($1, $2, convert_to($3, 'UTF8'), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
$$;

-- jsonb: as PostgreSQL writes it.
CREATE FUNCTION hookline.emit(
  tenant text, type text, data jsonb,
  idempotency_key text DEFAULT '', ordering_key text DEFAULT '', id text DEFAULT '',
  source text DEFAULT '', subject text DEFAULT '', labels jsonb DEFAULT NULL,
  "time" timestamptz DEFAULT NULL, not_before timestamptz DEFAULT NULL,
  content_type text DEFAULT 'application/json', data_schema text DEFAULT '', traceparent text DEFAULT ''
) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT hookline.emit_bytes($1, $2, convert_to($3::text, 'UTF8'), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
$$;

-- Who may emit is granted: GRANT USAGE ON SCHEMA hookline TO app; and SELECT hookline.allow_emit('app').
REVOKE ALL ON FUNCTION hookline.emit_bytes(text, text, bytea, text, text, text, text, text, jsonb, timestamptz, timestamptz,
  text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION hookline.emit(text, text, text, text, text, text, text, text, jsonb, timestamptz, timestamptz,
  text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION hookline.emit(text, text, jsonb, text, text, text, text, text, jsonb, timestamptz, timestamptz,
  text, text, text) FROM PUBLIC;

-- Lets a role emit, and nothing else.
CREATE FUNCTION hookline.allow_emit(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  emitter regprocedure;
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA hookline TO %s', role);
  FOR emitter IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'hookline'::regnamespace AND p.proname IN ('emit', 'emit_bytes')
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', emitter, role);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION hookline.allow_emit(regrole) FROM PUBLIC;
