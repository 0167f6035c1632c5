import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { Harness } from './testing/harness.ts';

/** Twenty tables that have nothing to do with the trouble. */
const others = `DO $$ BEGIN FOR i IN 1..20 LOOP
  EXECUTE format('CREATE TABLE other_%s (id int PRIMARY KEY, v text)', i); EXECUTE format('INSERT INTO other_%s SELECT g, %L FROM generate_series(1, 7) g', i, i); END LOOP; END $$;`;
const otherRows = 140;

describe('a restore of what the server does not take', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start(18);
  });
  afterAll(() => harness.stop());

  const sourceOf = async (fixture: string) => {
    const source = await harness.database('source');
    await harness.sql(source, `${others}${fixture}`);
    return source;
  };
  const countOthers = async (target: PostgresConnection) => {
    const counts = await harness.sql(
      target,
      `SELECT sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I', relname), true, true, '')))[1]::text::int)
       FROM pg_class WHERE relname LIKE 'other%' AND relkind = 'r'`,
    );
    return Number(counts);
  };

  it('brings in all rows and names a key of a big table that has an orphan', async () => {
    const source = await sourceOf(`
      CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 100);
      CREATE TABLE big (id int PRIMARY KEY, parent int REFERENCES parent, note text); CREATE INDEX big_parent ON big (parent);
      INSERT INTO big SELECT i, i % 100 + 1, repeat('abcdefgh', 12) FROM generate_series(1, 350000) i;
      SET session_replication_role = replica; INSERT INTO big VALUES (0, 4711, 'orphan'); RESET session_replication_role;
      CREATE VIEW late AS SELECT count(*) AS n FROM big`);
    const target = await harness.database('target');
    const restored = await harness.restore(target, await harness.backup(source));
    expect(restored.faults).toEqual([
      {
        object: 'FK CONSTRAINT public.big big_parent_fkey',
        message: 'insert or update on table "big" violates foreign key constraint "big_parent_fkey"',
        sqlState: '23503',
      },
    ]);
    expect(restored.rows).toBe(350_001 + 100 + otherRows);
    expect(await harness.sql(target, 'SELECT n FROM late')).toBe('350001');
    expect(await countOthers(target)).toBe(otherRows);
    const indexes = `SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY 1) FROM pg_index WHERE indrelid = 'big'::regclass AND indisvalid`;
    expect(await harness.sql(target, indexes)).toBe('big_pkey big_parent');
  });

  it('names what a missing library, collation and function leave out, with all that hangs on it', async () => {
    const source = await sourceOf(`
      CREATE COLLATION gone (provider = libc, locale = 'C'); CREATE TABLE names (id int, name text); INSERT INTO names VALUES (1, 'x');
      CREATE INDEX names_gone ON names (name COLLATE gone);
      CREATE FUNCTION lib(int, int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
      CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 lib(int, int);
      CREATE INDEX names_odd ON names (id odd);
      CREATE FUNCTION half(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2'; CREATE INDEX names_half ON names (half(id));
      CREATE OR REPLACE FUNCTION half(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT count(*) FROM not_there); END';
      UPDATE pg_collation SET collcollate = 'xx_GONE', collctype = 'xx_GONE' WHERE collname = 'gone';
      UPDATE pg_proc SET prolang = (SELECT oid FROM pg_language WHERE lanname = 'c'), probin = '$libdir/gone', prosrc = 'lib' WHERE proname = 'lib'`);
    const target = await harness.database('target');
    const restored = await harness.restore(target, await harness.backup(source));
    expect(restored.faults.map(({ object, sqlState }) => [object, sqlState])).toEqual([
      ['COLLATION public.gone', '22023'],
      ['FUNCTION public.lib(integer, integer)', '58P01'],
      ['OPERATOR CLASS public.odd', '42883'],
      ['INDEX public.names_gone', '42704'],
      ['INDEX public.names_half', '42P01'],
      ['INDEX public.names_odd', '42704'],
    ]);
    expect(restored.warnings).toEqual([]);
    expect(restored.rows).toBe(otherRows + 1);
    expect(await countOthers(target)).toBe(otherRows);
  });

  it('fails when a table does not take its rows, or cannot be made, after everything else came in', async () => {
    const source = await sourceOf(`
      CREATE FUNCTION small(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 10';
      CREATE TABLE limited (id int, CHECK (small(id))); INSERT INTO limited SELECT generate_series(1, 9);
      CREATE OR REPLACE FUNCTION small(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 5';
      CREATE COLLATION gone (provider = libc, locale = 'C'); CREATE TABLE lost (id int, name text COLLATE gone); INSERT INTO lost VALUES (1, 'x'), (2, 'y');
      CREATE TABLE lost_but_empty (name text COLLATE gone);
      UPDATE pg_collation SET collcollate = 'xx_GONE', collctype = 'xx_GONE' WHERE collname = 'gone';
      CREATE INDEX other_v ON other_1 (v)`);
    const target = await harness.database('target');
    const error = await harness.restore(target, await harness.backup(source)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ROWS_NOT_RESTORED' });
    const { message, detail } = error as {
      message: string;
      detail: { lost: object[]; faults: { object: string }[] };
    };
    expect(message).toContain(
      'public.limited (9 rows): new row for relation "limited" violates check constraint',
    );
    expect(message).toContain(
      'public.lost (2 rows): collation "public.gone" for encoding "UTF8" does not exist',
    );
    expect(detail.lost).toHaveLength(2);
    expect(detail.faults.map(({ object }) => object)).toEqual([
      'COLLATION public.gone',
      'TABLE public.lost',
      'TABLE public.lost_but_empty',
    ]);
    expect(await countOthers(target)).toBe(otherRows);
    expect(await harness.sql(target, "SELECT to_regclass('other_v') IS NOT NULL")).toBe('t');
  });

  // What postgres_fdw answers; the wheels' own cannot be loaded beside the server's client library.
  it('leaves a materialised view unpopulated whose foreign server is away, and names that one', async () => {
    const source = await sourceOf(`
      CREATE FUNCTION far() RETURNS int LANGUAGE sql AS 'SELECT 7'; CREATE MATERIALIZED VIEW near AS SELECT far() AS n; CREATE INDEX near_n ON near (n);
      CREATE OR REPLACE FUNCTION far() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not connect to server "away"' USING ERRCODE = '08001', DETAIL = 'connection to server at "10.0.0.1", port 5432 failed: timeout expired'; END $$`);
    await harness.sql(source, `ALTER DATABASE "${source.dbname}" SET work_mem TO '7MB'`);
    const target = await harness.database('target');
    const restored = await harness.restore(target, await harness.backup(source));
    expect(restored.faults).toEqual([
      {
        object: 'MATERIALIZED VIEW DATA public.near',
        message: 'could not connect to server "away"',
        sqlState: '08001',
      },
    ]);
    expect(await harness.sql(target, "SELECT relispopulated FROM pg_class WHERE relname = 'near'")).toBe('f');
    expect(await harness.sql(target, 'SHOW work_mem')).toBe('7MB');
    expect(await countOthers(target)).toBe(otherRows);
  });
});
