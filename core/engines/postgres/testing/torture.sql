-- Everything that pg_dump can carry, small; for servers 14 and newer. Run as superuser in an empty UTF-8 database.
CREATE SCHEMA app;
COMMENT ON SCHEMA app IS 'it''s a "schema" with \ and ünïcode';
CREATE SCHEMA "Odd schema.with ""quotes""";
CREATE EXTENSION hstore SCHEMA app;
CREATE EXTENSION btree_gist;
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm SCHEMA app;

-- types
CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok', 'happy', '"quoted"');
ALTER TYPE app.mood ADD VALUE 'ecstatic' AFTER 'happy';
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN app.email AS citext CHECK (VALUE ~ '@');
CREATE TYPE app.address AS (street text, zip varchar(10), "odd Field" integer);
CREATE TYPE app.floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE FUNCTION app.double(i integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT i * 2';
CREATE FUNCTION app.checked(i integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN i IS NULL OR i <> 13; END $$;

-- every kind of value
CREATE TABLE app.kinds (
  id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 7),
  dropped_one text,
  t text, c char(5), v varchar(20) COLLATE "C", b bytea, n numeric, f4 real, f8 double precision, i2 smallint, bo boolean,
  d date, ts timestamp, tz timestamptz, ti time, tt timetz, iv interval, j json, jb jsonb, x xml, u uuid,
  ip inet, cd cidr, mac macaddr, bits bit varying(9), pt point, poly polygon, tsv tsvector, tsq tsquery, m money,
  arr integer[], arr2 text[][], moods app.mood[], addr app.address, addrs app.address[], pos app.positive, mail app.email,
  r4 int4range, rd daterange, rf app.floatrange, mr int4multirange, h app.hstore, o oid, nm name, ch "char", ln pg_lsn, rc regclass,
  doubled integer GENERATED ALWAYS AS (app.double(i2)) STORED,
  dropped_two integer,
  added integer DEFAULT 42,
  CONSTRAINT kinds_pkey PRIMARY KEY (id),
  CONSTRAINT not_thirteen CHECK (app.checked(i2))
);
ALTER TABLE app.kinds DROP COLUMN dropped_one;
ALTER TABLE app.kinds DROP COLUMN dropped_two;
ALTER TABLE app.kinds ALTER COLUMN t SET STORAGE EXTERNAL;
ALTER TABLE app.kinds ALTER COLUMN v SET STATISTICS 321;
INSERT INTO app.kinds (t, c, v, b, n, f4, f8, i2, bo, d, ts, tz, ti, tt, iv, j, jb, x, u, ip, cd, mac, bits, pt, poly, tsv, tsq, m,
  arr, arr2, moods, addr, addrs, pos, mail, r4, rd, rf, mr, h, o, nm, ch, ln, rc) VALUES
 (E'tab\there newline\nhere cr\rhere backslash\\ bell\x07 quote'' dquote" \\N \\. end', 'ab', '\N', '\x00ff5c0a0d09', 'NaN', 'NaN', 'Infinity', 1, true,
  '0044-03-15 BC', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999+00', '24:00:00', '23:59:59.999999-12:34', '-1 year 2 mons -3 days 04:05:06.789',
  '{"a" : [1, "x\ny"]}', '{"b": null, "ü": "\u2028"}', '<a>text</a>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::ffff:1.2.3.4/120', '10.0.0.0/8', '08:00:2b:01:02:03',
  '101010101', '(1.5,-2e-300)', '((0,0),(1,1),(1,0))', 'a:1 fat:2 cat:3A', 'fat & (rat | !cat)', '-1234.56',
  '{1,NULL,-3}', '{{"a,b","c\"d"},{"NULL",NULL}}', '{sad,"it''s ok"}', '("a ""street"", with comma",,7)', '{"(x,y,1)",NULL}', 5, 'A@b.c', '[1,10)', '(,2020-01-01)', '[1.5,2.5]',
  '{[1,3),[5,8)}', '"k \"1"=>"v\\1", e=>NULL', 4294967295, 'a name', '\', '16/B374D848', 'pg_class'),
 ('\.', '', '', '', '-Infinity', '-Infinity', '-0', -32768, false, 'infinity', '-infinity', 'infinity', '00:00', '00:00:00+15:59', '178000000 years', 'null', 'null', 'just text', NULL,
  '0.0.0.0', '::/0', NULL, '', NULL, NULL, '', '', 0, '{}', '{}', '{}', '(,,)', '{}', 1, 'z@z', 'empty', 'empty', 'empty', '{}', '', 0, '', '', '0/0', 'app.kinds'),
 (E'\\N', 'x', E'\t', 'bytes', 1e-1000, 1.17549435e-38, 2.2250738585072014e-308, 32767, NULL, '2000-02-29', '1999-12-31 23:59:59.999999', '1970-01-01 00:00:00+14', '12:00', '12:00+00', '1 microsecond',
  '"s"', '[1e400]', '<!-- c -->', NULL, 'fe80::1/64', NULL, NULL, '1', '(NaN,Infinity)', NULL, NULL, NULL, 92233720368547758.07,
  '[2:4]={7,8,9}', '{{a},{b}}', NULL, NULL, NULL, NULL, NULL, '(1,)', '[2020-01-01,infinity)', NULL, NULL, NULL, NULL, NULL, 'x', NULL, NULL);
INSERT INTO app.kinds (t) SELECT string_agg(md5(i::text), E'\n') FROM generate_series(1, 20000) i;
INSERT INTO app.kinds (t) SELECT 'row ' || i FROM generate_series(1, 500) i;
DELETE FROM app.kinds WHERE id % 3 = 0;

-- names
CREATE TABLE "Odd schema.with ""quotes"""."table with ""quotes"", commas; -- and 'more' \ $$ ü 🙂" (
  "select" int, "Column With Space" text, "back\slash" int DEFAULT 7, "new
line" text, "x""y" int, ":colon" text);
INSERT INTO "Odd schema.with ""quotes"""."table with ""quotes"", commas; -- and 'more' \ $$ ü 🙂" VALUES (1, 'a', 2, 'b', 3, ':d');
CREATE TABLE app."line
break" (a int);
INSERT INTO app."line
break" VALUES (1), (2);
CREATE TABLE app."a.b" (a int);
CREATE TABLE app.nothing ();
INSERT INTO app.nothing DEFAULT VALUES;
INSERT INTO app.nothing DEFAULT VALUES;
INSERT INTO app.nothing DEFAULT VALUES;
CREATE TABLE app.only_generated (a integer GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO app.only_generated DEFAULT VALUES;
CREATE TABLE app.empty (a int PRIMARY KEY);
CREATE UNLOGGED TABLE app.unlogged (a int);
INSERT INTO app.unlogged SELECT generate_series(1, 10);
CREATE TABLE app.settings (a int) WITH (fillfactor = 70, autovacuum_enabled = false);
CREATE TABLE app.typed OF app.address (zip WITH OPTIONS DEFAULT '00000');
INSERT INTO app.typed VALUES ('s', 'z', 1);

-- partitions, three levels, with different column orders, and hash partitions of an enum
CREATE TABLE app.measurements (at date NOT NULL, place text, value numeric, half numeric GENERATED ALWAYS AS (value / 2) STORED) PARTITION BY RANGE (at);
CREATE TABLE app.m_old PARTITION OF app.measurements FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE app.m_2024 PARTITION OF app.measurements FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (place);
CREATE TABLE app.m_2024_north PARTITION OF app.m_2024 FOR VALUES IN ('north', NULL);
CREATE TABLE app.m_attached (value numeric, gone int, place text, at date NOT NULL, half numeric GENERATED ALWAYS AS (value / 2) STORED);
ALTER TABLE app.m_attached DROP COLUMN gone;
ALTER TABLE app.m_2024 ATTACH PARTITION app.m_attached DEFAULT;
CREATE INDEX measurements_place ON app.measurements (place);
INSERT INTO app.measurements (at, place, value) SELECT date '2023-06-01' + i, (ARRAY['north', 'south', NULL])[i % 3 + 1], i FROM generate_series(1, 500) i;
CREATE TABLE app.by_mood (mood app.mood, n int) PARTITION BY HASH (mood);
CREATE TABLE app.by_mood_0 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.by_mood_1 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO app.by_mood SELECT (enum_range(NULL::app.mood))[i % 5 + 1], i FROM generate_series(1, 100) i;

-- inheritance
CREATE TABLE app.cities (name text, population int, CONSTRAINT some_people CHECK (population >= 0));
CREATE TABLE app.capitals (state char(2)) INHERITS (app.cities);
INSERT INTO app.cities VALUES ('Springfield', 1000);
INSERT INTO app.capitals VALUES ('Madison', 2000, 'WI');

-- keys: circular, deferrable, self-referencing, not validated, exclusion
CREATE TABLE app.chicken (id int PRIMARY KEY, egg_id int NOT NULL);
CREATE TABLE app.egg (id int PRIMARY KEY, chicken_id int NOT NULL REFERENCES app.chicken DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE app.chicken ADD CONSTRAINT chicken_egg FOREIGN KEY (egg_id) REFERENCES app.egg DEFERRABLE INITIALLY IMMEDIATE;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO app.chicken SELECT i, i + 1 FROM generate_series(1, 50) i;
INSERT INTO app.egg SELECT i + 1, i FROM generate_series(1, 50) i;
COMMIT;
CREATE TABLE app.tree (id serial PRIMARY KEY, parent int REFERENCES app.tree ON DELETE CASCADE, label app.email UNIQUE DEFERRABLE);
INSERT INTO app.tree (id, parent) SELECT i, nullif(i / 2, 0) FROM generate_series(1, 100) i;
SELECT setval('app.tree_id_seq', 100);
CREATE TABLE app.booking (room int, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO app.booking VALUES (1, '[2024-01-01,2024-01-02)'), (1, '[2024-01-02,2024-01-03)');
CREATE TABLE app.lax (tree_id int);
INSERT INTO app.lax VALUES (99999);
ALTER TABLE app.lax ADD CONSTRAINT lax_tree FOREIGN KEY (tree_id) REFERENCES app.tree NOT VALID;
ALTER TABLE app.lax ADD CONSTRAINT small CHECK (tree_id < 10) NOT VALID;

-- sequences
CREATE SEQUENCE app.plain MINVALUE -100 MAXVALUE 100 START 5 INCREMENT -3 CYCLE CACHE 4;
CREATE SEQUENCE app.never_called START 77;
CREATE SEQUENCE app.small AS smallint;
SELECT nextval('app.plain'), nextval('app.plain');
SELECT setval('app.small', 32767);
CREATE SEQUENCE app."odd ""seq" OWNED BY app.lax.tree_id;

-- indexes, statistics
CREATE INDEX kinds_expression ON app.kinds (lower(t) varchar_pattern_ops, (i2 + 1) DESC NULLS LAST) INCLUDE (bo) WHERE bo IS NOT NULL;
DROP INDEX app.kinds_expression;
CREATE INDEX kinds_expression ON app.kinds ((i2 + 1) DESC NULLS LAST) INCLUDE (bo) WHERE bo IS NOT NULL;
CREATE INDEX kinds_trgm ON app.kinds USING gin (v app.gin_trgm_ops);
CREATE UNIQUE INDEX "odd index" ON app.kinds (id, added);
ALTER TABLE app.kinds ALTER COLUMN added SET NOT NULL;
ALTER TABLE app.kinds REPLICA IDENTITY USING INDEX "odd index";
CREATE STATISTICS app.kinds_stats (ndistinct, dependencies) ON i2, bo FROM app.kinds;
CREATE STATISTICS app.kinds_expr ON (i2 % 10) FROM app.kinds;
ALTER TABLE app.kinds CLUSTER ON kinds_pkey;

-- views, rules, materialised views with and without data
CREATE VIEW app.v AS SELECT id, t FROM app.kinds WHERE bo WITH LOCAL CHECK OPTION;
CREATE VIEW app.barrier WITH (security_barrier) AS SELECT * FROM app.cities;
CREATE RULE protect AS ON DELETE TO app.cities DO INSTEAD NOTHING;
CREATE RULE log AS ON INSERT TO app.settings DO ALSO SELECT 1;
ALTER TABLE app.cities DISABLE RULE protect;
CREATE MATERIALIZED VIEW app.mv_full AS SELECT count(*) AS n, max(id) AS m FROM app.kinds;
CREATE MATERIALIZED VIEW app.mv_on_mv AS SELECT n * 2 AS n2 FROM app.mv_full;
CREATE UNIQUE INDEX mv_index ON app.mv_full (n);
CREATE MATERIALIZED VIEW app.mv_empty AS SELECT 1 AS one WITH NO DATA;

-- triggers in every state, event triggers
CREATE TABLE app.audit (what text);
CREATE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.audit VALUES (TG_NAME || TG_RELID::regclass::text); RETURN NEW; END $$;
CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no row may come in'; END $$;
CREATE TRIGGER normal AFTER INSERT ON app.tree FOR EACH ROW EXECUTE FUNCTION app.tell();
CREATE TRIGGER always BEFORE INSERT ON app.cities FOR EACH ROW EXECUTE FUNCTION app.refuse();
ALTER TABLE app.cities ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER replica AFTER UPDATE ON app.cities FOR EACH STATEMENT EXECUTE FUNCTION app.tell();
ALTER TABLE app.cities ENABLE REPLICA TRIGGER replica;
CREATE TRIGGER off AFTER DELETE ON app.tree FOR EACH ROW WHEN (OLD.id > 5) EXECUTE FUNCTION app.tell();
ALTER TABLE app.tree DISABLE TRIGGER off;
CREATE TRIGGER part AFTER INSERT ON app.measurements FOR EACH ROW EXECUTE FUNCTION app.tell();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.lax DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.tell();
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no schema change may be made'; END $$;

-- row security
CREATE TABLE app.secret (owner name, body text);
INSERT INTO app.secret VALUES ('somebody', 'hidden'), ('postgres', 'shown');
ALTER TABLE app.secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.secret FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON app.secret USING (owner = current_user) WITH CHECK (owner = current_user);
CREATE POLICY strict ON app.secret AS RESTRICTIVE FOR SELECT USING (body <> 'x');

-- functions, aggregates, operators, casts, collations, text search
CREATE PROCEDURE app.proc(INOUT a int DEFAULT 3) LANGUAGE plpgsql AS $body$ BEGIN a := a + 1; END $body$;
CREATE FUNCTION app.begin_atomic(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a + 1; END;
CREATE AGGREGATE app.total (integer) (sfunc = int4pl, stype = integer, initcond = '0');
CREATE OPERATOR app.=== (leftarg = integer, rightarg = integer, function = int4eq, commutator = OPERATOR(app.===));
CREATE CAST (app.address AS text) WITH INOUT AS ASSIGNMENT;
CREATE COLLATION app.coll (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION app.conf (COPY = simple);
CREATE FUNCTION app.returns_rows() RETURNS SETOF app.cities LANGUAGE sql AS 'SELECT * FROM app.cities';

-- foreign data
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE app.passwd (line text) SERVER files OPTIONS (filename '/nonexistent', format 'text');

-- publications, comments, security of defaults
CREATE PUBLICATION chosen FOR TABLE app.kinds, app.cities WITH (publish = 'insert, update');
CREATE PUBLICATION everything FOR ALL TABLES;
COMMENT ON TABLE app.kinds IS E'multi\nline ''comment'' \\ with ü';
COMMENT ON COLUMN app.kinds.t IS 'a column';
COMMENT ON INDEX app."odd index" IS 'an index';
COMMENT ON CONSTRAINT kinds_pkey ON app.kinds IS 'a key';
COMMENT ON TRIGGER normal ON app.tree IS 'a trigger';
COMMENT ON MATERIALIZED VIEW app.mv_empty IS 'empty';

-- owners, grants, default privileges
ALTER TABLE app.cities OWNER TO "odd owner";
ALTER SCHEMA "Odd schema.with ""quotes""" OWNER TO "odd owner";
ALTER TYPE app.mood OWNER TO torture_owner;
ALTER TABLE app.tree OWNER TO torture_owner;
REVOKE ALL ON app.tree FROM torture_owner;
GRANT USAGE ON SCHEMA app TO torture_reader, "odd owner";
GRANT SELECT ON app.kinds TO torture_reader WITH GRANT OPTION;
GRANT UPDATE (t, bo) ON app.kinds TO "odd owner";
GRANT SELECT ON app.cities TO PUBLIC;
GRANT USAGE ON SEQUENCE app.plain TO torture_reader;
REVOKE EXECUTE ON FUNCTION app.double(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.double(integer) TO torture_reader;
REVOKE ALL ON TYPE app.address FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO torture_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- large objects: data, holes, no data, owner, grants, comment
SELECT lo_from_bytea(700001, decode(repeat('00ff5c0a', 3000), 'hex'));
SELECT lo_create(700002);
SELECT lo_from_bytea(700003, 'start');
SELECT lo_put(700003, 1000000, 'far away');
SELECT lo_from_bytea(700004, 'owned');
ALTER LARGE OBJECT 700004 OWNER TO torture_owner;
GRANT SELECT ON LARGE OBJECT 700004 TO torture_reader;
GRANT SELECT ON LARGE OBJECT 700004 TO PUBLIC;
COMMENT ON LARGE OBJECT 700004 IS 'it''s large';
SELECT lo_from_bytea(4294967295, 'the last number');

CREATE EVENT TRIGGER refuse_ddl ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'CREATE INDEX', 'ALTER TABLE') EXECUTE FUNCTION app.on_ddl();
