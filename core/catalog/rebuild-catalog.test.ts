import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError } from '../errors.ts';
import { manifestKey } from '../vault/layout.ts';
import type { Vault } from '../vault/vault.ts';
import { createMemoryCatalogStore } from './catalog-store.memory.ts';
import type { CatalogStore } from './catalog-store.ts';
import type { PeerStore } from './compare-copy.ts';
import { recordOf } from './point-record.ts';
import { executeRebuild, planRebuild } from './rebuild-catalog.ts';
import { type Copies, noon, source, startCopies } from './testing.copies.ts';

let copies: Copies;
beforeEach(async () => {
  copies = await startCopies();
});
afterEach(() => copies.remove());

describe('a rebuild of the catalogue', () => {
  const rebuild = async (
    change: {
      readonly vault?: Vault;
      readonly catalog?: CatalogStore;
      readonly peer?: PeerStore | undefined;
    } = {},
  ) => {
    const { vault, catalog, peer } = copies;
    const deps = { vault, catalog, peer, region: 'us-west-2', now: () => noon, ...change };
    const plan = await planRebuild(deps);
    return { plan, done: await executeRebuild(deps, plan) };
  };

  it('tells folders that are no source, passes them over and rebuilds the rest', async () => {
    const { id } = await copies.backUp();
    for (const folder of ['shop-db@t1', 'Old Backups', 'x'])
      fs.mkdirSync(path.join(copies.ownFolder, 'v1', folder, 'inside'), { recursive: true });
    fs.mkdirSync(path.join(copies.ownFolder, 'v1', source, 'not-a-point'));
    const { plan, done } = await rebuild();
    expect(plan.strayFolders.toSorted()).toEqual(['v1/Old Backups/', 'v1/shop-db@t1/', 'v1/x/']);
    expect(done).toEqual({ created: 1, changed: 0, kept: 0 });
    expect(await copies.catalog.getRecoveryPoint(source, id)).toBeDefined();
  });

  it('gives back every record from the vault alone, with its Region and state, and changes nothing the second time', async () => {
    const first = await copies.backUp();
    copies.replicate();
    const second = await copies.backUp();
    expect((await rebuild()).done).toEqual({ created: 2, changed: 0, kept: 0 });
    expect(await copies.catalog.getRecoveryPoint(source, first.id)).toEqual(
      recordOf(first, 'us-east-1', { state: 'protected', protectedAt: noon.toISOString() }),
    );
    expect(await copies.stateOf(second.id)).toBe('stored');
    expect((await rebuild()).done).toEqual({ created: 0, changed: 0, kept: 2 });
  });

  it('plans without writing', async () => {
    await copies.backUp();
    const { vault, catalog, peer } = copies;
    await planRebuild({ vault, catalog, peer, region: 'us-west-2', now: () => noon });
    expect(await copies.catalog.listRecoveryPoints()).toEqual([]);
  });

  it('tells, in the other Region, a point whose data has not come from one that is whole', async () => {
    const whole = await copies.backUp();
    copies.replicate();
    const partial = await copies.backUp();
    copies.replicate();
    fs.rmSync(copies.peerFile(partial.items[0]!.key));
    const standby = await copies.openPeerVault();
    await rebuild({ vault: standby, peer: undefined });
    expect(await copies.catalog.getRecoveryPoint(source, partial.id)).toMatchObject({
      state: 'arriving',
      missing: 1,
    });
    expect(await copies.catalog.getRecoveryPoint(source, whole.id)).toMatchObject({
      state: 'storedPeerDown',
      region: 'us-east-1',
    });
    copies.replicate();
    expect((await rebuild({ vault: standby, peer: copies.own })).done).toMatchObject({ changed: 2 });
    expect(await copies.stateOf(partial.id)).toBe('protected');
  });

  it('asks a Region that is silent once, not for every point, and takes nothing back', async () => {
    const first = await copies.backUp();
    copies.replicate();
    await rebuild();
    for (let i = 0; i < 6; i += 1) await copies.backUp();
    let asked = 0;
    const silent = {
      head: async () => {
        asked += 1;
        throw new HoldfastError('VAULT_UNAVAILABLE', 'no answer');
      },
    };
    const { plan, done } = await rebuild({ peer: silent });
    // As many as are looked at side by side.
    expect(asked).toBeLessThanOrEqual(4);
    expect(asked).toBeGreaterThan(0);
    expect([plan.notCompared, done]).toEqual([7, { created: 6, changed: 0, kept: 1 }]);
    expect(await copies.stateOf(first.id)).toBe('protected');
    expect((await rebuild()).plan.notCompared).toBe(0);
  });

  it('takes protection back from what is damaged here, and reports what the vault does not hold', async () => {
    const manifest = await copies.backUp();
    copies.replicate();
    await rebuild();
    const gone = recordOf({ ...manifest, id: '01JBN2V4ZKQ0000000000000AA' }, 'us-east-1', {
      state: 'stored',
    });
    await copies.catalog.putRecoveryPoint(gone);
    fs.rmSync(copies.ownFile(manifest.items[0]!.key));
    const { plan } = await rebuild();
    expect(await copies.stateOf(manifest.id)).toBe('arriving');
    expect(plan.notInVault).toEqual([{ source, id: gone.id }]);
  });

  it.each(['MANIFEST_SIGNATURE', 'MANIFEST_INVALID'] as const)(
    'names a point whose manifest is damaged (%s), keeps its record and rebuilds the rest',
    async (code) => {
      const [whole, hurt] = [await copies.backUp(), await copies.backUp()];
      copies.replicate();
      await rebuild();
      const known = await copies.catalog.getRecoveryPoint(source, hurt.id);
      const file = copies.ownFile(manifestKey(source, hurt.id));
      const text = fs.readFileSync(file, 'utf8');
      fs.chmodSync(file, 0o600);
      fs.writeFileSync(file, code === 'MANIFEST_INVALID' ? 'x' : text.replace('"rows": 1', '"rows": 2'));
      const fresh = createMemoryCatalogStore();
      const { plan, done } = await rebuild({ catalog: fresh });
      expect(plan.damaged).toEqual([{ source, id: hurt.id, code }]);
      expect(done).toEqual({ created: 1, changed: 0, kept: 0 });
      expect(await fresh.getRecoveryPoint(source, whole.id)).toMatchObject({ state: 'protected' });
      const again = await rebuild();
      expect([again.plan.damaged.length, again.plan.notInVault, again.done.kept]).toEqual([1, [], 1]);
      expect(await copies.catalog.getRecoveryPoint(source, hurt.id)).toEqual(known);
    },
  );

  it('goes on where a source has a folder and no point', async () => {
    await copies.backUp();
    fs.mkdirSync(path.join(copies.ownFolder, 'v1', 'empty-db'));
    const { plan, done } = await rebuild();
    expect([plan.strayFolders, done.created]).toEqual([['v1/empty-db/'], 1]);
  });
});
