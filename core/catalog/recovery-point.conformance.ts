import { ulid } from 'ulid';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CatalogStore } from './catalog-store.ts';
import type { RecoveryPoint } from './recovery-point.ts';

const noon = new Date('2026-11-02T12:00:00.000Z');
const seconds = (n: number) => new Date(noon.getTime() + n * 1000);

/** A recovery point record for tests. */
export function examplePoint(source: string, id: string, change: Partial<RecoveryPoint> = {}): RecoveryPoint {
  return {
    schemaVersion: 1,
    id,
    source,
    region: 'us-east-1',
    type: 'full',
    engine: { name: 'postgres', version: '18.6' },
    startedAt: noon.toISOString(),
    finishedAt: seconds(60).toISOString(),
    manifestSha256: '0'.repeat(64),
    items: 3,
    rows: 10,
    bytes: 1000,
    storedBytes: 400,
    notCovered: 0,
    state: 'stored',
    ...change,
  } as RecoveryPoint;
}

/** The part of the catalogue's suite that is about recovery points. */
export function describeRecoveryPoints(name: string, make: () => Promise<CatalogStore>): void {
  describe(`recovery points in the catalogue: ${name}`, () => {
    let store: CatalogStore;
    beforeEach(async () => {
      store = await make();
    });

    describe('lists', () => {
      it('lists recovery points newest first, page by page, of one source or of all', async () => {
        const ids = Array.from({ length: 5 }, (_, n) => ulid(noon.getTime() + n * 1000));
        for (const [n, id] of ids.entries()) {
          await store.putRecoveryPoint(examplePoint(n === 2 ? 'crm-db' : 'shop-db', id));
        }
        const newestFirst = ids.toReversed();
        expect((await store.listRecoveryPoints()).map(({ id }) => id)).toEqual(newestFirst);
        const page = await store.listRecoveryPoints({ limit: 2 });
        expect(page.map(({ id }) => id)).toEqual(newestFirst.slice(0, 2));
        const next = await store.listRecoveryPoints({ limit: 2, before: page[1]!.id });
        expect(next.map(({ id }) => id)).toEqual(newestFirst.slice(2, 4));
        const shop = await store.listRecoveryPoints({ source: 'shop-db', before: ids[3]! });
        expect(shop.map(({ id }) => id)).toEqual([ids[1], ids[0]]);
        expect(await store.listRecoveryPoints({ source: 'nobody' })).toEqual([]);
      });
    });

    describe('a recovery point', () => {
      const id = ulid(noon.getTime());

      it('moves forward, between stored and stored with the peer down, and to protected', async () => {
        await store.putRecoveryPoint(examplePoint('shop-db', id));
        const down = examplePoint('shop-db', id, { state: 'storedPeerDown', since: noon.toISOString() });
        await store.putRecoveryPoint(down);
        await store.putRecoveryPoint(examplePoint('shop-db', id));
        const safe = examplePoint('shop-db', id, {
          state: 'protected',
          protectedAt: seconds(90).toISOString(),
        });
        await store.putRecoveryPoint(safe);
        expect(await store.getRecoveryPoint('shop-db', id)).toEqual(safe);
        await expect(store.putRecoveryPoint(down)).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
        expect(await store.getRecoveryPoint('shop-db', id)).toEqual(safe);
      });

      it('goes back only when its state was read from the objects', async () => {
        const safe = examplePoint('shop-db', id, { state: 'protected', protectedAt: noon.toISOString() });
        await store.putRecoveryPoint(safe);
        const arriving = examplePoint('shop-db', id, { state: 'arriving', missing: 2 });
        await expect(store.putRecoveryPoint(arriving)).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
        await store.putRecoveryPoint(arriving, { recomputed: true });
        expect(await store.getRecoveryPoint('shop-db', id)).toEqual(arriving);
      });

      it('keeps its last restore test when its state changes', async () => {
        const restoreTest = { jobId: 'job-1', at: noon.toISOString(), result: 'PASSED' as const };
        await store.putRecoveryPoint(examplePoint('shop-db', id, { restoreTest }));
        const safe = examplePoint('shop-db', id, { state: 'protected', protectedAt: noon.toISOString() });
        await store.putRecoveryPoint(safe);
        expect(await store.getRecoveryPoint('shop-db', id)).toEqual({ ...safe, restoreTest });
      });
    });
  });
}
