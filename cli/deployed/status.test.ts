import { ulid } from 'ulid';
import { describe, expect, it } from 'vitest';
import { createMemoryCatalogStore } from '../../core/catalog/catalog-store.memory.ts';
import type { RecoveryPoint } from '../../core/catalog/recovery-point.ts';
import { statusOf } from './status.ts';

const now = new Date('2026-11-02T12:00:00.000Z');
const source = { id: 'shop-db', objectives: { rpoSeconds: 3600, rtoSeconds: 3600 } };

function point(startedAt: Date, id = ulid(startedAt.getTime())): RecoveryPoint {
  return {
    schemaVersion: 1,
    id,
    source: source.id,
    region: 'us-east-1',
    type: 'full',
    engine: { name: 'postgres', version: '18.6' },
    startedAt: startedAt.toISOString(),
    finishedAt: startedAt.toISOString(),
    manifestSha256: 'x',
    items: 1,
    rows: 1,
    bytes: 1,
    storedBytes: 1,
    notCovered: 0,
    state: 'protected',
    protectedAt: now.toISOString(),
  };
}

async function statusWith(...points: RecoveryPoint[]) {
  const catalog = createMemoryCatalogStore();
  for (const record of points) await catalog.putRecoveryPoint(record);
  return statusOf(catalog, source, now);
}

const inSeconds = (seconds: number) => new Date(now.getTime() + seconds * 1000);

describe('status', () => {
  it('is fine up to the RPO and not beyond it', async () => {
    expect((await statusWith(point(inSeconds(-3600)))).ok).toBe(true);
    expect((await statusWith(point(inSeconds(-3600.001)))).ok).toBe(false);
    expect((await statusWith()).ok).toBe(false);
  });

  it('is not fine with a point begun later than now, and counts from the newest of the others', async () => {
    const old = point(inSeconds(-1800));
    for (const ahead of [point(inSeconds(11)), point(inSeconds(-60), ulid(inSeconds(11).getTime()))]) {
      const status = await statusWith(old, ahead);
      expect(status).toMatchObject({
        ok: false,
        datedAhead: [ahead.id],
        newestProtected: { id: old.id, ageSeconds: 1800 },
      });
    }
  });

  it('lets clocks be a little apart', async () => {
    const near = point(inSeconds(10));
    expect(await statusWith(near)).toMatchObject({ ok: true, newestProtected: { id: near.id } });
  });
});
