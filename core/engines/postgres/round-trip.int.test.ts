import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresMajor, postgresBinDirectory } from '../../../sandbox/postgres/postgres-server.ts';
import { normalizedDump, runClient } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';
import { loadTorture } from './testing/torture.ts';

const majors: readonly PostgresMajor[] = [14, 15, 16, 17, 18];

/** What PostgreSQL's own tools make of the source, as the measure of ours. */
async function restoreWithPgRestore(source: Harness, from: Parameters<typeof runClient>[2], target: Harness) {
  const reference = await target.database('reference');
  const dump = `${target.server.dataDirectory}/reference-${reference.dbname}.dump`;
  await runClient(`${source.bin}/pg_dump`, ['-Fc', '-f', dump], from);
  await runClient(`${target.bin}/pg_restore`, ['-d', reference.dbname, dump], reference);
  return reference;
}

describe('round trip of everything that pg_dump can carry', () => {
  for (const major of majors) {
    it(`gives what pg_restore gives, on version ${major}`, async () => {
      const harness = await Harness.start(major);
      try {
        const source = await harness.database('source');
        await loadTorture(`${harness.bin}/psql`, source, major);

        const backup = await harness.backup(source, { engine: { partBytes: 64 * 1024 } });
        const target = await harness.database('target');
        const restored = await harness.restore(target, backup);

        const reference = await restoreWithPgRestore(harness, source, harness);
        const dump = await normalizedDump(harness.bin, target);
        expect(dump).toBe(await normalizedDump(harness.bin, reference));
        expect(dump).toBe(await normalizedDump(harness.bin, source));
        expect(dump.length).toBeGreaterThan(100_000);
        expect(restored.warnings).toEqual([]);
        expect(backup.outcome.notCovered.map((entry) => entry.name)).toEqual(['app.passwd']);
        const { checks } = await harness.engine().check({
          connection: target,
          manifest: backup.store.manifest(backup.outcome),
          assertions: [],
          signal: new AbortController().signal,
        });
        expect(checks.filter((check) => !check.ok)).toEqual([]);
      } finally {
        await harness.stop();
      }
    });
  }

  it('restores version 14 into version 18, with roles and settings', async () => {
    const old = await Harness.start(14);
    const recent = await Harness.start(18);
    try {
      const source = await old.database('source');
      await loadTorture(`${old.bin}/psql`, source, 14);
      const target = await recent.database('target');

      const backup = await old.backup(source);
      const restored = await recent.restore(target, backup);

      const reference = await restoreWithPgRestore(old, source, recent);
      expect(await normalizedDump(recent.bin, target)).toBe(await normalizedDump(recent.bin, reference));
      expect(restored.warnings).toEqual([
        'role torture_reader was created without a password: set one before it can log in',
      ]);
      const settings = await recent.sql(
        target,
        `SELECT coalesce(setrole::regrole::text, '') || ' ' || setconfig::text FROM pg_db_role_setting
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY setdatabase <> 0, 1`,
      );
      expect(settings.split('\n')).toEqual([
        'torture_reader {"search_path=app, \\"$user\\", public",work_mem=5MB}',
        '- {default_transaction_read_only=off,"search_path=app, \\"Odd schema\\""}',
        'torture_reader {statement_timeout=1min}',
      ]);
      const roles = await recent.sql(
        target,
        `SELECT rolname, rolcanlogin, rolcreatedb, rolconnlimit, rolpassword IS NULL FROM pg_authid WHERE rolname ~ 'torture|odd' ORDER BY 1`,
      );
      expect(roles.split('\n')).toEqual([
        'odd owner|f|t|-1|t',
        'torture_owner|f|f|-1|t',
        'torture_reader|t|f|3|t',
      ]);
    } finally {
      await old.stop();
      await recent.stop();
    }
  });
});

describe('round trip', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start(18);
  });
  afterAll(() => harness.stop());

  it('carries an empty database', async () => {
    const source = await harness.database();
    const backup = await harness.backup(source);
    const target = await harness.database();
    const restored = await harness.restore(target, backup);
    expect(restored.rows).toBe(0);
    expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
    expect(backup.store.items.map((item) => item.name).toSorted()).toEqual([
      '@globals',
      '@schema',
      '@sequences',
    ]);
  });

  it('carries values of 100 MB', async () => {
    const source = await harness.database();
    await harness.sql(
      source,
      `CREATE TABLE big (id int, t text, b bytea); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
      INSERT INTO big SELECT i, repeat(md5(i::text), 3276800), decode(repeat('00ff', 10000000), 'hex') FROM generate_series(1, 2) i`,
    );
    const backup = await harness.backup(source);
    const target = await harness.database();
    await harness.restore(target, backup);
    const digest = 'SELECT string_agg(md5(t) || md5(b), chr(10) ORDER BY id) FROM big';
    expect(await harness.sql(target, digest)).toBe(await harness.sql(source, digest));
    expect(await harness.sql(target, 'SELECT sum(length(t)) FROM big')).toBe('209715200');
  });

  it('carries 1,000 tables', async () => {
    const source = await harness.database();
    for (let batch = 0; batch < 4; batch += 1) {
      await harness.sql(
        source,
        `DO $$ BEGIN FOR i IN ${batch * 250 + 1}..${batch * 250 + 250} LOOP
        EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, v text)', i); EXECUTE format('INSERT INTO t%s SELECT g, %L FROM generate_series(1, 3) g', i, i); END LOOP; END $$`,
      );
    }
    const backup = await harness.backup(source);
    const target = await harness.database();
    const restored = await harness.restore(target, backup);
    expect(restored.rows).toBe(3000);
    expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
  });

  it('splits a table so that all connections have work, without losing or doubling a row', async () => {
    const source = await harness.database();
    await harness.sql(
      source,
      `CREATE TABLE t AS SELECT i, md5(i::text) AS v FROM generate_series(1, 30000) i; DELETE FROM t WHERE i % 5 = 0; CREATE TABLE u (a int)`,
    );
    const backup = await harness.backup(source, { engine: { partBytes: 200 * 1024 }, connections: 3 });
    const parts = backup.store.items.filter((item) => item.name.startsWith('public.t#'));
    expect(parts.length).toBeGreaterThan(5);
    expect(parts.reduce((sum, item) => sum + (item.rows ?? 0), 0)).toBe(24000);
    const target = await harness.database();
    await harness.restore(target, backup);
    expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
  });

  it('refuses a target that holds something, and changes nothing there', async () => {
    const source = await harness.database();
    await harness.sql(source, 'CREATE TABLE t (a int); INSERT INTO t VALUES (1)');
    const backup = await harness.backup(source);
    const target = await harness.database();
    await harness.sql(target, 'CREATE TABLE mine (a int); INSERT INTO mine VALUES (7)');
    const before = await normalizedDump(harness.bin, target);
    await expect(harness.restore(target, backup)).rejects.toMatchObject({
      code: 'TARGET_NOT_EMPTY',
      message: expect.stringContaining('table public.mine'),
      hint: expect.stringContaining('CREATE DATABASE'),
    });
    expect(await normalizedDump(harness.bin, target)).toBe(before);
  });

  it('refuses a target of an older major', async () => {
    const backup = await harness.backup(await harness.database());
    const old = await Harness.start(17);
    try {
      await expect(old.restore(await old.database(), backup)).rejects.toMatchObject({
        code: 'TARGET_TOO_OLD',
      });
    } finally {
      await old.stop();
    }
  });
});

describe('client programs', () => {
  it('are named when they are missing', async () => {
    const harness = await Harness.start(17);
    try {
      const source = await harness.database();
      await expect(
        harness.backup(source, { engine: { binDirectory: () => '/nonexistent' } }),
      ).rejects.toMatchObject({
        code: 'TOOL_MISSING',
        hint: expect.stringContaining('postgresql-client-17'),
      });
      await expect(
        harness.backup(source, { engine: { binDirectory: () => postgresBinDirectory(14) } }),
      ).rejects.toMatchObject({ code: 'TOOL_MISSING', message: expect.stringContaining('only 14') });
    } finally {
      await harness.stop();
    }
  });
});
