import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import { monotonicFactory } from 'ulid';
import { HoldfastError } from '../errors.ts';
import { DigestMeter } from '../vault/digest.ts';
import type { Manifest, RecoveryPointId } from '../vault/manifest.ts';
import type { ObjectStore } from '../vault/object-store.ts';
import { openObjectStore, openVault } from '../vault/open-vault.ts';
import { createMemoryCatalogStore } from './catalog-store.memory.ts';
import type { PeerStore } from './compare-copy.ts';
import { recordOf } from './point-record.ts';

/** The source of every point here. */
export const source = 'shop-db';
/** When backups of these tests begin and end, if they say nothing else. */
export const noon = new Date('2026-11-02T12:00:00.000Z');

/** A Region that does not answer. */
export const silentPeer: PeerStore = {
  head: async () => {
    throw new HoldfastError('VAULT_UNAVAILABLE', 'no answer');
  },
};

export type Copies = Awaited<ReturnType<typeof startCopies>>;

/** Two vaults in folders, as two Regions have them, and a catalogue. */
export async function startCopies() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-copies-'));
  const [ownFolder, peerFolder] = [path.join(directory, 'own'), path.join(directory, 'peer')];
  for (const folder of [ownFolder, peerFolder]) fs.mkdirSync(folder);
  const keys = { kind: 'key-file' as const, path: path.join(directory, 'key'), create: true };
  const vault = await openVault({ url: ownFolder, keys });
  const catalog = createMemoryCatalogStore();
  await catalog.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);

  const nextId = monotonicFactory();
  const backUp = async (change: BackUpOptions = {}): Promise<Manifest> => {
    const { startedAt = noon, finishedAt = startedAt, id = nextId(startedAt.getTime()) } = change;
    const writer = await vault.begin(source, { id });
    for (const name of ['public.orders', 'public.items']) {
      const body = Readable.from([zstdCompressSync(Buffer.from(`rows of ${name}`))]);
      const done = Promise.resolve({ rows: 1, bytes: 20 });
      await writer.store({ name, kind: 'table', compression: 'zst', body, done });
    }
    return writer.commit({
      engine: { name: 'postgres', version: '18.6' },
      type: 'full',
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      position: {},
      notCovered: [],
      independentCounts: [],
      tools: {},
      billOfMaterials: { region: 'us-east-1' },
    });
  };

  /** A backup job whose task is done and whose copy nobody has looked at. */
  const backupJob = async (change: BackUpOptions = {}) => {
    const manifest = await backUp(change);
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
    await catalog.releaseLease({ source, id: jobId });
    return { jobId, manifest };
  };

  return {
    ownFolder,
    vault,
    catalog,
    own: withChecksums(await openObjectStore({ url: ownFolder }), ownFolder),
    peer: withChecksums(await openObjectStore({ url: peerFolder }), peerFolder),
    openPeerVault: () => openVault({ url: peerFolder, keys: { kind: 'key-file', path: keys.path } }),
    backUp,
    backupJob,
    replicate: () => fs.cpSync(ownFolder, peerFolder, { recursive: true }),
    ownFile: (key: string) => path.join(ownFolder, key),
    peerFile: (key: string) => path.join(peerFolder, key),
    stateOf: async (id: string) => (await catalog.getRecoveryPoint(source, id))?.state,
    remove: () => fs.rmSync(directory, { recursive: true, force: true }),
  };
}

interface BackUpOptions {
  readonly id?: RecoveryPointId;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
}

/** Flips one bit of a file that nobody should write to. */
export function damage(file: string): void {
  const bytes = fs.readFileSync(file);
  bytes[20]! ^= 1;
  fs.chmodSync(file, 0o600);
  fs.writeFileSync(file, bytes);
}

/** A folder keeps no checksums; S3 does, of what it really stores. */
function withChecksums(store: ObjectStore, folder: string): PeerStore {
  return {
    head: async (ref) => {
      const facts = await store.head(ref);
      if (facts === undefined) return undefined;
      const meter = await DigestMeter.create();
      meter.update(fs.readFileSync(path.join(folder, ref.key)));
      return { ...facts, crc64nvme: meter.digest().crc64nvme };
    },
  };
}
