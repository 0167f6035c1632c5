import pLimit from 'p-limit';
import { isHoldfastError } from '../errors.ts';
import { manifestKey } from '../vault/layout.ts';
import type { Manifest, ManifestItem } from '../vault/manifest.ts';
import { keepsLock, promisedLock } from '../vault/object-lock.ts';
import type { ObjectFacts, ObjectStore } from '../vault/object-store.ts';

/** Requests at once: far below what S3 takes for one prefix, enough for 1,000 objects in seconds. */
const parallel = 24;

export type CopyComparison =
  | { readonly answer: 'complete' }
  | { readonly answer: 'incomplete'; readonly problems: readonly CopyProblem[] }
  /** The other Region does not answer: nothing is known about the copy. */
  | { readonly answer: 'unreachable' };

export interface CopyProblem {
  readonly key: string;
  readonly code: 'OBJECT_NOT_FOUND' | 'OBJECT_TRUNCATED' | 'OBJECT_CORRUPT' | 'OBJECT_NOT_LOCKED';
}

export interface CopyStores {
  /** This Region's vault: knows what the manifest's own object looks like. */
  readonly own: Pick<ObjectStore, 'head'>;
  readonly peer: Pick<ObjectStore, 'head'>;
}

/**
 * Whether the other Region holds every object of a recovery point, its manifest included, with the same size and full-object
 * checksum and with a lock of its own that lasts as long and is as firm. Nothing is downloaded: the checksum is the store's own record.
 */
export async function compareCopy(stores: CopyStores, manifest: Manifest): Promise<CopyComparison> {
  const key = manifestKey(manifest.source, manifest.id);
  const written = await stores.own.head({ key });
  try {
    // The manifest first: it is written last, so while it is missing there is no need to ask for a thousand others.
    const first = await problemOf(stores.peer, { key, ...written }, manifest);
    if (first !== undefined) return { answer: 'incomplete', problems: [first] };
    const limit = pLimit(parallel);
    const checks = manifest.items.map((item) => limit(() => problemOf(stores.peer, item, manifest)));
    const problems = (await Promise.all(checks)).filter((problem) => problem !== undefined);
    return problems.length === 0 ? { answer: 'complete' } : { answer: 'incomplete', problems };
  } catch (error) {
    if (isHoldfastError(error, 'VAULT_UNAVAILABLE')) return { answer: 'unreachable' };
    throw error;
  }
}

type Wanted = Pick<ManifestItem, 'key' | 'versionId'> &
  Partial<Pick<ObjectFacts, 'storedBytes' | 'crc64nvme'>>;

async function problemOf(
  peer: Pick<ObjectStore, 'head'>,
  wanted: Wanted,
  manifest: Manifest,
): Promise<CopyProblem | undefined> {
  const { key } = wanted;
  // A replica keeps its version id, so a later overwrite or delete marker does not hide it; a store that gave it another id is asked by key.
  const facts =
    (wanted.versionId === undefined ? undefined : await peer.head({ key, versionId: wanted.versionId })) ??
    (await peer.head({ key }));
  if (facts === undefined) return { key, code: 'OBJECT_NOT_FOUND' };
  if (wanted.storedBytes !== undefined && facts.storedBytes !== wanted.storedBytes) {
    return { key, code: 'OBJECT_TRUNCATED' };
  }
  // No checksum on record is no proof.
  if (wanted.crc64nvme !== undefined && facts.crc64nvme !== wanted.crc64nvme) {
    return { key, code: 'OBJECT_CORRUPT' };
  }
  const lock = promisedLock(manifest);
  return lock === undefined || keepsLock(facts, lock) ? undefined : { key, code: 'OBJECT_NOT_LOCKED' };
}
