import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { requireEncoding } from './restore-target.ts';
import { normalizedDump } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

/** Text outside ASCII as a database of each encoding stores it, in bytes. */
const encodings = {
  // Not one encoding at all: Latin-1, UTF-8 and bytes that are text in none.
  SQL_ASCII: ['e9e8fc', 'c3a9e282ac', 'ff80fe5c6e'],
  LATIN1: ['e9e8fc', 'a0ff', 'e95c6ee8'],
  EUC_JP: ['c6fccbdcb8ec', '8eb1a4a2', '8fb0a1'],
  WIN1251: ['cff0e8e2e5f2', 'b8a8', 'ff5c2e'],
} as const;
type Encoding = keyof typeof encodings;

describe('a database whose encoding is not UTF-8', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start(18);
  });
  afterAll(() => harness.stop());

  let number = 0;
  const database = async (encoding: string) => {
    const name = `db_${encoding.toLowerCase()}_${(number += 1)}`;
    await harness.sql(
      harness.server.connection,
      `CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
    );
    return harness.server.connectionTo(name);
  };
  const filled = async (encoding: Encoding) => {
    const source = await database(encoding);
    const text = (hex: string) => `convert_from('\\x${hex}', '${encoding}')`;
    const values = encodings[encoding].map((hex, id) => `(${id}, ${text(hex)})`);
    await harness.sql(
      source,
      `CREATE TABLE words (id int PRIMARY KEY, word text); INSERT INTO words VALUES ${values.join(', ')};
      CREATE INDEX ON words (word);
      DO $$ BEGIN EXECUTE format('COMMENT ON TABLE words IS %L', ${text(encodings[encoding][0])}); END $$;
      DO $$ BEGIN EXECUTE format('ALTER TABLE words ALTER word SET DEFAULT %L', ${text(encodings[encoding][1])}); END $$`,
    );
    return source;
  };
  /** Bytes as the database stores them, whatever the client speaks: words, the table's comment, the column's default. */
  const bytes = (connection: PostgresConnection, encoding: string) =>
    harness.sql(
      connection,
      `SELECT string_agg(encode(convert_to(word, '${encoding}'), 'hex'), ' ' ORDER BY id)
        || ' | ' || encode(convert_to(obj_description('words'::regclass), '${encoding}'), 'hex')
        || ' | ' || (SELECT encode(convert_to(pg_get_expr(adbin, adrelid), '${encoding}'), 'hex') FROM pg_attrdef) FROM words`,
    );

  for (const encoding of Object.keys(encodings) as Encoding[]) {
    it(`comes back byte for byte in ${encoding}`, async () => {
      const source = await filled(encoding);
      const backup = await harness.backup(source);
      const target = await database(encoding);
      const restored = await harness.restore(target, backup);
      const before = await bytes(source, encoding);
      expect(before).toContain(`${encodings[encoding].join(' ')} | ${encodings[encoding][0]} | 27`);
      expect(await bytes(target, encoding)).toBe(before);
      expect(restored.warnings).toEqual([]);
    });
  }

  it('is converted in a target in UTF-8, which has every character', async () => {
    for (const [encoding, words] of [
      ['LATIN1', 'c3a9c3a8c3bc c2a0c3bf c3a95c6ec3a8'],
      ['EUC_JP', 'e697a5e69cace8aa9e efbdb1e38182 e4b882'],
    ] as const) {
      const backup = await harness.backup(await filled(encoding));
      const target = await database('UTF8');
      await harness.restore(target, backup);
      expect(await bytes(target, 'UTF8')).toContain(`${words} | ${words.split(' ')[0]} | 27`);
    }
  });

  const takesNoMore = [
    ['EUC_JP', 'LATIN1'],
    ['LATIN1', 'SQL_ASCII'],
    ['SQL_ASCII', 'UTF8'],
  ] as const;
  it('is told which encoding a target needs', () => {
    const check = (from: string, to: string) => () =>
      requireEncoding(
        { encoding: to },
        { billOfMaterials: { database: { encoding: from } } },
        { dbname: 'a"b' },
      );
    for (const [from, to] of [...takesNoMore, ['UTF8', 'LATIN1'], ['UTF8', 'SQL_ASCII']] as const) {
      expect(check(from, to)).toThrow(
        expect.objectContaining({
          code: 'TARGET_ENCODING',
          message: `the target database a"b is in ${to}, the backup is from ${from}`,
          hint: expect.stringContaining(`CREATE DATABASE "a""b_restored" ENCODING '${from}'`),
        }),
      );
    }
    for (const [from, to] of [
      ['UTF8', 'UTF8'],
      ['LATIN1', 'LATIN1'],
      ['SQL_ASCII', 'SQL_ASCII'],
      ['LATIN1', 'UTF8'],
    ] as const)
      expect(check(from, to)).not.toThrow();
  });

  for (const [from, to] of takesNoMore) {
    it(`refuses a target in ${to} for a backup from ${from}, and leaves it empty`, async () => {
      const backup = await harness.backup(await filled(from));
      const target = await database(to);
      await expect(harness.restore(target, backup)).rejects.toMatchObject({ code: 'TARGET_ENCODING' });
      expect(await harness.sql(target, 'SELECT count(*) FROM pg_class WHERE oid >= 16384')).toBe('0');
    });
  }

  it('may use its characters in names', async () => {
    const source = await database('LATIN1');
    const name = `convert_from('\\xe9e8fc', 'LATIN1')`;
    await harness.sql(
      source,
      `DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY, %I text)', ${name}, ${name});
      EXECUTE format('INSERT INTO %I VALUES (7, %L)', ${name}, ${name}); END $$; CREATE TABLE other (a int)`,
    );
    const backup = await harness.backup(source);
    for (const only of [undefined, ['public.éèü']]) {
      const target = await database('LATIN1');
      await harness.restore(target, backup, only === undefined ? {} : { only });
      const column = 'U&"\\00e9\\00e8\\00fc"';
      const row = `SELECT id, convert_to(${column}, 'LATIN1') FROM ${column}`;
      expect(await harness.sql(target, row)).toBe('7|\\xe9e8fc');
    }
  });

  it('may use bytes in names that are text in no encoding', async () => {
    const source = await database('SQL_ASCII');
    const raw = (hex: string) => `convert_from('\\x${hex}', 'SQL_ASCII')`;
    // A schema in Latin-1, a table cut within a character, a column, sequences, a partition, and a key that fails.
    await harness.sql(
      source,
      `DO $$ DECLARE s text := ${raw('e9e8')}; t text := ${raw('63c3a9c3')}; c text := ${raw('ff')}; BEGIN
        EXECUTE format('CREATE SCHEMA %I', s);
        EXECUTE format('CREATE TABLE %I.%I (%I serial PRIMARY KEY, note text DEFAULT %L)', s, t, c, s);
        EXECUTE format('INSERT INTO %I.%I VALUES (7, %L), (8, %L)', s, t, c, t);
        EXECUTE format('CREATE TABLE %I (a int) PARTITION BY LIST (a)', c);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES IN (1)', c || 1, c);
        EXECUTE format('INSERT INTO %I VALUES (1)', c);
        EXECUTE format('CREATE TABLE other (a int REFERENCES %I.%I)', s, t);
        SET session_replication_role = replica;
        INSERT INTO other VALUES (9);
        EXECUTE format('CREATE SEQUENCE %I', c || c);
        PERFORM setval(quote_ident(c || c), 41);
      END $$`,
    );
    const backup = await harness.backup(source);
    const names = backup.store.items.map(({ name }) => name);
    expect(names).toContain('U&"\\EFE9\\EFE8".U&"cé\\EFC3"');
    expect(backup.outcome.features).toEqual(['byte-text']);
    const target = await database('SQL_ASCII');
    const restored = await harness.restore(target, backup);
    expect(await normalizedDump(harness.bin, target, 'latin1')).toBe(
      (await normalizedDump(harness.bin, source, 'latin1')).replace(
        /^ALTER TABLE ONLY public.other\n.*FOREIGN KEY.*\n/m,
        '',
      ),
    );
    expect(restored.faults).toEqual([
      { object: 'FK CONSTRAINT public.other other_a_fkey', message: expect.any(String), sqlState: '23503' },
    ]);
    const checked = await harness.engine().check({
      connection: target,
      manifest: backup.store.manifest(backup.outcome),
      assertions: [],
      faults: restored.faults,
      signal: new AbortController().signal,
    });
    expect(checked.checks.filter(({ ok }) => !ok)).toEqual([]);
    const one = await database('SQL_ASCII');
    await harness.restore(one, backup, { only: ['U&"\\EFE9\\EFE8".U&"cé\\EFC3"', 'public.U&"\\EFFF"'] });
    expect(
      await harness.sql(
        one,
        `SELECT string_agg(encode(relname::text::bytea, 'hex') || reltuples, ' ' ORDER BY relname) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p')`,
      ),
    ).toBe('63c3a9c32 ff1 ff311');
  });

  // WIN1252 lets in five bytes that are no character of UTF-8.
  it('carries bytes that have no counterpart in UTF-8', async () => {
    const source = await database('WIN1252');
    await harness.sql(source, `CREATE TABLE t AS SELECT convert_from('\\x6181', 'WIN1252') AS v`);
    const backup = await harness.backup(source);
    const target = await database('WIN1252');
    await harness.restore(target, backup);
    expect(await harness.sql(target, `SELECT convert_to(v, 'WIN1252') FROM t`)).toBe('\\x6181');
  });
});
