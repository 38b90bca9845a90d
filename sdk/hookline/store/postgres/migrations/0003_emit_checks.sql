-- hookline.emit refuses whatever could not be accepted after the commit: the rules of every other way in, in SQL.

CREATE TABLE hookline.setting (               -- what servers tell the SQL door; kept by the node that started last
  name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL
);
INSERT INTO hookline.setting (name, value) VALUES ('max_data', 262144);  -- bytes

-- Refuses with SQLSTATE 22023 (invalid_parameter_value), or 22P02 for data that is no JSON, and names the argument first.
-- Patterns with a backslash stand in dollar quotes, for a caller may have standard_conforming_strings off.
CREATE OR REPLACE FUNCTION hookline.emit_bytes(
  tenant text, type text, data bytea,
  idempotency_key text DEFAULT '', ordering_key text DEFAULT '', id text DEFAULT '',
  source text DEFAULT '', subject text DEFAULT '', labels jsonb DEFAULT NULL,
  "time" timestamptz DEFAULT NULL, not_before timestamptz DEFAULT NULL,
  content_type text DEFAULT 'application/json', data_schema text DEFAULT '', traceparent text DEFAULT ''
) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $emit$
#variable_conflict use_variable
DECLARE
  event_id text := coalesce(id, '');
  media text := coalesce(nullif(content_type, ''), 'application/json');
  essence text;
  said text;
  bare text;
  largest bigint;
  problem text;
BEGIN
  IF tenant IS NULL OR tenant !~ '^[a-z0-9_-]{1,64}$' THEN
    problem := format('tenant is %L; right are 1 to 64 of a-z, 0-9, _ and -', left(tenant, 200));
  ELSIF type IS NULL OR length(type) > 128 OR type !~ '^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$' THEN
    problem := format('type is %L; right are names with full stops between them, like invoice.paid, at most 128 characters',
      left(type, 200));
  ELSIF starts_with(type, 'hookline.') THEN
    problem := format('type is %L; types that begin with hookline. are its own', type);
  ELSIF event_id <> '' AND event_id !~ '^[A-Za-z0-9_-]{1,64}$' THEN
    problem := format('id is %L; right are 1 to 64 of A-Z, a-z, 0-9, _ and -, or none', left(id, 200));
  ELSIF length(idempotency_key) > 64 AND octet_length(convert_to(idempotency_key, 'UTF8')) > 256 THEN
    problem := format('idempotency_key has %s bytes; right are at most 256', octet_length(convert_to(idempotency_key, 'UTF8')));
  ELSIF length(ordering_key) > 64 AND octet_length(convert_to(ordering_key, 'UTF8')) > 256 THEN
    problem := format('ordering_key has %s bytes; right are at most 256', octet_length(convert_to(ordering_key, 'UTF8')));
  ELSIF length(subject) > 256 AND octet_length(convert_to(subject, 'UTF8')) > 1024 THEN
    problem := format('subject has %s bytes; right are at most 1024', octet_length(convert_to(subject, 'UTF8')));
  ELSIF "time" IS NOT NULL AND ("time" < make_timestamptz(1, 1, 2, 0, 0, 0, 'UTC') OR "time" > make_timestamptz(9999, 12, 30, 0, 0, 0, 'UTC'))
  THEN
    problem := format('time is %s; right is a time from 0001-01-02 to 9999-12-30', "time");
  ELSIF not_before IS NOT NULL AND not_before < make_timestamptz(1, 1, 2, 0, 0, 0, 'UTC') THEN
    problem := format('not_before is %s; right is a time from 0001-01-02 on', not_before);
  ELSIF not_before > clock_timestamp() + interval '720 hours' THEN
    problem := format('not_before is %s; right is at most 30 days ahead', not_before);
  ELSIF source <> '' AND (length(source) > 2048 OR source !~
      $r$^(?:[A-Za-z][A-Za-z0-9+.\-]*:|(?![^/?#]*:))(?://(?:(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*@)?\[[0-9A-Fa-fv.:]+\](?::[0-9]*)?|(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*)?|(?!//)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*)(?:[?](?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?(?:#(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?$$r$)
  THEN
    problem := format('source is %L; right is a URI reference (RFC 3986) of at most 2048 characters', left(source, 200));
  ELSIF data_schema <> '' AND (length(data_schema) > 2048 OR data_schema !~
      $r$^[A-Za-z][A-Za-z0-9+.\-]*:(?://(?:(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*@)?\[[0-9A-Fa-fv.:]+\](?::[0-9]*)?|(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*)?|(?!//)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*)(?:[?](?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?(?:#(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?$$r$)
  THEN
    problem := format('data_schema is %L; right is an absolute URI (RFC 3986) of at most 2048 characters', left(data_schema, 200));
  ELSIF traceparent <> '' AND (length(traceparent) > 512 OR traceparent !~ ('^(?:00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}'
      || '|(?!00|ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?)$'))
  THEN
    problem := format('traceparent is %L; right is a W3C trace context, like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      left(traceparent, 200));
  ELSIF media <> 'application/json' AND (length(media) > 255 OR media !~
      $r$^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: *; *[!#$%&'*+\-.^_`|~0-9A-Za-z]+=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[ !#-\[\]-~]|\\[ -~])*"))*$$r$)
  THEN
    problem := format('content_type is %L; right is a media type of at most 255 characters, like application/json', left(media, 200));
  ELSIF labels IS NOT NULL AND jsonb_typeof(labels) <> 'object' THEN
    problem := 'labels are not right; right is an object of strings';
  ELSIF labels IS NOT NULL AND labels <> '{}' THEN
    SELECT CASE
        WHEN count(*) > 32 THEN format('labels are %s; right are at most 32', count(*))
        WHEN bool_or(l.key !~ '^[a-z0-9_-]{1,63}$') THEN 'labels are not right; right are keys of 1 to 63 of a-z, 0-9, _ and -'
        WHEN bool_or(jsonb_typeof(l.value) <> 'string') THEN 'labels are not right; right is an object of strings'
        WHEN bool_or(octet_length(convert_to(l.value #>> '{}', 'UTF8')) > 256)
          THEN 'labels are not right; right are values of at most 256 bytes' END
      INTO problem FROM jsonb_each(labels) AS l;
  END IF;
  IF problem IS NULL THEN
    SELECT s.value INTO largest FROM hookline.setting s WHERE s.name = 'max_data';
    largest := coalesce(largest, 262144);
    IF data IS NULL THEN
      problem := 'data is NULL; right is the event''s data (JSON null is ''null'')';
    ELSIF octet_length(data) > largest THEN
      problem := format('data has %s bytes; right are at most %s', octet_length(data), largest);
    END IF;
  END IF;
  IF problem IS NOT NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'hookline.emit: ' || problem;
  END IF;
  essence := CASE WHEN media = 'application/json' THEN media ELSE lower(btrim(split_part(media, ';', 1)) COLLATE "C") END;
  IF essence IN ('application/json', 'text/json') OR right(essence, 5) = '+json' THEN
    BEGIN
      said := convert_from(data, 'UTF8');
      PERFORM said::json;
    EXCEPTION
      WHEN data_exception THEN problem := SQLERRM;
      WHEN statement_too_complex THEN problem := 'it is nested deeper than 512 levels';
    END;
    IF problem IS NULL AND position($r$\u$r$ IN said) > 0 AND regexp_replace(replace(said, $r$\\$r$, ' '),
        $r$\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]$r$, '', 'g') ~ $r$\\u[dD][89a-fA-F]$r$ THEN
      problem := 'it has an escape of half a surrogate pair';
    END IF;
    IF problem IS NULL AND octet_length(data) > 1024 AND length(said) - length(translate(said, '[{', '')) > 512 THEN
      bare := translate(regexp_replace(regexp_replace(said, $r$"(?:[^"\\]|\\.)*"$r$, '', 'g'), '[^][{}]+', '', 'g'), '{}', '[]');
      FOR level IN 1..512 LOOP
        EXIT WHEN bare = '';
        bare := replace(bare, '[]', '');
      END LOOP;
      IF bare <> '' THEN
        problem := 'it is nested deeper than 512 levels';
      END IF;
    END IF;
    IF problem IS NOT NULL THEN
      RAISE invalid_text_representation USING MESSAGE = 'hookline.emit: data is no JSON in UTF-8: ' || problem,
        HINT = 'Pass JSON, or say by content_type what it is.';
    END IF;
  END IF;
  IF event_id = '' THEN
    event_id := 'evt_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
      || substr(replace(gen_random_uuid()::text, '-', ''), 1, 20);
  END IF;
  INSERT INTO hookline.outbox (tenant, xid, id, type, data, content_type, data_schema, source, subject, time, labels,
    idempotency_key, ordering_key, not_before, traceparent, at)
  VALUES (tenant, pg_current_xact_id()::text::bigint, event_id, type, data, media,
    coalesce(data_schema, ''), coalesce(source, ''), coalesce(subject, ''), "time", labels::text,
    coalesce(idempotency_key, ''), coalesce(ordering_key, ''), not_before, coalesce(traceparent, ''), clock_timestamp());
  RETURN event_id;
END
$emit$;
