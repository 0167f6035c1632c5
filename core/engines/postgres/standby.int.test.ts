import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../../sandbox/postgres/postgres-server.ts';
import type { PostgresConnection } from './connection.ts';
import { runClient } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

const unlogged = 'is unlogged, and a standby server cannot read it; its definition is kept';

describe('a source that is a streaming standby', () => {
  let primary: Harness;
  let standby: PostgresServer;
  let directory: string;
  let source: PostgresConnection;
  let copy: PostgresConnection;

  beforeAll(async () => {
    primary = await Harness.start(18);
    source = await primary.database('source');
    await primary.sql(
      source,
      `CREATE TABLE t AS SELECT i, md5(i::text) AS v FROM generate_series(1, 2000) i;
      CREATE UNLOGGED TABLE cache (id int GENERATED ALWAYS AS IDENTITY, v text DEFAULT 'kept'); INSERT INTO cache DEFAULT VALUES;
      CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p_logged PARTITION OF p FOR VALUES FROM (0) TO (10);
      CREATE UNLOGGED TABLE p_unlogged PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (1), (11);
      CREATE SEQUENCE numbers START 100; SELECT nextval('numbers'); SELECT lo_from_bytea(4711, 'a large object');
      CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t`,
    );
    directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-standby-'));
    const data = path.join(directory, 'data');
    const { connection } = primary.server;
    await runClient(`${primary.bin}/pg_basebackup`, ['-D', data, '-R', '-c', 'fast'], connection);
    if (process.getuid?.() === 0) execFileSync('chown', ['-R', '65534:65534', directory]);
    // By hand: pg_basebackup writes down options of its own libpq, which the server's may not know.
    const upstream = `host=${connection.host} port=${connection.port} user=${connection.username} password=${connection.password}`;
    standby = await startPostgres({
      major: 18,
      dataDirectory: data,
      settings: { primary_conninfo: upstream, wal_receiver_status_interval: '1s' },
    });
    copy = standby.connectionTo(source.dbname);
    await replayed();
  });
  afterAll(async () => {
    await standby?.destroy();
    rmSync(directory, { recursive: true, force: true });
    await primary.stop();
  });

  /** Waits until the standby shows all that the primary has done. */
  const replayed = async () => {
    // A commit flushes what a VACUUM before it only wrote to memory.
    await primary.sql(source, "SELECT pg_logical_emit_message(true, 'test', '')");
    const lsn = await primary.sql(source, 'SELECT pg_current_wal_flush_lsn()');
    for (let tries = 0; tries < 300; tries += 1) {
      if ((await primary.sql(copy, `SELECT pg_last_wal_replay_lsn() >= '${lsn}'`)) === 't') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('the standby does not catch up');
  };
  const feedback = async (wanted: 'on' | 'off') => {
    await primary.sql(copy, `ALTER SYSTEM SET hot_standby_feedback = ${wanted}`);
    await primary.sql(
      copy,
      `ALTER SYSTEM SET max_standby_streaming_delay = '${wanted === 'on' ? '30s' : '0'}'`,
    );
    await primary.sql(copy, 'SELECT pg_reload_conf()');
    const held = `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND (backend_xmin IS NOT NULL) = ${wanted === 'on'}`;
    for (let tries = 0; (await primary.sql(source, held)) !== '1'; tries += 1) {
      if (tries === 300) throw new Error(`hot_standby_feedback does not turn ${wanted}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  /** Rows of the snapshot disappear for good where nothing holds them. */
  const replaceRows = async (value: number) => {
    await primary.sql(source, `WITH gone AS (DELETE FROM t) INSERT INTO t VALUES (${value}, 'new')`);
    await primary.sql(source, 'VACUUM (TRUNCATE false) t');
  };

  it('says what cannot be read there before a backup does', async () => {
    await feedback('off');
    const probe = await primary.engine().probe(copy);
    expect(probe.ok).toBe(true);
    expect(probe.findings).toContainEqual({
      severity: 'warning',
      message: 'the server is a standby and may cancel long reads',
      hint: expect.stringContaining('hot_standby_feedback = on'),
    });
    expect(probe.notCovered).toEqual(
      expect.arrayContaining(
        ['public.cache', 'public.cache_id_seq', 'public.p_unlogged'].map((name) => ({
          name,
          reason: unlogged,
        })),
      ),
    );
  });

  it('keeps its snapshot while replication goes on, and comes back without the rows of unlogged tables', async () => {
    await feedback('on');
    const backup = await primary.backup(copy, {
      engine: {
        onStep: async (step) => {
          if (step !== 'ready') return;
          await replaceRows(5000);
          await primary.sql(source, "INSERT INTO p VALUES (2); SELECT setval('numbers', 900)");
          await replayed();
        },
      },
    });
    expect(await primary.sql(copy, 'SELECT count(*), min(i) FROM t')).toBe('1|5000');
    expect(backup.outcome.position).toMatchObject({
      standby: true,
      lsn: expect.stringMatching(/^\w+\/\w+$/),
    });
    expect(backup.outcome.notCovered.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
      ['public.cache', 'public.cache_id_seq', 'public.p_unlogged'].map((name) => ({
        name,
        reason: unlogged,
      })),
    );
    expect(backup.outcome.independentCounts).toContainEqual({ name: 'public.t', rows: 2000 });

    const target = await primary.database('target');
    const restored = await primary.restore(target, backup);
    expect(restored.warnings).toEqual([]);
    const rows = `SELECT count(*), md5(string_agg(i || v, ',' ORDER BY i)), (SELECT string_agg(a::text, ',') FROM p), (SELECT count FROM m),
      (SELECT convert_from(lo_get(4711), 'UTF8')) FROM t`;
    const original = `SELECT md5(string_agg(i || md5(i::text), ',' ORDER BY i)) FROM generate_series(1, 2000) i`;
    expect(await primary.sql(target, rows)).toBe(
      `2000|${await primary.sql(target, original)}|1|2000|a large object`,
    );
    // Sequences know no snapshot: never behind the rows, so no number is given twice.
    expect(await primary.sql(target, "SELECT nextval('numbers')")).toBe('901');
    expect(await primary.sql(target, 'SELECT count(*) FROM cache')).toBe('0');
    expect(await primary.sql(target, 'INSERT INTO cache DEFAULT VALUES RETURNING id, v')).toBe('1|kept');
    expect(
      await primary.sql(
        target,
        "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'",
      ),
    ).toBe('cache,p_unlogged');
  });

  it('is told to be tried again, and how to avoid it, when replication cancels the backup', async () => {
    await feedback('off');
    const attempt = primary.backup(copy, {
      engine: {
        onStep: async (step) => {
          if (step !== 'ready') return;
          await replaceRows(6000);
          await replayed();
        },
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
      retryable: true,
      message: expect.stringContaining('conflict with recovery'),
      hint: expect.stringContaining('hot_standby_feedback = on'),
    });
    expect(
      await primary.sql(
        copy,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdfast-%'",
      ),
    ).toBe('0');
  });
});
