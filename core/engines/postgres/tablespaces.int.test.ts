import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { Harness } from './testing/harness.ts';

/** Where every table, index and materialised view lies; nothing for the database's default place. */
const placesSql = `SELECT string_agg(c.relname || coalesce('@' || s.spcname, ''), ' ' ORDER BY c.relname) FROM pg_class c
  LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'i', 'I', 'm')`;

describe('tablespaces', () => {
  let source: Harness;
  let target: Harness;
  let directory: string;
  beforeAll(async () => {
    source = await Harness.start(18);
    target = await Harness.start(18);
    directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-tablespaces-'));
    if (process.getuid?.() === 0) chownSync(directory, 65534, 65534);
    for (const name of ['fast', 'slow disk', 'unused']) await create(source, name);
    await create(target, 'fast');
  });
  afterAll(async () => {
    await source?.stop();
    await target?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const create = async (harness: Harness, name: string) => {
    const location = path.join(directory, `${harness.server.port}-${name}`);
    mkdirSync(location);
    if (process.getuid?.() === 0) chownSync(location, 65534, 65534);
    await harness.sql(harness.server.connection, `CREATE TABLESPACE "${name}" LOCATION '${location}'`);
  };
  const filled = async (tablespace: string): Promise<PostgresConnection> => {
    const database = await source.database('source');
    await source.sql(
      database,
      `CREATE TABLE plain (id int PRIMARY KEY, v text);
      CREATE TABLE placed (id int CONSTRAINT placed_key PRIMARY KEY USING INDEX TABLESPACE ${tablespace}, v text) TABLESPACE ${tablespace};
      CREATE INDEX plain_index ON plain (v) TABLESPACE ${tablespace};
      CREATE TABLE parted (id int) PARTITION BY RANGE (id) TABLESPACE ${tablespace};
      CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
      CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200) TABLESPACE pg_default;
      INSERT INTO plain SELECT i, 'plain ' || i FROM generate_series(1, 100) i; INSERT INTO placed SELECT i, 'placed ' || i FROM generate_series(1, 100) i;
      INSERT INTO parted VALUES (1), (101);
      CREATE MATERIALIZED VIEW viewed TABLESPACE ${tablespace} AS SELECT count(*) AS n FROM placed`,
    );
    return database;
  };
  const rows =
    "SELECT md5(string_agg(p.v || q.v, ',' ORDER BY id)), (SELECT sum(id) FROM parted), (SELECT n FROM viewed) FROM plain p JOIN placed q USING (id)";

  it('are kept when both servers have them, whatever others the source server has', async () => {
    const from = await filled('fast');
    const backup = await source.backup(from);
    const to = await target.database('target');
    const restored = await target.restore(to, backup);
    expect(restored.warnings).toEqual([]);
    expect(await target.sql(to, placesSql)).toBe(
      'parted@fast parted_1@fast parted_2 placed@fast placed_key@fast plain plain_index@fast plain_pkey viewed@fast',
    );
    expect(await target.sql(to, rows)).toBe(await source.sql(from, rows));
  });

  it('are named in a warning when the target lacks them, and their data goes to the default place', async () => {
    const from = await filled('"slow disk"');
    await source.sql(from, 'CREATE TABLE also (a int) TABLESPACE fast; INSERT INTO also VALUES (1)');
    const backup = await source.backup(from);
    const to = await target.database('target');
    const restored = await target.restore(to, backup);
    expect(restored.warnings).toEqual([
      "the target has no tablespace slow disk: everything goes to the database's default one",
    ]);
    expect(await target.sql(to, placesSql)).toBe(
      'also parted parted_1 parted_2 placed placed_key plain plain_index plain_pkey viewed',
    );
    expect(await target.sql(to, rows)).toBe(await source.sql(from, rows));
    expect(await target.sql(to, 'SELECT a FROM also')).toBe('1');
  });

  it('keep the place of one table that is restored by itself', async () => {
    const backup = await source.backup(await filled('fast'));
    const to = await target.database('target');
    const restored = await target.restore(to, backup, { only: ['public.placed'] });
    expect(restored.warnings).toEqual([]);
    expect(await target.sql(to, placesSql)).toBe('placed@fast placed_key@fast');
    expect(await target.sql(to, 'SELECT count(*) FROM placed')).toBe('100');
  });
});
