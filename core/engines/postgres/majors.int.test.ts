import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresMajor } from '../../../sandbox/postgres/postgres-server.ts';
import type { ItemInput } from '../../vault/vault.ts';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump, runClient } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

/**
 * The much copied wrapper around unaccent: with the empty search_path of a backup, a dump or a restore, `unaccent` is not
 * found. From version 17 on CREATE INDEX refuses it, but not CREATE OR REPLACE behind an index that is there.
 */
const unaccented = `
  CREATE FUNCTION unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.translate($1, 'é', 'e') $$;
  CREATE FUNCTION f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
  CREATE TABLE people AS SELECT i AS id, 'né ' || i AS name FROM generate_series(1, 5) i;
  CREATE INDEX ON people (f_unaccent(name));
  CREATE OR REPLACE FUNCTION f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT unaccent($1) $$;`;

/** Functions that fail as soon as anybody plans a query in this one database, so that a restore of all shows in another. */
const unplannable = (dbname: string) => `
  CREATE FUNCTION here() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN 0; END $$;
  CREATE TABLE by_expression AS SELECT i AS id, md5(i::text) AS v FROM generate_series(1, 20000) i;
  CREATE INDEX ON by_expression ((id + public.here()));
  CREATE TABLE by_predicate (LIKE by_expression); INSERT INTO by_predicate TABLE by_expression;
  CREATE INDEX ON by_predicate (v) WHERE id > public.here();
  CREATE TABLE by_statistics (LIKE by_expression); INSERT INTO by_statistics TABLE by_expression;
  CREATE STATISTICS s ON (id + public.here()), v FROM by_statistics;
  CREATE TABLE harmless (LIKE by_expression); INSERT INTO harmless TABLE by_expression;
  CREATE OR REPLACE FUNCTION here() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_database() = '${dbname}' THEN RAISE 'planned'; END IF; RETURN 0; END $$;`;

for (const major of [15, 16, 17, 18] as const satisfies readonly PostgresMajor[]) {
  describe(`a backup of PostgreSQL ${major}`, () => {
    let harness: Harness;
    beforeAll(async () => {
      harness = await Harness.start(major);
    });
    afterAll(() => harness.stop());

    const backUp = async (source: PostgresConnection) => {
      const warnings: { message: string; detail: unknown }[] = [];
      const backup = await harness.backup(source, {
        engine: { partBytes: 256 * 1024 },
        log: { info: () => undefined, warn: (message, detail) => void warnings.push({ message, detail }) },
      });
      return { ...backup, warnings };
    };
    const tableItems = ({ store }: Awaited<ReturnType<typeof backUp>>) =>
      store.items.flatMap(({ kind, name, rows }) => (kind === 'table' ? [{ name, rows }] : []));

    it('stores a table that cannot be planned for because of an index on f_unaccent, as pg_dump does', async () => {
      const source = await harness.database('source');
      await harness.sql(source, unaccented);
      await expect(
        harness.sql(source, "SET search_path TO ''; SELECT count(*) FROM public.people"),
      ).rejects.toMatchObject({ stderr: expect.stringContaining('function unaccent(text) does not exist') });
      await runClient(`${harness.bin}/pg_dump`, ['-Fc', '--no-sync', '-f', '/dev/null'], source);
      const backup = await backUp(source);
      expect(tableItems(backup)).toEqual([{ name: 'public.people', rows: 5 }]);
      expect(backup.outcome.independentCounts).toEqual([]);
      expect(backup.warnings).toEqual([
        {
          message: 'a table was stored, but could not be counted independently',
          detail: {
            table: 'public.people',
            reason: expect.stringContaining('function unaccent(text) does not exist'),
          },
        },
      ]);
    });

    it('copies what cannot be planned for in one piece, and still cuts other tables', async () => {
      const source = await harness.database('source');
      await harness.sql(source, unplannable(source.dbname));
      await expect(harness.sql(source, 'SELECT count(*) FROM by_statistics')).rejects.toMatchObject({
        stderr: expect.stringContaining('planned'),
      });
      const backup = await backUp(source);
      const whole = ['by_expression', 'by_predicate', 'by_statistics'].map((name) => `public.${name}`);
      const items = tableItems(backup);
      expect(items.filter(({ name }) => !name.startsWith('public.harmless#')).toSorted(byName)).toEqual(
        whole.map((name) => ({ name, rows: 20_000 })),
      );
      expect(items.length).toBeGreaterThan(4);
      expect(backup.outcome.independentCounts).toEqual([{ name: 'public.harmless', rows: 20_000 }]);
      const target = await harness.database('target');
      const { warnings, faults } = await harness.restore(target, backup);
      expect([warnings, faults]).toEqual([[], []]);
      const dumped = await normalizedDump(harness.bin, source);
      expect(await normalizedDump(harness.bin, target)).toBe(dumped);
    });

    it('is checked after its restore where queries can be planned, and the rest is named', async () => {
      const source = await harness.database('source');
      // Statistics are made without evaluating them, so nothing fails; from then on no query of the table can be planned.
      await harness.sql(
        source,
        `${unaccented} DROP INDEX people_f_unaccent_idx; CREATE TABLE gone AS SELECT 1 AS a;
        ALTER TABLE people ADD PRIMARY KEY (id); CREATE TABLE pets (owner int REFERENCES people); INSERT INTO pets VALUES (1)`,
      );
      const backup = await backUp(source);
      const target = await harness.database('target');
      await harness.restore(target, backup);
      await harness.sql(target, 'CREATE STATISTICS s ON f_unaccent(name), id FROM people');
      const report = () =>
        harness.engine().check({
          connection: target,
          manifest: backup.store.manifest(backup.outcome),
          assertions: [],
          signal: new AbortController().signal,
        });
      const { checks, notChecked } = await report();
      expect(checks).toEqual([
        { name: 'row counts', ok: true, detail: '2 tables have the rows that were counted in the source' },
        { name: 'foreign keys', ok: true, detail: '1 foreign key holds, 0 tried on sampled rows' },
        { name: 'sampled rows', ok: true, detail: '2 rows of 2 tables were read in full' },
      ]);
      const because =
        'the server cannot plan a query of it: query failed: function unaccent(text) does not exist';
      expect(notChecked).toEqual([
        expect.stringMatching(/^canary: /),
        `row counts of public.people: ${because}`,
        `rows of foreign keys of public.pets pets_owner_fkey: ${because}`,
        `sampled rows of public.people: ${because}`,
      ]);
      await harness.sql(target, 'DROP TABLE gone; INSERT INTO pets VALUES (2)');
      expect((await report()).checks.map(({ name, ok, detail }) => [name, ok, detail])).toEqual([
        ['row counts', false, expect.stringContaining('relation "public.gone" does not exist')],
        ['foreign keys', true, expect.any(String)],
        ['sampled rows', false, expect.stringContaining('relation "public.gone" does not exist')],
      ]);
    });

    it('names a sequence that it may not read, and what to grant, before it stores anything', async () => {
      const source = await harness.database('source');
      await harness.sql(
        source,
        `CREATE TABLE t AS SELECT 1 AS a; CREATE SEQUENCE closed; CREATE SEQUENCE open START 5;
        CREATE ROLE reader LOGIN PASSWORD 'pw'; GRANT SELECT ON t, open TO reader`,
      );
      const reader = { ...source, username: 'reader', password: 'pw' };
      const started: string[] = [];
      const store = (item: ItemInput) => Promise.reject(started.push(item.name));
      await expect(harness.backup(reader, { store })).rejects.toMatchObject({
        code: 'SOURCE_PRIVILEGES',
        message: 'the backup user may not read 1 of 2 sequences: public.closed',
        hint: expect.stringContaining('GRANT SELECT ON ALL SEQUENCES'),
      });
      expect(started).toEqual([]);
      await harness.sql(source, 'GRANT SELECT ON closed TO reader');
      const target = await harness.database('target');
      await harness.restore(target, await harness.backup(reader));
      expect(await harness.sql(target, "SELECT nextval('open'), nextval('closed')")).toBe('5|1');
    });
  });
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name.localeCompare(b.name);
}
