import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackupOutcome } from '../engine.ts';
import type { TestStore } from '../testing.ts';
import type { PostgresConnection } from './connection.ts';
import { Harness } from './testing/harness.ts';

const rows = 400_000;
const fixture = `
  CREATE TABLE big (id bigint, code text, note text);
  INSERT INTO big SELECT i, 'code ' || i, repeat('abcdefgh', 12) FROM generate_series(1, ${rows}) i;
  ALTER TABLE big ADD PRIMARY KEY (id), ADD UNIQUE (code);
  CREATE INDEX big_note ON big (note, id); COMMENT ON INDEX big_note IS 'kept';
  CREATE TABLE small (big bigint REFERENCES big, name text UNIQUE);
  INSERT INTO small SELECT i, 'n' || i FROM generate_series(1, 10) i;
  CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM small`;
const indexesSql = `SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = 'public.big'::regclass AND i.indisvalid`;
const allIndexes = 'big_code_key big_note big_pkey';

describe('order of a restore', () => {
  let harness: Harness;
  let backup: { store: TestStore; outcome: BackupOutcome };
  beforeAll(async () => {
    harness = await Harness.start(18);
    const source = await harness.database('source');
    await harness.sql(source, fixture);
    backup = await harness.backup(source);
  });
  afterAll(() => harness.stop());

  const waitForIndexes = async (target: PostgresConnection) => {
    for (let tries = 0; tries < 300; tries += 1) {
      if ((await harness.sql(target, indexesSql)) === allIndexes) return;
      await sleep(100);
    }
    throw new Error('the indexes of the big table waited for the rows of the small one');
  };

  it('builds the indexes of a big table while rows of others are still to come', async () => {
    const target = await harness.database();
    const restored = await harness.restore(target, backup, {
      read: async (name) => {
        if (name === 'public.small') await waitForIndexes(target);
        return backup.store.read(name);
      },
    });
    expect(restored.rows).toBe(rows + 10);
    expect(restored.warnings).toEqual([]);
    expect(await harness.sql(target, indexesSql)).toBe(allIndexes);
    expect(await harness.sql(target, "SELECT obj_description('big_note'::regclass)")).toBe('kept');
    expect(await harness.sql(target, 'SELECT count(*) FROM big JOIN small ON small.big = big.id')).toBe('10');
    expect(
      await harness.sql(target, "SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated"),
    ).toBe('small_big_fkey');
  });

  it('leaves the statistics of all that it brought, and of nothing else', async () => {
    const statistics = `SELECT string_agg(DISTINCT tablename, ' ') FROM pg_stats WHERE schemaname = 'public'`;
    const whole = await harness.database();
    expect((await harness.restore(whole, backup)).phases.map(({ name }) => name)).toContain('statistics');
    expect(await harness.sql(whole, statistics)).toBe('big small sums');
    const part = await harness.database();
    await harness.sql(part, 'CREATE TABLE other AS SELECT 1 AS n');
    await harness.restore(part, backup, { only: ['public.small'] });
    expect(await harness.sql(part, statistics)).toBe('small');
  });

  it('is not ended by time limits of the database, on connections that wait and on those that work', async () => {
    const target = await harness.database();
    for (const limit of ['idle_session_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout'])
      await harness.sql(target, `ALTER DATABASE ${target.dbname} SET ${limit} = '300ms'`);
    await expect(harness.sql(target, 'SELECT pg_sleep(1)')).rejects.toThrow('statement timeout');
    const restored = await harness.restore(target, backup, {
      read: async (name) => {
        await sleep(name === 'public.small' ? 1500 : 400);
        return backup.store.read(name);
      },
    });
    expect(restored.rows).toBe(rows + 10);
  });

  it('names an index that cannot be built while rows still come in, and goes on', async () => {
    const target = await harness.database();
    const restored = await harness.restore(target, backup, {
      // A source whose index was damaged can hold what its own keys forbid.
      read: async (name) => {
        if (name.startsWith('public.big') && name.endsWith('#1'))
          await harness.sql(target, 'CREATE TABLE big_code_key ()');
        return backup.store.read(name);
      },
    });
    expect(restored.faults).toEqual([
      {
        object: 'CONSTRAINT public.big big_code_key',
        message: 'relation "big_code_key" already exists',
        sqlState: '42P07',
      },
    ]);
    expect(restored.rows).toBe(rows + 10);
    expect(await harness.sql(target, indexesSql)).toBe('big_note big_pkey');
  });
});
