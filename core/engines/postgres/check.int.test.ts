import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canaryKey, signCanary } from '../../canary/canary.ts';
import type { Manifest } from '../../vault/manifest.ts';
import type { CheckContext } from '../engine.ts';
import { canaryComment } from './canary.ts';
import type { PostgresConnection } from './connection.ts';
import { Harness } from './testing/harness.ts';

const key = canaryKey(Buffer.alloc(32, 7));
const canaries = Array.from({ length: 60 }, (_, i) => {
  const row = { seq: i + 1, writtenAt: new Date(Date.UTC(2026, 0, 1, 0, 0, i + 1, 123)) };
  return { ...row, signature: signCanary(key, row) };
});

describe('content checks', () => {
  let harness: Harness;
  let manifest: Manifest;
  let source: PostgresConnection;
  beforeAll(async () => {
    harness = await Harness.start(16);
    source = await harness.database('source');
    await harness.sql(
      source,
      `
      CREATE SCHEMA holdfast; CREATE TABLE holdfast.canary (seq bigint PRIMARY KEY, written_at timestamptz NOT NULL, signature text NOT NULL);
      COMMENT ON TABLE holdfast.canary IS '${canaryComment}: test';
      INSERT INTO holdfast.canary VALUES ${canaries.map(({ seq, writtenAt, signature }) => `(${seq}, '${writtenAt.toISOString()}', '${signature}')`).join(', ')};
      CREATE TABLE parent (id int, part int, PRIMARY KEY (id, part)); INSERT INTO parent SELECT i, i % 3 FROM generate_series(1, 500) i;
      CREATE TABLE child (a int, b int, FOREIGN KEY (a, b) REFERENCES parent); INSERT INTO child SELECT i, i % 3 FROM generate_series(1, 500) i`,
    );
    const backup = await harness.backup(source);
    manifest = backup.store.manifest(backup.outcome);
  });
  afterAll(() => harness.stop());

  const report = (
    change: Partial<CheckContext<PostgresConnection>> & { readonly connection: PostgresConnection },
  ) =>
    harness
      .engine()
      .check({ manifest, assertions: [], canaryKey: key, signal: new AbortController().signal, ...change });
  const check = async (connection: PostgresConnection, assertions: { name: string; sql: string }[] = []) => {
    const { checks: results } = await report({ connection, assertions });
    return Object.fromEntries(results.map((result) => [result.name, result]));
  };
  const damaged = async (statement: string) => {
    const copy = await harness.database('copy');
    const backup = await harness.backup(source);
    await harness.restore(copy, backup);
    await harness.sql(copy, statement);
    return copy;
  };

  it('hold on the source itself, canary included', async () => {
    expect(manifest.canary).toEqual({
      schema: 'holdfast',
      seq: 60,
      writtenAt: '2026-01-01T00:01:00.123Z',
      signature: canaries.at(-1)?.signature,
    });
    const results = await check(source);
    expect(Object.entries(results).map(([name, result]) => [name, result.ok])).toEqual([
      ['row counts', true],
      ['foreign keys', true],
      ['sampled rows', true],
      ['canary', true],
    ]);
  });

  it('find missing rows', async () => {
    const results = await check(await damaged('DELETE FROM child WHERE a = 7'));
    expect(results['row counts']).toMatchObject({
      ok: false,
      detail: expect.stringContaining('public.child has 499 rows instead of 500'),
    });
  });

  it('find an orphan, a key that is not validated and a key that is gone', async () => {
    const orphan = await check(
      await damaged(`SET session_replication_role = replica; DELETE FROM parent WHERE id = 7`),
    );
    expect(orphan['foreign keys']).toMatchObject({
      ok: false,
      detail: expect.stringContaining('1 row without a parent'),
    });
    const loose = await check(
      await damaged(
        'ALTER TABLE child DROP CONSTRAINT child_a_b_fkey; ALTER TABLE child ADD CONSTRAINT child_a_b_fkey FOREIGN KEY (a, b) REFERENCES parent NOT VALID',
      ),
    );
    expect(loose['foreign keys']).toMatchObject({
      ok: false,
      detail: expect.stringContaining('is not validated'),
    });
    const gone = await check(await damaged('ALTER TABLE child DROP CONSTRAINT child_a_b_fkey'));
    expect(gone['foreign keys']).toMatchObject({
      ok: false,
      detail: expect.stringContaining('0 foreign keys instead of 1'),
    });
  });

  it('tell a canary table that nobody wrote to from one that is not there', async () => {
    const { canary: _none, ...without } = manifest;
    const empty = await report({ manifest: without, connection: await damaged('TRUNCATE holdfast.canary') });
    expect(empty.notChecked).toEqual([
      expect.stringMatching(
        /^canary: holdfast\.canary was installed, but never written to, .* does its writer run\?$/,
      ),
    ]);
    const gone = await report({ manifest: without, connection: await damaged('DROP TABLE holdfast.canary') });
    expect(gone.notChecked).toEqual([
      expect.stringMatching(/^canary: none installed, .* canary install \S+$/),
    ]);
  });

  it('find an empty table and an older canary', async () => {
    const results = await check(await damaged('TRUNCATE child; DELETE FROM holdfast.canary WHERE seq > 58'));
    expect(results['sampled rows']).toMatchObject({
      ok: false,
      detail: expect.stringContaining('public.child'),
    });
    expect(results['canary']).toMatchObject({ ok: false, detail: expect.stringContaining('number 58') });
  });

  it('measure by a canary only when its signature holds', async () => {
    const measured = await report({ connection: source });
    expect(measured.recoveredTo).toEqual({ at: '2026-01-01T00:01:00.123Z', by: 'canary' });
    expect(measured.notChecked).toEqual([]);
    const { snapshotTime } = manifest.position;
    const withoutKey = await harness.engine().check({
      connection: source,
      manifest,
      assertions: [],
      signal: new AbortController().signal,
    });
    expect(withoutKey.recoveredTo).toEqual({ at: snapshotTime, by: 'snapshot' });
    expect(withoutKey.notChecked).toEqual([expect.stringMatching(/^canary signature: no key was given/)]);
    const other = await report({ connection: source, canaryKey: canaryKey(Buffer.alloc(32, 9)) });
    expect(other.recoveredTo.by).toBe('snapshot');
    expect(other.notChecked).toEqual([expect.stringMatching(/^canary signature: .*another key/)]);
    expect(other.checks.every(({ ok }) => ok)).toBe(true);
  });

  it('measure by the snapshot when the canary is later than it could be, and say so', async () => {
    const at = (snapshotTime: string, finishedAt = manifest.finishedAt) =>
      report({
        connection: source,
        manifest: { ...manifest, finishedAt, position: { ...manifest.position, snapshotTime } },
      });
    const near = await at('2026-01-01T00:00:50.123Z');
    expect(near.recoveredTo).toEqual({ at: '2026-01-01T00:01:00.123Z', by: 'canary' });
    const ahead = await at('2026-01-01T00:00:50.122Z');
    expect(ahead.recoveredTo).toEqual({ at: '2026-01-01T00:00:50.122Z', by: 'snapshot' });
    expect(ahead.notChecked).toEqual([
      expect.stringMatching(
        /^canary: the canary number 60 .* is later than the snapshot .* measured by the snapshot only$/,
      ),
    ]);
    const afterEnd = await at('2026-02-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z');
    expect(afterEnd.recoveredTo.by).toBe('snapshot');
  });

  it('find a canary that somebody without the key wrote, and measure by the newest genuine one', async () => {
    const forged = await damaged(
      `INSERT INTO holdfast.canary SELECT 61, '2026-06-01', signature FROM holdfast.canary WHERE seq = 60;
       INSERT INTO holdfast.canary VALUES (9000000000000000000, 'infinity', 'x')`,
    );
    const backup = await harness.backup(forged);
    const { checks, recoveredTo } = await report({
      connection: forged,
      manifest: backup.store.manifest(backup.outcome),
    });
    expect(checks.find(({ name }) => name === 'canary')).toMatchObject({
      ok: false,
      detail: expect.stringContaining('number 61 of 2026-06-01T00:00:00.000Z carries no valid signature'),
    });
    expect(recoveredTo).toEqual({ at: '2026-01-01T00:01:00.123Z', by: 'canary' });
  });

  it('take only a single true as an assertion that holds, and let none write', async () => {
    const results = await check(source, [
      { name: 'true', sql: 'select count(*) = 500 from child' },
      { name: 'false', sql: 'select count(*) = 0 from child' },
      { name: 'null', sql: 'select null::boolean' },
      { name: 'text', sql: "select 'true'" },
      { name: 'two rows', sql: 'select true from child limit 2' },
      { name: 'two columns', sql: 'select true, true' },
      { name: 'write', sql: 'delete from child returning true' },
      { name: 'escape', sql: 'commit; delete from child; select true' },
      { name: 'error', sql: 'select 1/0 = 0' },
    ]);
    expect(
      Object.keys(results)
        .filter((name) => results[name]!.ok)
        .toSorted(),
    ).toEqual(['canary', 'foreign keys', 'row counts', 'sampled rows', 'true']);
    expect(await harness.sql(source, 'SELECT count(*) FROM child')).toBe('500');
  });
});
