import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ItemInput } from '../../vault/vault.ts';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump, runClient } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

describe('locks of a backup', () => {
  let harness: Harness;
  beforeAll(async () => {
    // As little room for locks as a server can have with these connections.
    harness = await Harness.start(18, {
      max_connections: '40',
      max_locks_per_transaction: '10',
      max_pred_locks_per_transaction: '10',
      max_worker_processes: '0',
      max_wal_senders: '0',
      wal_level: 'minimal',
      autovacuum: 'off',
      autovacuum_max_workers: '1',
      autovacuum_worker_slots: '1',
    });
  });
  afterAll(() => harness.stop());

  const withTables = async (count: number) => {
    const source = await harness.database('source');
    await harness.sql(
      source,
      `DO $$ BEGIN FOR i IN 1..${count} LOOP EXECUTE format('CREATE TABLE t%s (id serial)', i); COMMIT; END LOOP; END $$`,
    );
    return source;
  };
  const pgDump = async (source: PostgresConnection) => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-control-'));
    const arguments_ = ['-Fd', '-j2', '--no-sync', '-f', path.join(directory, 'dump')];
    await runClient(`${harness.bin}/pg_dump`, arguments_, source).finally(() =>
      rmSync(directory, { recursive: true }),
    );
  };

  // As many as pg_dump -j2: one of its leader and one of a worker for each table, and below version 18 one for each sequence.
  it('are two for each table at most, and fit where those of pg_dump fit', async () => {
    const source = await withTables(240);
    await pgDump(source);
    const store = await harness.store();
    const counts: number[] = [];
    let stored = 0;
    const outcome = await harness.engine().backup({
      connection: source,
      connections: 2,
      onDdl: 'hold',
      signal: new AbortController().signal,
      onProgress: () => undefined,
      log: { info: () => undefined, warn: () => undefined },
      store: async (item) => {
        if (item.kind === 'table' && (stored += 1) % 40 === 0)
          counts.push(
            Number(
              await harness.sql(
                source,
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE relation >= 16384 AND application_name LIKE 'holdfast-%'",
              ),
            ),
          );
        return store.store(item);
      },
    });
    expect(counts).toHaveLength(6);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(240);
    // Two workers and the counter are at one table each.
    expect(Math.max(...counts)).toBeLessThanOrEqual(2 * 240 + 3);
    const target = await harness.database('target');
    await harness.restore(target, { store, outcome }, { only: ['public.t1', 'public.t240'] });
    expect(await harness.sql(target, 'SELECT count(*) FROM t1, t240')).toBe('0');
  });

  it('are refused with the setting to change when the server has no room for them, before a row is stored', async () => {
    const source = await withTables(1000);
    await expect(pgDump(source)).rejects.toMatchObject({
      stderr: expect.stringMatching(/lock|shared memory/),
    });
    const started: string[] = [];
    const store = (item: ItemInput) => Promise.reject(started.push(item.name));
    await expect(harness.backup(source, { store })).rejects.toMatchObject({
      code: 'SOURCE_LOCKS',
      message: expect.stringMatching(/needs locks on 1000 tables.* \(max_locks_per_transaction 10 × 40 /),
      hint: expect.stringMatching(/max_locks_per_transaction = 32 /),
      detail: { locks: 1000, maxLocksPerTransaction: 10, wanted: 32 },
    });
    expect(started).toEqual([]);
  });

  it('are given up as soon as one stream fails', async () => {
    const source = await withTables(60);
    const store = await harness.store();
    const begun: string[] = [];
    const running = harness.backup(source, {
      store: async (item) => {
        if (item.kind === 'table') begun.push(item.name);
        if (begun.length === 1) throw new Error('the vault broke');
        return store.store(item);
      },
    });
    await expect(running).rejects.toThrow('the vault broke');
    // The one that failed, and at most what the other stream was at.
    expect(begun.length).toBeLessThanOrEqual(2);
    await harness.sql(source, "SET lock_timeout = '1s'; DROP TABLE t60");
    const target = await harness.database('target');
    await harness.restore(target, await harness.backup(source));
    expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
  });
});
