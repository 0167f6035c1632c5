import { createHash } from 'node:crypto';
import { type ErrorCode, HoldfastError, isHoldfastError } from '../errors.ts';
import type { ManifestItem } from './manifest.ts';
import { versionsOf } from './manifest-store.ts';
import { keepsLock, type ObjectLock } from './object-lock.ts';
import type { ObjectFacts, ObjectStore, ObjectVersion } from './object-store.ts';
import type { VerifyProblem } from './vault.ts';

export interface ObjectCheckOptions {
  /** Versions of the object's key, newest first. */
  readonly versions: readonly ObjectVersion[];
  /** `facts`: size, the store's own checksum, lock. `bytes`: where the store keeps no checksum the object is read and hashed. */
  readonly depth: 'facts' | 'bytes';
  /** The lock that the manifest promises; not looked at when missing or past. */
  readonly lock?: ObjectLock | undefined;
  /** Also report an object that must be thawed before it can be read. */
  readonly readable?: boolean;
  readonly signal?: AbortSignal;
}

/** What is wrong with one stored object; empty when nothing is. */
export async function checkObject(
  store: ObjectStore,
  item: ManifestItem,
  options: ObjectCheckOptions,
): Promise<VerifyProblem[]> {
  const live = options.versions.filter((version) => !version.isDeleteMarker);
  if (live.length === 0) return [problem(item.key, 'OBJECT_NOT_FOUND', 'no version of it is in the vault')];
  for (const version of namedFirst(live, item.versionId)) {
    if (version.storedBytes !== item.storedBytes) continue;
    const facts = await store.head({ key: item.key, versionId: version.versionId });
    if (facts === undefined || !(await isSame(store, item, { facts, options }))) continue;
    return problemsOfMatch(version, facts, options);
  }
  const shown = live[0]?.storedBytes ?? 0;
  if (shown < item.storedBytes) {
    return [problem(item.key, 'OBJECT_TRUNCATED', `it has ${shown} of ${item.storedBytes} bytes`)];
  }
  return [problem(item.key, 'OBJECT_CORRUPT', 'no version of it has the size and checksum of the manifest')];
}

/** Finds bytes that are the item's: the version that the manifest names, else any whose hash matches. */
export async function openObject(
  store: ObjectStore,
  item: ManifestItem,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const options = signal === undefined ? {} : { signal };
  if (item.versionId !== undefined) {
    try {
      return await store.read({ key: item.key, versionId: item.versionId }, options);
    } catch (error) {
      // A replica may carry another version id.
      if (!isHoldfastError(error, 'OBJECT_NOT_FOUND')) throw error;
    }
  }
  const current = await store.head({ key: item.key });
  // A directory has but one version and no checksums: its bytes are judged while they are read. In a bucket an object of the
  // right size without a checksum may be anything, so there the versions are hashed.
  const isTold = current?.crc64nvme !== undefined || !store.locks;
  if (current !== undefined && isTold && looksSame(item, current)) {
    return store.read({ key: item.key, versionId: current.versionId }, options);
  }
  for (const version of await versionsOf(store, item.key)) {
    if (version.isDeleteMarker || version.storedBytes !== item.storedBytes) continue;
    const ref = { key: item.key, versionId: version.versionId };
    if (await hashesTo(await store.read(ref, options), item)) return store.read(ref, options);
  }
  throw new HoldfastError('OBJECT_NOT_FOUND', `no version of ${item.key} matches the manifest`);
}

/**
 * Passes bytes on while hashing them; the last piece is held back until the hash was compared, so that nobody takes wrong
 * bytes for a whole object. @throws OBJECT_TRUNCATED, OBJECT_CORRUPT
 */
export async function* checkedBytes(
  chunks: AsyncIterable<Uint8Array>,
  item: ManifestItem,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let length = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (held !== undefined) yield held;
    hash.update(chunk);
    length += chunk.length;
    held = chunk;
  }
  if (length < item.storedBytes) {
    throw new HoldfastError('OBJECT_TRUNCATED', `${item.key} has ${length} of ${item.storedBytes} bytes`);
  }
  if (length !== item.storedBytes || hash.digest('hex') !== item.sha256) {
    throw new HoldfastError(
      'OBJECT_CORRUPT',
      `${item.key} does not have the SHA-256 that the manifest records`,
    );
  }
  if (held !== undefined) yield held;
}

/** What nothing else in the vault makes up for. */
export function problem(key: string, code: ErrorCode, detail: string): VerifyProblem {
  return { key, code, detail, recoverable: false };
}

/** What a restore works in spite of. */
export function recoverableProblem(key: string, code: ErrorCode, detail: string): VerifyProblem {
  return { key, code, detail, recoverable: true };
}

function problemsOfMatch(
  version: ObjectVersion,
  facts: ObjectFacts,
  options: ObjectCheckOptions,
): VerifyProblem[] {
  const problems: VerifyProblem[] = [];
  if (!version.isLatest) {
    const front = options.versions[0]?.isDeleteMarker === true ? 'a delete marker' : 'a newer version';
    problems.push(recoverableProblem(version.key, 'OBJECT_HIDDEN', `${front} stands before it`));
  }
  problems.push(...lockProblems(facts, options.lock));
  if (options.readable === true && facts.archived === true) {
    problems.push(problem(version.key, 'ARCHIVED', `it is in ${facts.storageClass ?? 'an archive tier'}`));
  }
  return problems;
}

/** An object whose lock ends before the manifest says, or holds against fewer; past promises bind nobody. */
export function lockProblems(facts: ObjectFacts, lock: ObjectLock | undefined): VerifyProblem[] {
  if (lock === undefined || lock.until.getTime() < Date.now() || keepsLock(facts, lock)) return [];
  const { lockedUntil, lockMode } = facts;
  const found =
    lockedUntil === undefined ? 'no lock' : `a ${lockMode} lock until ${lockedUntil.toISOString()}`;
  const detail = `it carries ${found}, the manifest says ${lock.mode} until ${lock.until.toISOString()}`;
  return [recoverableProblem(facts.key, 'OBJECT_NOT_LOCKED', detail)];
}

function namedFirst(versions: readonly ObjectVersion[], versionId: string | undefined): ObjectVersion[] {
  const isNamed = (version: ObjectVersion) => versionId !== undefined && version.versionId === versionId;
  return [...versions.filter(isNamed), ...versions.filter((version) => !isNamed(version))];
}

async function isSame(
  store: ObjectStore,
  item: ManifestItem,
  state: { readonly facts: ObjectFacts; readonly options: ObjectCheckOptions },
): Promise<boolean> {
  const { facts, options } = state;
  if (!looksSame(item, facts)) return false;
  // An archived object cannot be read; its size and lock are all that can be told.
  if (facts.crc64nvme !== undefined || options.depth === 'facts' || facts.archived === true) return true;
  const read = options.signal === undefined ? {} : { signal: options.signal };
  return hashesTo(await store.read({ key: item.key, versionId: facts.versionId }, read), item);
}

function looksSame(item: ManifestItem, facts: ObjectFacts): boolean {
  if (facts.storedBytes !== item.storedBytes) return false;
  return facts.crc64nvme === undefined || facts.crc64nvme === item.crc64nvme;
}

async function hashesTo(chunks: AsyncIterable<Uint8Array>, item: ManifestItem): Promise<boolean> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex') === item.sha256;
}
