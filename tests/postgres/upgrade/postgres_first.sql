SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA hookline;
CREATE FUNCTION hookline.allow_emit(role regrole) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION hookline.emit(tenant text, type text, data jsonb, idempotency_key text DEFAULT ''::text, ordering_key text DEFAULT ''::text, id text DEFAULT ''::text, source text DEFAULT ''::text, subject text DEFAULT ''::text, labels jsonb DEFAULT NULL::jsonb, "time" timestamp with time zone DEFAULT NULL::timestamp with time zone, not_before timestamp with time zone DEFAULT NULL::timestamp with time zone, content_type text DEFAULT 'application/json'::text, data_schema text DEFAULT ''::text, traceparent text DEFAULT ''::text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  SELECT hookline.emit_bytes($1, $2, convert_to($3::text, 'UTF8'), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
$_$;
CREATE FUNCTION hookline.emit(tenant text, type text, data text, idempotency_key text DEFAULT ''::text, ordering_key text DEFAULT ''::text, id text DEFAULT ''::text, source text DEFAULT ''::text, subject text DEFAULT ''::text, labels jsonb DEFAULT NULL::jsonb, "time" timestamp with time zone DEFAULT NULL::timestamp with time zone, not_before timestamp with time zone DEFAULT NULL::timestamp with time zone, content_type text DEFAULT 'application/json'::text, data_schema text DEFAULT ''::text, traceparent text DEFAULT ''::text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  SELECT hookline.emit_bytes($1, $2, convert_to($3, 'UTF8'), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
$_$;
CREATE FUNCTION hookline.emit_bytes(tenant text, type text, data bytea, idempotency_key text DEFAULT ''::text, ordering_key text DEFAULT ''::text, id text DEFAULT ''::text, source text DEFAULT ''::text, subject text DEFAULT ''::text, labels jsonb DEFAULT NULL::jsonb, "time" timestamp with time zone DEFAULT NULL::timestamp with time zone, not_before timestamp with time zone DEFAULT NULL::timestamp with time zone, content_type text DEFAULT 'application/json'::text, data_schema text DEFAULT ''::text, traceparent text DEFAULT ''::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;
SET default_tablespace = '';
CREATE TABLE hookline.change (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
)
PARTITION BY RANGE (day);
SET default_table_access_method = heap;
CREATE TABLE hookline.change_d20782 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
);
CREATE TABLE hookline.change_d20783 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
);
CREATE TABLE hookline.change_d20784 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
);
CREATE TABLE hookline.change_d20785 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
);
CREATE TABLE hookline.change_d20786 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
);
CREATE TABLE hookline.change_default (
    tenant text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    day integer NOT NULL,
    delivery text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    lane text NOT NULL,
    webhook text,
    created bigint NOT NULL,
    replay text,
    state smallint,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    next bigint,
    at bigint NOT NULL,
    attempt text COLLATE pg_catalog."C",
    number integer,
    start bigint,
    duration double precision,
    url text,
    address text,
    status integer,
    answer bytea,
    error text,
    detail text
);
CREATE TABLE hookline.done (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
)
PARTITION BY RANGE (day);
CREATE TABLE hookline.done_d20782 (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
);
CREATE TABLE hookline.done_d20783 (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
);
CREATE TABLE hookline.done_d20784 (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
);
CREATE TABLE hookline.done_d20785 (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
);
CREATE TABLE hookline.done_d20786 (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
);
CREATE TABLE hookline.done_default (
    tenant text COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    event_day integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    state smallint NOT NULL,
    reason text NOT NULL,
    run integer NOT NULL,
    attempts integer NOT NULL,
    finished bigint NOT NULL
);
CREATE TABLE hookline.event (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
)
PARTITION BY RANGE (day);
CREATE TABLE hookline.event_d20782 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
);
CREATE TABLE hookline.event_d20783 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
);
CREATE TABLE hookline.event_d20784 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
);
CREATE TABLE hookline.event_d20785 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
);
CREATE TABLE hookline.event_d20786 (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
);
CREATE TABLE hookline.event_default (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    pos bigint NOT NULL,
    token uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    subject text NOT NULL,
    "time" bigint NOT NULL,
    data bytea NOT NULL,
    content_type text,
    data_schema text NOT NULL,
    labels text,
    idempotency_key text NOT NULL,
    okey text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    traceparent text NOT NULL,
    accept bigint NOT NULL
);
CREATE TABLE hookline.event_type (
    tenant text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    etag text NOT NULL,
    body text NOT NULL
);
CREATE TABLE hookline.fresh (
    tenant text NOT NULL COLLATE pg_catalog."C",
    lane text NOT NULL COLLATE pg_catalog."C",
    pos bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    size integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    okey text COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    run integer NOT NULL,
    before integer NOT NULL,
    since bigint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');
CREATE TABLE hookline.idempotency (
    tenant text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    accept bigint NOT NULL,
    token uuid NOT NULL
);
CREATE TABLE hookline.job (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    subject text NOT NULL,
    spec text NOT NULL,
    cursor text NOT NULL,
    scanned bigint NOT NULL,
    added bigint NOT NULL,
    cancelled boolean NOT NULL,
    created bigint NOT NULL,
    finished bigint
)
WITH (fillfactor='50');
CREATE TABLE hookline.lane (
    tenant text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    no bigint NOT NULL,
    owner bigint,
    epoch bigint DEFAULT 1 NOT NULL,
    ordered boolean NOT NULL,
    taking boolean DEFAULT true NOT NULL,
    ended bigint,
    state text DEFAULT ''::text NOT NULL
)
WITH (fillfactor='50');
ALTER TABLE hookline.lane ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME hookline.lane_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE hookline.later (
    tenant text NOT NULL COLLATE pg_catalog."C",
    lane text NOT NULL COLLATE pg_catalog."C",
    due bigint NOT NULL,
    pos bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    day integer NOT NULL,
    size integer NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    okey text COLLATE pg_catalog."C",
    webhook text,
    replay text,
    created bigint NOT NULL,
    run integer NOT NULL,
    before integer NOT NULL,
    attempts integer NOT NULL,
    run_start bigint NOT NULL,
    reason text NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.05');
CREATE TABLE hookline.migration (
    version integer NOT NULL,
    serves integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE hookline.node (
    id bigint NOT NULL,
    beat bigint DEFAULT 0 NOT NULL,
    load integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='20');
ALTER TABLE hookline.node ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME hookline.node_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE SEQUENCE hookline.outbox_no
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE hookline.outbox (
    tenant text NOT NULL COLLATE pg_catalog."C",
    xid bigint NOT NULL,
    no bigint DEFAULT nextval('hookline.outbox_no'::regclass) NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    data bytea NOT NULL,
    content_type text NOT NULL,
    data_schema text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    "time" timestamp with time zone,
    labels text,
    idempotency_key text NOT NULL,
    ordering_key text NOT NULL,
    not_before timestamp with time zone,
    traceparent text NOT NULL,
    at timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_insert_scale_factor='0.05');
CREATE TABLE hookline.outbox_refused (
    tenant text NOT NULL COLLATE pg_catalog."C",
    no bigint NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    data bytea NOT NULL,
    idempotency_key text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE hookline.request (
    tenant text NOT NULL COLLATE pg_catalog."C",
    method text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    result text NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE hookline.subscription (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    etag text NOT NULL,
    body text NOT NULL
);
CREATE TABLE hookline.tally (
    tenant text COLLATE pg_catalog."C",
    lane text COLLATE pg_catalog."C",
    delivered bigint NOT NULL,
    exhausted bigint NOT NULL,
    cancelled bigint NOT NULL
);
CREATE TABLE hookline.tenant (
    tenant text NOT NULL COLLATE pg_catalog."C",
    revision bigint DEFAULT 0 NOT NULL,
    horizon bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');
ALTER TABLE ONLY hookline.change ATTACH PARTITION hookline.change_d20782 FOR VALUES FROM (20782) TO (20783);
ALTER TABLE ONLY hookline.change ATTACH PARTITION hookline.change_d20783 FOR VALUES FROM (20783) TO (20784);
ALTER TABLE ONLY hookline.change ATTACH PARTITION hookline.change_d20784 FOR VALUES FROM (20784) TO (20785);
ALTER TABLE ONLY hookline.change ATTACH PARTITION hookline.change_d20785 FOR VALUES FROM (20785) TO (20786);
ALTER TABLE ONLY hookline.change ATTACH PARTITION hookline.change_d20786 FOR VALUES FROM (20786) TO (20787);
ALTER TABLE ONLY hookline.change ATTACH PARTITION hookline.change_default DEFAULT;
ALTER TABLE ONLY hookline.done ATTACH PARTITION hookline.done_d20782 FOR VALUES FROM (20782) TO (20783);
ALTER TABLE ONLY hookline.done ATTACH PARTITION hookline.done_d20783 FOR VALUES FROM (20783) TO (20784);
ALTER TABLE ONLY hookline.done ATTACH PARTITION hookline.done_d20784 FOR VALUES FROM (20784) TO (20785);
ALTER TABLE ONLY hookline.done ATTACH PARTITION hookline.done_d20785 FOR VALUES FROM (20785) TO (20786);
ALTER TABLE ONLY hookline.done ATTACH PARTITION hookline.done_d20786 FOR VALUES FROM (20786) TO (20787);
ALTER TABLE ONLY hookline.done ATTACH PARTITION hookline.done_default DEFAULT;
ALTER TABLE ONLY hookline.event ATTACH PARTITION hookline.event_d20782 FOR VALUES FROM (20782) TO (20783);
ALTER TABLE ONLY hookline.event ATTACH PARTITION hookline.event_d20783 FOR VALUES FROM (20783) TO (20784);
ALTER TABLE ONLY hookline.event ATTACH PARTITION hookline.event_d20784 FOR VALUES FROM (20784) TO (20785);
ALTER TABLE ONLY hookline.event ATTACH PARTITION hookline.event_d20785 FOR VALUES FROM (20785) TO (20786);
ALTER TABLE ONLY hookline.event ATTACH PARTITION hookline.event_d20786 FOR VALUES FROM (20786) TO (20787);
ALTER TABLE ONLY hookline.event ATTACH PARTITION hookline.event_default DEFAULT;
INSERT INTO hookline.change_d20783 VALUES ('acme', 769654785, 20783, 'dlv_01m8cx81vyepbr7wsgjt351aam', 'tried', 'order.placed', 'sub_01m8cx81tmexmver463f7jr7cc', NULL, 1795729655677940, NULL, 0, 'the receiver answered 500 Internal Server Error', 1, 1, 1795729656083437, 1795729655783437, 'att_01m8cx81z7ehnv10rejsffwqwj', 1, 1795729655763366, 0.0196832199999335, 'http://127.0.0.1:9/plain', '127.0.0.1:46785', 500, '\x', 'status', 'the receiver answered 500 Internal Server Error');
INSERT INTO hookline.change_d20783 VALUES ('acme', 770703361, 20783, 'dlv_01m8cx81vyepbr7vbafpwd1xxd', 'tried', 'order.placed', 'sub_01m8cx81r5exn8gagq79ksekq6', NULL, 1795729655677940, NULL, 0, 'the receiver answered 500 Internal Server Error', 1, 1, 1795729656097777, 1795729655797777, 'att_01m8cx81znehhtp6y970sxqvcg', 1, 1795729655796383, 0.0011240650001127506, 'http://127.0.0.1:9/ordered', '127.0.0.1:46785', 500, '\x', 'status', 'the receiver answered 500 Internal Server Error');
INSERT INTO hookline.event_d20783 VALUES ('acme', 'tried', 20783, 768606209, 'a0224429-5da6-4059-ad67-7d39dde66ce1', '\xf3bef32586b25a2c5e0dd4fccdbbb937', 'order.placed', 'urn:hookline:acme', '', 1795729655677940, '\x7b7d', NULL, '', NULL, '', 'k', NULL, '', 1795729655677940);
INSERT INTO hookline.event_d20783 VALUES ('acme', 'waiting-0', 20783, 775946241, 'ba226d75-6b72-4254-9153-b70df322d412', '\xc09a61388207f758b26267c2a155a998', 'order.paid', 'urn:hookline:acme', '', 1795729656313445, '\x7b226e6f223a20307d', NULL, '', NULL, 'key-0', 'k', NULL, '', 1795729656313445);
INSERT INTO hookline.event_d20783 VALUES ('acme', 'waiting-1', 20783, 778043393, '391cf701-1182-4d00-9310-d2ced3e3475a', '\x2870cf86b3a225f1ed71aaf4e1fae631', 'order.paid', 'urn:hookline:acme', '', 1795729656407083, '\x7b226e6f223a20317d', NULL, '', NULL, 'key-1', 'k', NULL, '', 1795729656407083);
INSERT INTO hookline.event_d20783 VALUES ('acme', 'waiting-2', 20783, 779091969, '23d76e82-800c-4a90-bb3c-5ca4f00d8755', '\x69767d6415eace8e8a1280992e23b099', 'order.paid', 'urn:hookline:acme', '', 1795729656519783, '\x7b226e6f223a20327d', NULL, '', NULL, 'key-2', 'k', NULL, '', 1795729656519783);
INSERT INTO hookline.fresh VALUES ('acme', 'sub_01m8cx81r5exn8gagq79ksekq6', 775946242, 'dlv_01m8cx82fsed2tvf17ghgx9trq', 'waiting-0', 20783, 9, 'order.paid', 'k', NULL, NULL, 1795729656313445, 1, 0, 1795729656313445);
INSERT INTO hookline.fresh VALUES ('acme', 'sub_01m8cx81tmexmver463f7jr7cc', 775946243, 'dlv_01m8cx82fsed2tvgqqkaxhghnr', 'waiting-0', 20783, 9, 'order.paid', 'k', NULL, NULL, 1795729656313445, 1, 0, 1795729656313445);
INSERT INTO hookline.fresh VALUES ('acme', 'sub_01m8cx81r5exn8gagq79ksekq6', 778043394, 'dlv_01m8cx82jqex9vgvemvv1chwyj', 'waiting-1', 20783, 9, 'order.paid', 'k', NULL, NULL, 1795729656407083, 1, 0, 1795729656407083);
INSERT INTO hookline.fresh VALUES ('acme', 'sub_01m8cx81tmexmver463f7jr7cc', 778043395, 'dlv_01m8cx82jqex9vgw37tp1t2wpp', 'waiting-1', 20783, 9, 'order.paid', 'k', NULL, NULL, 1795729656407083, 1, 0, 1795729656407083);
INSERT INTO hookline.fresh VALUES ('acme', 'sub_01m8cx81r5exn8gagq79ksekq6', 779091970, 'dlv_01m8cx82p7evyb3tqtep5j3yne', 'waiting-2', 20783, 9, 'order.paid', 'k', NULL, NULL, 1795729656519783, 1, 0, 1795729656519783);
INSERT INTO hookline.fresh VALUES ('acme', 'sub_01m8cx81tmexmver463f7jr7cc', 779091971, 'dlv_01m8cx82p7evyb3vx0d9rqv9wb', 'waiting-2', 20783, 9, 'order.paid', 'k', NULL, NULL, 1795729656519783, 1, 0, 1795729656519783);
INSERT INTO hookline.idempotency VALUES ('acme', 'id', 'tried', 'tried', '\xf3bef32586b25a2c5e0dd4fccdbbb937', 1795729655677940, 'a0224429-5da6-4059-ad67-7d39dde66ce1');
INSERT INTO hookline.idempotency VALUES ('acme', 'id', 'waiting-0', 'waiting-0', '\xc09a61388207f758b26267c2a155a998', 1795729656313445, 'ba226d75-6b72-4254-9153-b70df322d412');
INSERT INTO hookline.idempotency VALUES ('acme', 'key', 'key-0', 'waiting-0', '\xc09a61388207f758b26267c2a155a998', 1795729656313445, 'ba226d75-6b72-4254-9153-b70df322d412');
INSERT INTO hookline.idempotency VALUES ('acme', 'id', 'waiting-1', 'waiting-1', '\x2870cf86b3a225f1ed71aaf4e1fae631', 1795729656407083, '391cf701-1182-4d00-9310-d2ced3e3475a');
INSERT INTO hookline.idempotency VALUES ('acme', 'key', 'key-1', 'waiting-1', '\x2870cf86b3a225f1ed71aaf4e1fae631', 1795729656407083, '391cf701-1182-4d00-9310-d2ced3e3475a');
INSERT INTO hookline.idempotency VALUES ('acme', 'id', 'waiting-2', 'waiting-2', '\x69767d6415eace8e8a1280992e23b099', 1795729656519783, '23d76e82-800c-4a90-bb3c-5ca4f00d8755');
INSERT INTO hookline.idempotency VALUES ('acme', 'key', 'key-2', 'waiting-2', '\x69767d6415eace8e8a1280992e23b099', 1795729656519783, '23d76e82-800c-4a90-bb3c-5ca4f00d8755');
INSERT INTO hookline.lane OVERRIDING SYSTEM VALUE VALUES ('acme', 'sub_01m8cx81r5exn8gagq79ksekq6', 1, 1, 1, true, true, NULL, '{"circuit": [1, 1, 1, 0, 0], "since": 1795729655797777, "reason": "the receiver answered 500 Internal Server Error"}');
INSERT INTO hookline.lane OVERRIDING SYSTEM VALUE VALUES ('acme', 'sub_01m8cx81tmexmver463f7jr7cc', 2, 1, 1, false, true, NULL, '{"circuit": [1, 1, 1, 0, 0], "since": 1795729655783437, "reason": "the receiver answered 500 Internal Server Error"}');
INSERT INTO hookline.later VALUES ('acme', 'sub_01m8cx81tmexmver463f7jr7cc', 1795729656083437, 768606211, 'dlv_01m8cx81vyepbr7wsgjt351aam', 'tried', 20783, 2, 'order.placed', 'k', NULL, NULL, 1795729655677940, 1, 0, 1, 1795729655763366, 'the receiver answered 500 Internal Server Error');
INSERT INTO hookline.later VALUES ('acme', 'sub_01m8cx81r5exn8gagq79ksekq6', 1795729656097777, 768606210, 'dlv_01m8cx81vyepbr7vbafpwd1xxd', 'tried', 20783, 2, 'order.placed', 'k', NULL, NULL, 1795729655677940, 1, 0, 1, 1795729655796383, 'the receiver answered 500 Internal Server Error');
INSERT INTO hookline.migration VALUES (1, 1, '2026-11-26 21:47:34.682306+00');
INSERT INTO hookline.migration VALUES (2, 1, '2026-11-26 21:47:34.682306+00');
INSERT INTO hookline.outbox VALUES ('acme', 746, 1, 'boxed', 'order.boxed', '\x7b7d', 'application/json', '', '', '', NULL, NULL, '', 'k', NULL, '', '2026-11-26 21:47:36.596355+00');
INSERT INTO hookline.subscription VALUES ('acme', 'sub_01m8cx81r5exn8gagq79ksekq6', '1', '{"tenant":"acme","id":"sub_01m8cx81r5exn8gagq79ksekq6","url":"http://127.0.0.1:9/ordered","event_types":["*"],"description":"","body_format":"standard","signature_scheme":"standard","headers":{},"retry":{"schedule":{"delays":[0.3]},"max_attempts":100,"max_elapsed":null,"jitter":0.0,"count_paused":true},"timeout":15.0,"max_in_flight":64,"ordering":"by-key","labels":{},"state":"active","state_reason":"","etag":"1","create_time":"2026-11-26T21:47:35.557675Z","update_time":"2026-11-26T21:47:35.557675Z","secrets":[{"value":"whsec_sTC3sbe4izHkz732O3Qp9pr1RC5Y9aAWJ3RyB/4TgQs=","expire_time":null}],"pauses":[],"profile":"","signature_parameters":{},"authentication":null,"client_certificate":null,"filter":"","fields":[],"transform":"","body_template":"","answers":{"delivered":["2xx"],"final":[],"disabling":["410"],"final_header":""},"retry_headers":{},"rate":null,"breaker":{"off":false,"consecutive_failures":20,"failure_rate":0.9,"open_for":5.0,"open_at_most":60.0},"step_aside_after":0,"hold_for":null,"disable_after":432000.0}');
INSERT INTO hookline.subscription VALUES ('acme', 'sub_01m8cx81tmexmver463f7jr7cc', '1', '{"tenant":"acme","id":"sub_01m8cx81tmexmver463f7jr7cc","url":"http://127.0.0.1:9/plain","event_types":["*"],"description":"","body_format":"standard","signature_scheme":"standard","headers":{},"retry":{"schedule":{"delays":[0.3]},"max_attempts":100,"max_elapsed":null,"jitter":0.0,"count_paused":true},"timeout":15.0,"max_in_flight":64,"ordering":"none","labels":{},"state":"active","state_reason":"","etag":"1","create_time":"2026-11-26T21:47:35.636347Z","update_time":"2026-11-26T21:47:35.636347Z","secrets":[{"value":"whsec_a5fsX0FOjCHo3rqRG+3WVUa32RQd+uXTll5mOEql6ms=","expire_time":null}],"pauses":[],"profile":"","signature_parameters":{},"authentication":null,"client_certificate":null,"filter":"","fields":[],"transform":"","body_template":"","answers":{"delivered":["2xx"],"final":[],"disabling":["410"],"final_header":""},"retry_headers":{},"rate":null,"breaker":{"off":false,"consecutive_failures":20,"failure_rate":0.9,"open_for":5.0,"open_at_most":60.0},"step_aside_after":0,"hold_for":null,"disable_after":432000.0}');
INSERT INTO hookline.tenant VALUES ('acme', 2, 0);
SELECT pg_catalog.setval('hookline.lane_no_seq', 2, true);
SELECT pg_catalog.setval('hookline.node_id_seq', 1, true);
SELECT pg_catalog.setval('hookline.outbox_no', 1, true);
ALTER TABLE ONLY hookline.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_d20782
    ADD CONSTRAINT event_d20782_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_d20783
    ADD CONSTRAINT event_d20783_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_d20784
    ADD CONSTRAINT event_d20784_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_d20785
    ADD CONSTRAINT event_d20785_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_d20786
    ADD CONSTRAINT event_d20786_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_default
    ADD CONSTRAINT event_default_pkey PRIMARY KEY (tenant, id, day);
ALTER TABLE ONLY hookline.event_type
    ADD CONSTRAINT event_type_pkey PRIMARY KEY (tenant, name);
ALTER TABLE ONLY hookline.fresh
    ADD CONSTRAINT fresh_pkey PRIMARY KEY (tenant, lane, pos);
ALTER TABLE ONLY hookline.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (tenant, kind, key);
ALTER TABLE ONLY hookline.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (tenant, id);
ALTER TABLE ONLY hookline.lane
    ADD CONSTRAINT lane_pkey PRIMARY KEY (tenant, name);
ALTER TABLE ONLY hookline.later
    ADD CONSTRAINT later_pkey PRIMARY KEY (tenant, lane, due, pos);
ALTER TABLE ONLY hookline.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (version);
ALTER TABLE ONLY hookline.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (id);
ALTER TABLE ONLY hookline.request
    ADD CONSTRAINT request_pkey PRIMARY KEY (tenant, method, id);
ALTER TABLE ONLY hookline.subscription
    ADD CONSTRAINT subscription_pkey PRIMARY KEY (tenant, id);
ALTER TABLE ONLY hookline.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (tenant);
CREATE INDEX change_delivery ON ONLY hookline.change USING btree (tenant, delivery);
CREATE INDEX change_d20782_tenant_delivery_idx ON hookline.change_d20782 USING btree (tenant, delivery);
CREATE INDEX change_list ON ONLY hookline.change USING btree (tenant, pos);
CREATE INDEX change_d20782_tenant_pos_idx ON hookline.change_d20782 USING btree (tenant, pos);
CREATE INDEX change_d20783_tenant_delivery_idx ON hookline.change_d20783 USING btree (tenant, delivery);
CREATE INDEX change_d20783_tenant_pos_idx ON hookline.change_d20783 USING btree (tenant, pos);
CREATE INDEX change_d20784_tenant_delivery_idx ON hookline.change_d20784 USING btree (tenant, delivery);
CREATE INDEX change_d20784_tenant_pos_idx ON hookline.change_d20784 USING btree (tenant, pos);
CREATE INDEX change_d20785_tenant_delivery_idx ON hookline.change_d20785 USING btree (tenant, delivery);
CREATE INDEX change_d20785_tenant_pos_idx ON hookline.change_d20785 USING btree (tenant, pos);
CREATE INDEX change_d20786_tenant_delivery_idx ON hookline.change_d20786 USING btree (tenant, delivery);
CREATE INDEX change_d20786_tenant_pos_idx ON hookline.change_d20786 USING btree (tenant, pos);
CREATE INDEX change_default_tenant_delivery_idx ON hookline.change_default USING btree (tenant, delivery);
CREATE INDEX change_default_tenant_pos_idx ON hookline.change_default USING btree (tenant, pos);
CREATE INDEX done_older ON ONLY hookline.done USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_d20782_event_day_idx ON hookline.done_d20782 USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_event ON ONLY hookline.done USING btree (tenant, event);
CREATE INDEX done_d20782_tenant_event_idx ON hookline.done_d20782 USING btree (tenant, event);
CREATE INDEX done_id ON ONLY hookline.done USING btree (tenant, id);
CREATE INDEX done_d20782_tenant_id_idx ON hookline.done_d20782 USING btree (tenant, id);
CREATE INDEX done_lane ON ONLY hookline.done USING btree (tenant, lane, pos);
CREATE INDEX done_d20782_tenant_lane_pos_idx ON hookline.done_d20782 USING btree (tenant, lane, pos);
CREATE INDEX done_list ON ONLY hookline.done USING btree (tenant, pos);
CREATE INDEX done_d20782_tenant_pos_idx ON hookline.done_d20782 USING btree (tenant, pos);
CREATE INDEX done_failed ON ONLY hookline.done USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX done_d20782_tenant_state_pos_idx ON hookline.done_d20782 USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX done_d20783_event_day_idx ON hookline.done_d20783 USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_d20783_tenant_event_idx ON hookline.done_d20783 USING btree (tenant, event);
CREATE INDEX done_d20783_tenant_id_idx ON hookline.done_d20783 USING btree (tenant, id);
CREATE INDEX done_d20783_tenant_lane_pos_idx ON hookline.done_d20783 USING btree (tenant, lane, pos);
CREATE INDEX done_d20783_tenant_pos_idx ON hookline.done_d20783 USING btree (tenant, pos);
CREATE INDEX done_d20783_tenant_state_pos_idx ON hookline.done_d20783 USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX done_d20784_event_day_idx ON hookline.done_d20784 USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_d20784_tenant_event_idx ON hookline.done_d20784 USING btree (tenant, event);
CREATE INDEX done_d20784_tenant_id_idx ON hookline.done_d20784 USING btree (tenant, id);
CREATE INDEX done_d20784_tenant_lane_pos_idx ON hookline.done_d20784 USING btree (tenant, lane, pos);
CREATE INDEX done_d20784_tenant_pos_idx ON hookline.done_d20784 USING btree (tenant, pos);
CREATE INDEX done_d20784_tenant_state_pos_idx ON hookline.done_d20784 USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX done_d20785_event_day_idx ON hookline.done_d20785 USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_d20785_tenant_event_idx ON hookline.done_d20785 USING btree (tenant, event);
CREATE INDEX done_d20785_tenant_id_idx ON hookline.done_d20785 USING btree (tenant, id);
CREATE INDEX done_d20785_tenant_lane_pos_idx ON hookline.done_d20785 USING btree (tenant, lane, pos);
CREATE INDEX done_d20785_tenant_pos_idx ON hookline.done_d20785 USING btree (tenant, pos);
CREATE INDEX done_d20785_tenant_state_pos_idx ON hookline.done_d20785 USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX done_d20786_event_day_idx ON hookline.done_d20786 USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_d20786_tenant_event_idx ON hookline.done_d20786 USING btree (tenant, event);
CREATE INDEX done_d20786_tenant_id_idx ON hookline.done_d20786 USING btree (tenant, id);
CREATE INDEX done_d20786_tenant_lane_pos_idx ON hookline.done_d20786 USING btree (tenant, lane, pos);
CREATE INDEX done_d20786_tenant_pos_idx ON hookline.done_d20786 USING btree (tenant, pos);
CREATE INDEX done_d20786_tenant_state_pos_idx ON hookline.done_d20786 USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX done_default_event_day_idx ON hookline.done_default USING btree (event_day) WHERE (event_day <> day);
CREATE INDEX done_default_finished ON hookline.done_default USING btree (finished);
CREATE INDEX done_default_tenant_event_idx ON hookline.done_default USING btree (tenant, event);
CREATE INDEX done_default_tenant_id_idx ON hookline.done_default USING btree (tenant, id);
CREATE INDEX done_default_tenant_lane_pos_idx ON hookline.done_default USING btree (tenant, lane, pos);
CREATE INDEX done_default_tenant_pos_idx ON hookline.done_default USING btree (tenant, pos);
CREATE INDEX done_default_tenant_state_pos_idx ON hookline.done_default USING btree (tenant, state, pos) WHERE (state <> 1);
CREATE INDEX event_list ON ONLY hookline.event USING btree (tenant, pos);
CREATE INDEX event_d20782_tenant_pos_idx ON hookline.event_d20782 USING btree (tenant, pos);
CREATE INDEX event_d20783_tenant_pos_idx ON hookline.event_d20783 USING btree (tenant, pos);
CREATE INDEX event_d20784_tenant_pos_idx ON hookline.event_d20784 USING btree (tenant, pos);
CREATE INDEX event_d20785_tenant_pos_idx ON hookline.event_d20785 USING btree (tenant, pos);
CREATE INDEX event_d20786_tenant_pos_idx ON hookline.event_d20786 USING btree (tenant, pos);
CREATE INDEX event_default_tenant_pos_idx ON hookline.event_default USING btree (tenant, pos);
CREATE INDEX fresh_event ON hookline.fresh USING btree (tenant, event);
CREATE INDEX fresh_id ON hookline.fresh USING btree (tenant, id);
CREATE INDEX fresh_key ON hookline.fresh USING btree (tenant, lane, okey, pos) WHERE (okey IS NOT NULL);
CREATE INDEX idempotency_accept ON hookline.idempotency USING btree (kind, accept);
CREATE INDEX job_finished ON hookline.job USING btree (finished) WHERE (finished IS NOT NULL);
CREATE INDEX job_open ON hookline.job USING btree (tenant, id) WHERE (finished IS NULL);
CREATE INDEX lane_ended ON hookline.lane USING btree (ended) WHERE (ended IS NOT NULL);
CREATE INDEX lane_owner ON hookline.lane USING btree (owner);
CREATE INDEX later_event ON hookline.later USING btree (tenant, event);
CREATE INDEX later_id ON hookline.later USING btree (tenant, id);
CREATE INDEX later_key ON hookline.later USING btree (tenant, lane, okey, pos) WHERE (okey IS NOT NULL);
CREATE UNIQUE INDEX later_pos ON hookline.later USING btree (tenant, lane, pos);
CREATE INDEX outbox_order ON hookline.outbox USING btree (xid, no);
CREATE INDEX request_at ON hookline.request USING btree (at);
CREATE INDEX tally_lane ON hookline.tally USING btree (tenant, lane);
ALTER INDEX hookline.change_delivery ATTACH PARTITION hookline.change_d20782_tenant_delivery_idx;
ALTER INDEX hookline.change_list ATTACH PARTITION hookline.change_d20782_tenant_pos_idx;
ALTER INDEX hookline.change_delivery ATTACH PARTITION hookline.change_d20783_tenant_delivery_idx;
ALTER INDEX hookline.change_list ATTACH PARTITION hookline.change_d20783_tenant_pos_idx;
ALTER INDEX hookline.change_delivery ATTACH PARTITION hookline.change_d20784_tenant_delivery_idx;
ALTER INDEX hookline.change_list ATTACH PARTITION hookline.change_d20784_tenant_pos_idx;
ALTER INDEX hookline.change_delivery ATTACH PARTITION hookline.change_d20785_tenant_delivery_idx;
ALTER INDEX hookline.change_list ATTACH PARTITION hookline.change_d20785_tenant_pos_idx;
ALTER INDEX hookline.change_delivery ATTACH PARTITION hookline.change_d20786_tenant_delivery_idx;
ALTER INDEX hookline.change_list ATTACH PARTITION hookline.change_d20786_tenant_pos_idx;
ALTER INDEX hookline.change_delivery ATTACH PARTITION hookline.change_default_tenant_delivery_idx;
ALTER INDEX hookline.change_list ATTACH PARTITION hookline.change_default_tenant_pos_idx;
ALTER INDEX hookline.done_older ATTACH PARTITION hookline.done_d20782_event_day_idx;
ALTER INDEX hookline.done_event ATTACH PARTITION hookline.done_d20782_tenant_event_idx;
ALTER INDEX hookline.done_id ATTACH PARTITION hookline.done_d20782_tenant_id_idx;
ALTER INDEX hookline.done_lane ATTACH PARTITION hookline.done_d20782_tenant_lane_pos_idx;
ALTER INDEX hookline.done_list ATTACH PARTITION hookline.done_d20782_tenant_pos_idx;
ALTER INDEX hookline.done_failed ATTACH PARTITION hookline.done_d20782_tenant_state_pos_idx;
ALTER INDEX hookline.done_older ATTACH PARTITION hookline.done_d20783_event_day_idx;
ALTER INDEX hookline.done_event ATTACH PARTITION hookline.done_d20783_tenant_event_idx;
ALTER INDEX hookline.done_id ATTACH PARTITION hookline.done_d20783_tenant_id_idx;
ALTER INDEX hookline.done_lane ATTACH PARTITION hookline.done_d20783_tenant_lane_pos_idx;
ALTER INDEX hookline.done_list ATTACH PARTITION hookline.done_d20783_tenant_pos_idx;
ALTER INDEX hookline.done_failed ATTACH PARTITION hookline.done_d20783_tenant_state_pos_idx;
ALTER INDEX hookline.done_older ATTACH PARTITION hookline.done_d20784_event_day_idx;
ALTER INDEX hookline.done_event ATTACH PARTITION hookline.done_d20784_tenant_event_idx;
ALTER INDEX hookline.done_id ATTACH PARTITION hookline.done_d20784_tenant_id_idx;
ALTER INDEX hookline.done_lane ATTACH PARTITION hookline.done_d20784_tenant_lane_pos_idx;
ALTER INDEX hookline.done_list ATTACH PARTITION hookline.done_d20784_tenant_pos_idx;
ALTER INDEX hookline.done_failed ATTACH PARTITION hookline.done_d20784_tenant_state_pos_idx;
ALTER INDEX hookline.done_older ATTACH PARTITION hookline.done_d20785_event_day_idx;
ALTER INDEX hookline.done_event ATTACH PARTITION hookline.done_d20785_tenant_event_idx;
ALTER INDEX hookline.done_id ATTACH PARTITION hookline.done_d20785_tenant_id_idx;
ALTER INDEX hookline.done_lane ATTACH PARTITION hookline.done_d20785_tenant_lane_pos_idx;
ALTER INDEX hookline.done_list ATTACH PARTITION hookline.done_d20785_tenant_pos_idx;
ALTER INDEX hookline.done_failed ATTACH PARTITION hookline.done_d20785_tenant_state_pos_idx;
ALTER INDEX hookline.done_older ATTACH PARTITION hookline.done_d20786_event_day_idx;
ALTER INDEX hookline.done_event ATTACH PARTITION hookline.done_d20786_tenant_event_idx;
ALTER INDEX hookline.done_id ATTACH PARTITION hookline.done_d20786_tenant_id_idx;
ALTER INDEX hookline.done_lane ATTACH PARTITION hookline.done_d20786_tenant_lane_pos_idx;
ALTER INDEX hookline.done_list ATTACH PARTITION hookline.done_d20786_tenant_pos_idx;
ALTER INDEX hookline.done_failed ATTACH PARTITION hookline.done_d20786_tenant_state_pos_idx;
ALTER INDEX hookline.done_older ATTACH PARTITION hookline.done_default_event_day_idx;
ALTER INDEX hookline.done_event ATTACH PARTITION hookline.done_default_tenant_event_idx;
ALTER INDEX hookline.done_id ATTACH PARTITION hookline.done_default_tenant_id_idx;
ALTER INDEX hookline.done_lane ATTACH PARTITION hookline.done_default_tenant_lane_pos_idx;
ALTER INDEX hookline.done_list ATTACH PARTITION hookline.done_default_tenant_pos_idx;
ALTER INDEX hookline.done_failed ATTACH PARTITION hookline.done_default_tenant_state_pos_idx;
ALTER INDEX hookline.event_pkey ATTACH PARTITION hookline.event_d20782_pkey;
ALTER INDEX hookline.event_list ATTACH PARTITION hookline.event_d20782_tenant_pos_idx;
ALTER INDEX hookline.event_pkey ATTACH PARTITION hookline.event_d20783_pkey;
ALTER INDEX hookline.event_list ATTACH PARTITION hookline.event_d20783_tenant_pos_idx;
ALTER INDEX hookline.event_pkey ATTACH PARTITION hookline.event_d20784_pkey;
ALTER INDEX hookline.event_list ATTACH PARTITION hookline.event_d20784_tenant_pos_idx;
ALTER INDEX hookline.event_pkey ATTACH PARTITION hookline.event_d20785_pkey;
ALTER INDEX hookline.event_list ATTACH PARTITION hookline.event_d20785_tenant_pos_idx;
ALTER INDEX hookline.event_pkey ATTACH PARTITION hookline.event_d20786_pkey;
ALTER INDEX hookline.event_list ATTACH PARTITION hookline.event_d20786_tenant_pos_idx;
ALTER INDEX hookline.event_pkey ATTACH PARTITION hookline.event_default_pkey;
ALTER INDEX hookline.event_list ATTACH PARTITION hookline.event_default_tenant_pos_idx;
REVOKE ALL ON FUNCTION hookline.allow_emit(role regrole) FROM PUBLIC;
REVOKE ALL ON FUNCTION hookline.emit(tenant text, type text, data jsonb, idempotency_key text, ordering_key text, id text, source text, subject text, labels jsonb, "time" timestamp with time zone, not_before timestamp with time zone, content_type text, data_schema text, traceparent text) FROM PUBLIC;
REVOKE ALL ON FUNCTION hookline.emit(tenant text, type text, data text, idempotency_key text, ordering_key text, id text, source text, subject text, labels jsonb, "time" timestamp with time zone, not_before timestamp with time zone, content_type text, data_schema text, traceparent text) FROM PUBLIC;
REVOKE ALL ON FUNCTION hookline.emit_bytes(tenant text, type text, data bytea, idempotency_key text, ordering_key text, id text, source text, subject text, labels jsonb, "time" timestamp with time zone, not_before timestamp with time zone, content_type text, data_schema text, traceparent text) FROM PUBLIC;
