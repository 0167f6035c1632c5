import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import { ulid } from 'ulid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError } from '../errors.ts';
import { checkCopy } from './check-copy.ts';
import { finishJob } from './finish-job.ts';
import { measureAges } from './dead-man.ts';
import { examplePlan, withChecksums } from './testing.ts';
import { openObjectStore, openVault } from '../vault/open-vault.ts';
import type { ObjectStore } from '../vault/object-store.ts';
import type { Manifest } from '../vault/manifest.ts';
import type { Vault } from '../vault/vault.ts';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import { compareCopy, type CopyStores } from '../catalog/compare-copy.ts';
import { recordOf } from '../catalog/point-record.ts';
import { executeRebuild, planRebuild } from '../catalog/rebuild-catalog.ts';

const source = 'shop-db';
const ref = (id: string) => ({ source, id });
const noon = new Date('2026-11-02T12:00:00.000Z');

let directory: string;
let ownFolder: string;
let peerFolder: string;
let vault: Vault;
let stores: CopyStores;
let catalog: CatalogStore;

beforeEach(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-copy-'));
  [ownFolder, peerFolder] = [path.join(directory, 'own'), path.join(directory, 'peer')];
  for (const folder of [ownFolder, peerFolder]) fs.mkdirSync(folder);
  const keys = { kind: 'key-file' as const, path: keyFile(), create: true };
  vault = await openVault({ url: ownFolder, keys });
  stores = {
    own: withChecksums(await openObjectStore({ url: ownFolder }), ownFolder),
    peer: withChecksums(await openObjectStore({ url: peerFolder }), peerFolder),
  };
  catalog = createMemoryCatalogStore();
  await catalog.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
});

afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

async function backUp(): Promise<Manifest> {
  const writer = await vault.begin(source);
  for (const name of ['public.orders', 'public.items']) {
    const body = Readable.from([zstdCompressSync(Buffer.from(`rows of ${name}`))]);
    await writer.store({
      name,
      kind: 'table',
      compression: 'zst',
      body,
      done: Promise.resolve({ rows: 1, bytes: 20 }),
    });
  }
  return writer.commit({
    engine: { name: 'postgres', version: '18.6' },
    type: 'full',
    startedAt: noon.toISOString(),
    finishedAt: noon.toISOString(),
    position: {},
    notCovered: [],
    independentCounts: [],
    tools: {},
    billOfMaterials: { region: 'us-east-1' },
  });
}

const keyFile = () => path.join(directory, 'key');
const replicate = () => fs.cpSync(ownFolder, peerFolder, { recursive: true });
const peerFile = (key: string) => path.join(peerFolder, key);

async function backupJob(): Promise<{ jobId: string; manifest: Manifest }> {
  const manifest = await backUp();
  const jobId = `job-${manifest.id}`;
  const scheduledFor = new Date(noon.getTime() + (await catalog.listJobs()).length * 1000);
  await catalog.claim({
    jobId,
    kind: 'backup',
    source,
    region: 'us-east-1',
    owner: 'execution-1',
    epoch: 1,
    scheduledFor,
    now: scheduledFor,
    leaseUntil: new Date(noon.getTime() + 60_000),
    recoveryPointId: manifest.id,
  });
  await catalog.putRecoveryPoint(recordOf(manifest, 'us-east-1', { state: 'stored' }));
  await catalog.releaseLease(ref(jobId));
  return { jobId, manifest };
}

const silentPeer: Pick<ObjectStore, 'head'> = {
  head: async () => {
    throw new HoldfastError('VAULT_UNAVAILABLE', 'no answer');
  },
};

function check(
  jobId: string,
  change: { readonly seconds?: number; readonly peer?: CopyStores['peer'] } = {},
) {
  const now = () => new Date(noon.getTime() + (change.seconds ?? 5) * 1000);
  const both = { ...stores, peer: change.peer ?? stores.peer };
  return checkCopy(
    { catalog, vault, stores: both, region: 'us-east-1', allowanceSeconds: 900, now },
    ref(jobId),
  );
}

const stateOf = async (id: string) => (await catalog.getRecoveryPoint(source, id))?.state;

describe('compareCopy', () => {
  it('finds a whole copy, and each kind of damage to it', async () => {
    const manifest = await backUp();
    expect(await compareCopy(stores, manifest)).toMatchObject({
      answer: 'incomplete',
      problems: [{ code: 'OBJECT_NOT_FOUND' }],
    });
    replicate();
    expect(await compareCopy(stores, manifest)).toEqual({ answer: 'complete' });
    const [first, second] = manifest.items.map(({ key }) => key) as [string, string];
    const bytes = fs.readFileSync(peerFile(first));
    bytes[20]! ^= 1;
    fs.chmodSync(peerFile(first), 0o600);
    fs.writeFileSync(peerFile(first), bytes);
    expect(await compareCopy(stores, manifest)).toMatchObject({
      problems: [{ key: first, code: 'OBJECT_CORRUPT' }],
    });
    fs.rmSync(peerFile(first));
    fs.truncateSync(peerFile(second), fs.statSync(peerFile(second)).size - 1);
    expect(await compareCopy(stores, manifest)).toEqual({
      answer: 'incomplete',
      problems: [
        { key: first, code: 'OBJECT_NOT_FOUND' },
        { key: second, code: 'OBJECT_TRUNCATED' },
      ],
    });
  });

  it('wants the checksum on record and the lock to last as long', async () => {
    const manifest = { ...(await backUp()), lockedUntil: '2026-12-01T00:00:00.000Z' };
    const peerWith = (change: object): CopyStores['peer'] => ({
      head: async (ref) => {
        const facts = await stores.own.head({ key: ref.key });
        const item = manifest.items.find(({ key }) => key === ref.key);
        return (
          facts && {
            ...facts,
            crc64nvme: item?.crc64nvme,
            lockedUntil: new Date(manifest.lockedUntil),
            lockMode: 'compliance' as const,
            ...change,
          }
        );
      },
    });
    const own = {
      head: async (ref: { key: string }) => ({ ...(await stores.own.head(ref))!, crc64nvme: undefined }),
    };
    const answer = async (change: object, promised: Partial<Manifest> = {}) =>
      compareCopy({ own, peer: peerWith(change) }, { ...manifest, ...promised });
    expect(await answer({})).toEqual({ answer: 'complete' });
    expect(await answer({ crc64nvme: undefined })).toMatchObject({
      problems: [{ code: 'OBJECT_CORRUPT' }, { code: 'OBJECT_CORRUPT' }],
    });
    expect(await answer({ crc64nvme: 'AAAAAAAAAAA=' })).toMatchObject({
      problems: [{ code: 'OBJECT_CORRUPT' }, { code: 'OBJECT_CORRUPT' }],
    });
    expect(await answer({ lockedUntil: undefined })).toMatchObject({
      problems: [{ code: 'OBJECT_NOT_LOCKED' }],
    });
    expect(await answer({ lockedUntil: new Date('2026-11-30T23:59:59.000Z') })).toMatchObject({
      problems: [{ code: 'OBJECT_NOT_LOCKED' }],
    });
    // A lock that can be lifted is less than was promised; one that cannot be is more.
    expect(await answer({ lockMode: 'governance' })).toMatchObject({
      problems: [{ code: 'OBJECT_NOT_LOCKED' }],
    });
    const governance = { lockMode: 'governance' } as const;
    expect(await answer(governance, governance)).toEqual({ answer: 'complete' });
    expect(await answer({}, governance)).toEqual({ answer: 'complete' });
    expect(await answer({ ...governance, lockedUntil: undefined }, governance)).toMatchObject({
      problems: [{ code: 'OBJECT_NOT_LOCKED' }],
    });
  });

  it('does not take silence for absence', async () => {
    expect(await compareCopy({ ...stores, peer: silentPeer }, await backUp())).toEqual({
      answer: 'unreachable',
    });
  });
});

describe('checkCopy', () => {
  it('goes from stored to protected when the copy is whole, and then stays', async () => {
    const { jobId, manifest } = await backupJob();
    expect((await check(jobId)).reply).toEqual({ state: 'stored', missing: 1, late: false, caughtUp: [] });
    expect(await stateOf(manifest.id)).toBe('stored');
    replicate();
    expect((await check(jobId)).reply).toMatchObject({ state: 'protected', missing: 0 });
    expect((await check(jobId, { peer: silentPeer, seconds: 5000 })).reply).toMatchObject({
      state: 'protected',
      late: false,
    });
    expect(await stateOf(manifest.id)).toBe('protected');
  });

  it('is late a moment after the time allowed, not at it', async () => {
    const { jobId } = await backupJob();
    expect((await check(jobId, { seconds: 900 })).reply.late).toBe(false);
    expect((await check(jobId, { seconds: 900.001 })).reply.late).toBe(true);
  });

  it('catches up with the points of an outage', async () => {
    const first = await backupJob();
    const down = await check(first.jobId, { peer: silentPeer });
    expect(down.reply).toMatchObject({ state: 'storedPeerDown', missing: 0 });
    expect(down.metrics).toContainEqual({ name: 'peer_down', unit: 'Count', value: 1 });
    expect((await finishJob({ catalog, now: () => noon }, ref(first.jobId))).reply).toMatchObject({
      copy: 'storedPeerDown',
    });
    const second = await backupJob();
    replicate();
    expect((await check(second.jobId)).reply).toMatchObject({
      state: 'protected',
      caughtUp: [first.manifest.id],
    });
    expect(await stateOf(first.manifest.id)).toBe('protected');
  });
});

describe('finishJob', () => {
  it('completes a backup only when its copy is settled', async () => {
    const { jobId, manifest } = await backupJob();
    const finish = () => finishJob({ catalog, now: () => new Date(noon.getTime() + 60_000) }, ref(jobId));
    await expect(finish()).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
    expect(await catalog.getJob(ref(jobId))).toMatchObject({ state: 'running' });
    replicate();
    await check(jobId);
    const done = await finish();
    expect(done.reply).toMatchObject({ recoveryPointId: manifest.id, items: 2, rows: 2, copy: 'protected' });
    expect(await finish()).toEqual(done);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'completed',
      result: { copy: 'protected' },
    });
  });
});

describe('checkCopy and a record that lies', () => {
  it('asks the objects although the catalogue says protected, and sets the record right', async () => {
    const { jobId, manifest } = await backupJob();
    const lie = recordOf(manifest, 'us-east-1', { state: 'protected', protectedAt: noon.toISOString() });
    await catalog.putRecoveryPoint({ ...lie, finishedAt: '2100-01-01T00:00:00.000Z' });
    const late = { state: 'stored', missing: 1, late: true };
    expect((await check(jobId, { seconds: 901 })).reply).toMatchObject(late);
    expect(await catalog.getRecoveryPoint(source, manifest.id)).toMatchObject({
      state: 'stored',
      finishedAt: manifest.finishedAt,
    });
    replicate();
    expect((await check(jobId)).reply).toMatchObject({ state: 'protected', late: false });
  });

  it('makes the record that the task never wrote, and passes over one without a point', async () => {
    const { jobId, manifest } = await backupJob();
    const other = ulid(noon.getTime() - 1000);
    await catalog.putRecoveryPoint({ ...recordOf(manifest, 'us-east-1', { state: 'stored' }), id: other });
    replicate();
    expect((await check(jobId)).reply).toMatchObject({ state: 'protected', caughtUp: [] });
  });
});

describe('measureAges', () => {
  it('counts from the newest point of its own vault, whatever the catalogue says, and gives no value without one', async () => {
    const ages = async () => {
      const there = await openVault({ url: peerFolder, keys: { kind: 'key-file', path: keyFile() } });
      return measureAges({
        vault: there,
        plan: examplePlan,
        now: () => new Date(noon.getTime() + 7_200_000),
      });
    };
    const { manifest } = await backupJob();
    await catalog.putRecoveryPoint(
      recordOf(manifest, 'us-east-1', { state: 'protected', protectedAt: noon.toISOString() }),
    );
    expect(await ages()).toEqual({ reply: { sources: [{ source }] }, metrics: [] });
    replicate();
    await backupJob();
    expect(await ages()).toEqual({
      reply: { sources: [{ source, recoveryPointId: manifest.id, ageHours: 2 }] },
      metrics: [{ name: 'backup_age_hours', unit: 'Count', value: 2, source }],
    });
  });
});

describe('a rebuild of the catalogue', () => {
  const rebuild = async (
    change: { readonly vault?: Vault; readonly stores?: CopyStores | undefined } = {},
  ) => {
    const deps = { vault, catalog, stores, region: 'us-west-2', now: () => noon, ...change };
    const plan = await planRebuild(deps);
    return { plan, done: await executeRebuild(deps, plan) };
  };

  it('tells folders that are no source, passes them over and rebuilds the rest', async () => {
    const { id } = await backUp();
    for (const folder of ['shop-db@t1', 'Old Backups', 'x'])
      fs.mkdirSync(path.join(ownFolder, 'v1', folder, 'inside'), { recursive: true });
    fs.mkdirSync(path.join(ownFolder, 'v1', source, 'not-a-point'));
    const { plan, done } = await rebuild();
    expect(plan.strayFolders.toSorted()).toEqual(['v1/Old Backups/', 'v1/shop-db@t1/', 'v1/x/']);
    expect(done).toEqual({ created: 1, changed: 0, kept: 0 });
    expect(await catalog.getRecoveryPoint(source, id)).toBeDefined();
  });

  it('gives back every record from the vault alone, with its Region and state, and changes nothing the second time', async () => {
    const first = await backUp();
    replicate();
    const second = await backUp();
    expect((await rebuild()).done).toEqual({ created: 2, changed: 0, kept: 0 });
    expect(await catalog.getRecoveryPoint(source, first.id)).toEqual(
      recordOf(first, 'us-east-1', { state: 'protected', protectedAt: noon.toISOString() }),
    );
    expect(await stateOf(second.id)).toBe('stored');
    expect((await rebuild()).done).toEqual({ created: 0, changed: 0, kept: 2 });
  });

  it('plans without writing', async () => {
    await backUp();
    await planRebuild({ vault, catalog, stores, region: 'us-west-2', now: () => noon });
    expect(await catalog.listRecoveryPoints()).toEqual([]);
  });

  it('tells, in the other Region, a point whose data has not come from one that is whole', async () => {
    const whole = await backUp();
    replicate();
    const partial = await backUp();
    replicate();
    fs.rmSync(peerFile(partial.items[0]!.key));
    const keys = { kind: 'key-file' as const, path: path.join(directory, 'key') };
    const standby = await openVault({ url: peerFolder, keys });
    await rebuild({ vault: standby, stores: undefined });
    expect(await catalog.getRecoveryPoint(source, partial.id)).toMatchObject({
      state: 'arriving',
      missing: 1,
    });
    expect(await catalog.getRecoveryPoint(source, whole.id)).toMatchObject({
      state: 'storedPeerDown',
      region: 'us-east-1',
    });
    fs.cpSync(ownFolder, peerFolder, { recursive: true });
    expect(
      (await rebuild({ vault: standby, stores: { own: stores.peer, peer: stores.own } })).done,
    ).toMatchObject({ changed: 2 });
    expect(await stateOf(partial.id)).toBe('protected');
  });

  it('asks a Region that is silent once, not for every point, and takes nothing back', async () => {
    const first = await backUp();
    replicate();
    await rebuild();
    for (let i = 0; i < 6; i += 1) await backUp();
    let asked = 0;
    const silent = {
      head: async () => {
        asked += 1;
        throw new HoldfastError('VAULT_UNAVAILABLE', 'no answer');
      },
    };
    const { plan, done } = await rebuild({ stores: { own: stores.own, peer: silent } });
    // As many as are looked at side by side.
    expect(asked).toBeLessThanOrEqual(4);
    expect(asked).toBeGreaterThan(0);
    expect([plan.notCompared, done]).toEqual([7, { created: 6, changed: 0, kept: 1 }]);
    expect(await stateOf(first.id)).toBe('protected');
    expect((await rebuild()).plan.notCompared).toBe(0);
  });

  it('takes protection back from what is damaged here, and reports what the vault does not hold', async () => {
    const manifest = await backUp();
    replicate();
    await rebuild();
    const gone = recordOf({ ...manifest, id: '01JBN2V4ZKQ0000000000000AA' }, 'us-east-1', {
      state: 'stored',
    });
    await catalog.putRecoveryPoint(gone);
    fs.rmSync(path.join(ownFolder, manifest.items[0]!.key));
    const { plan } = await rebuild();
    expect(await stateOf(manifest.id)).toBe('arriving');
    expect(plan.notInVault).toEqual([{ source, id: gone.id }]);
  });
});
