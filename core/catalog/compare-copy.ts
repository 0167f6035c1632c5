import pLimit from 'p-limit';
import { isHoldfastError } from '../errors.ts';
import { DigestMeter } from '../vault/digest.ts';
import { manifestKey } from '../vault/layout.ts';
import type { Manifest, ManifestItem } from '../vault/manifest.ts';
import { manifestBytes } from '../vault/manifest-store.ts';
import { keepsLock, promisedLock } from '../vault/object-lock.ts';
import type { ObjectStore } from '../vault/object-store.ts';
import type { RecoveryPointReader } from '../vault/vault.ts';

/** Requests at once: far below what S3 takes for one prefix, enough for 1,000 objects in seconds. */
const parallel = 24;

export type CopyComparison =
  | { readonly answer: 'complete' }
  | { readonly answer: 'incomplete'; readonly problems: readonly CopyProblem[] }
  /** The other Region does not answer: nothing is known about the copy. */
  | { readonly answer: 'unreachable' };

export interface CopyProblem {
  readonly key: string;
  readonly code:
    | 'OBJECT_NOT_FOUND'
    | 'OBJECT_TRUNCATED'
    | 'OBJECT_CORRUPT'
    | 'OBJECT_NOT_LOCKED'
    /** The manifest names no object, so nothing could be restored from any copy of it. */
    | 'MANIFEST_INVALID';
}

/** The other Region's vault. */
export type PeerStore = Pick<ObjectStore, 'head'>;

/** A recovery point whose manifest's signature was checked. */
export type CheckedPoint = Pick<RecoveryPointReader, 'manifest' | 'storedManifest'>;

/**
 * Whether the other Region holds every object of a recovery point, its manifest included, with the same size and full-object
 * checksum and with a lock of its own that lasts as long and is as firm. Nothing is downloaded: the checksum is the store's own
 * record. What the manifest's own object must look like follows from the manifest whose signature was checked, and from
 * nothing in either vault: another version of its key may be anybody's.
 */
export async function compareCopy(peer: PeerStore, point: CheckedPoint): Promise<CopyComparison> {
  const { manifest, storedManifest } = point;
  const key = manifestKey(manifest.source, manifest.id);
  if (manifest.items.length === 0)
    return { answer: 'incomplete', problems: [{ key, code: 'MANIFEST_INVALID' }] };
  const written = await DigestMeter.create();
  written.update(manifestBytes(manifest));
  const { storedBytes, crc64nvme } = written.digest();
  const { versionId } = storedManifest;
  try {
    // The manifest first: it is written last, so while it is missing there is no need to ask for a thousand others.
    const first = await problemOf(peer, { key, versionId, storedBytes, crc64nvme }, manifest);
    if (first !== undefined) return { answer: 'incomplete', problems: [first] };
    const limit = pLimit(parallel);
    const checks = manifest.items.map((item) => limit(() => problemOf(peer, item, manifest)));
    const problems = (await Promise.all(checks)).filter((problem) => problem !== undefined);
    return problems.length === 0 ? { answer: 'complete' } : { answer: 'incomplete', problems };
  } catch (error) {
    if (isHoldfastError(error, 'VAULT_UNAVAILABLE')) return { answer: 'unreachable' };
    throw error;
  }
}

type Wanted = Pick<ManifestItem, 'key' | 'versionId' | 'storedBytes' | 'crc64nvme'>;

async function problemOf(
  peer: PeerStore,
  wanted: Wanted,
  manifest: Manifest,
): Promise<CopyProblem | undefined> {
  const { key } = wanted;
  // A replica keeps its version id, so a later overwrite or delete marker does not hide it; a store that gave it another id is asked by key.
  const facts =
    (wanted.versionId === undefined ? undefined : await peer.head({ key, versionId: wanted.versionId })) ??
    (await peer.head({ key }));
  if (facts === undefined) return { key, code: 'OBJECT_NOT_FOUND' };
  if (facts.storedBytes !== wanted.storedBytes) return { key, code: 'OBJECT_TRUNCATED' };
  // No checksum on record is no proof.
  if (facts.crc64nvme !== wanted.crc64nvme) return { key, code: 'OBJECT_CORRUPT' };
  const lock = promisedLock(manifest);
  return lock === undefined || keepsLock(facts, lock) ? undefined : { key, code: 'OBJECT_NOT_LOCKED' };
}
