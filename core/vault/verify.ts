import { Readable } from 'node:stream';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { decompressStream } from './compress.ts';
import { compressionOf, manifestKey } from './layout.ts';
import { type Manifest, type ManifestItem, type RecoveryPointId } from './manifest.ts';
import {
  findManifest,
  type FoundManifest,
  type ManifestPlace,
  readWhole,
  versionsOf,
} from './manifest-store.ts';
import { checkObject, lockProblems, problem, recoverableProblem } from './object-check.ts';
import { promisedLock } from './object-lock.ts';
import type { ObjectVersion } from './object-store.ts';
import {
  checkObjects,
  decryptItem,
  segmentsOf,
  thawAdviceFor,
  versionsByKey,
} from './recovery-point-reader.ts';
import { isUnreadable } from './recovery-point-writer.ts';
import { sha256Hex } from './digest.ts';
import type { VerifyOptions, VerifyProblem, VerifyReport } from './vault.ts';

/** Everything that can be told about one recovery point in this vault. @throws RECOVERY_POINT_NOT_FOUND, and what makes the vault unreadable as a whole */
export async function verifyRecoveryPoint(
  place: ManifestPlace,
  id: RecoveryPointId,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const versions = await versionsByKey(place, { id });
  if (versions.size === 0) {
    throw new HoldfastError('RECOVERY_POINT_NOT_FOUND', `${place.source} has no recovery point ${id}`);
  }
  const found = await tryFindManifest(place, id, { versions, offline: options.offline ?? false });
  if ('problems' in found) {
    return {
      recoveryPointId: id,
      ok: false,
      objects: versions.size,
      storedBytes: 0,
      problems: found.problems,
    };
  }
  const { manifest } = found;
  const lock = promisedLock(manifest);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const problems = [
    ...(await manifestProblems(place, found, versions)),
    ...(await checkObjects(place, manifest.items, { versions, depth: 'bytes', lock, ...signal })),
    ...unexpectedObjects(manifest, versions),
    ...(await chainProblems(place, manifest)),
  ];
  if (options.deep === true) problems.push(...(await deepProblems(place, manifest, { problems, ...signal })));
  return {
    recoveryPointId: id,
    ok: problems.length === 0,
    objects: manifest.items.length + 1,
    storedBytes: manifest.totals.storedBytes,
    problems,
    ...(await thawAdviceFor(place, { manifest, problems, versions })),
  };
}

async function tryFindManifest(
  place: ManifestPlace,
  id: RecoveryPointId,
  options: { readonly versions: ReadonlyMap<string, ObjectVersion[]>; readonly offline: boolean },
): Promise<FoundManifest | { readonly problems: VerifyProblem[] }> {
  const key = manifestKey(place.source, id);
  try {
    return await findManifest(place, id, {
      versions: options.versions.get(key) ?? [],
      offline: options.offline,
    });
  } catch (error) {
    if (isUnreadable(error)) return { problems: [problem(key, error.code, error.message)] };
    throw error;
  }
}

async function manifestProblems(
  place: ManifestPlace,
  found: FoundManifest,
  versions: ReadonlyMap<string, readonly ObjectVersion[]>,
): Promise<VerifyProblem[]> {
  const { key, versionId, isLatest } = found.version;
  const problems: VerifyProblem[] = [];
  if (!isLatest) {
    const front = versions.get(key)?.[0]?.isDeleteMarker === true ? 'a delete marker' : 'a newer version';
    problems.push(recoverableProblem(key, 'OBJECT_HIDDEN', `${front} stands before the signed manifest`));
  }
  const lock = promisedLock(found.manifest);
  const facts = lock === undefined ? undefined : await place.store.head({ key, versionId });
  if (facts !== undefined) problems.push(...lockProblems(facts, lock));
  return problems;
}

function unexpectedObjects(
  manifest: Manifest,
  versions: ReadonlyMap<string, readonly ObjectVersion[]>,
): VerifyProblem[] {
  const expected = new Set([
    manifestKey(manifest.source, manifest.id),
    ...manifest.items.map((item) => item.key),
    ...(manifest.leftovers ?? []),
  ]);
  return [...versions]
    .filter(([key, found]) => !expected.has(key) && found.some((version) => !version.isDeleteMarker))
    .map(([key]) => recoverableProblem(key, 'OBJECT_UNEXPECTED', 'the manifest does not name it'));
}

/** Retention deletes from the old end, so a missing predecessor is a theft only while it should still be locked. */
async function chainProblems(place: ManifestPlace, manifest: Manifest): Promise<VerifyProblem[]> {
  const { previous } = manifest;
  if (previous === undefined) return [];
  const key = manifestKey(manifest.source, previous.id);
  const live = (await versionsOf(place.store, key)).filter((version) => !version.isDeleteMarker);
  for (const version of live) {
    if (sha256Hex(await readWhole(place.store, key, version.versionId)) === previous.sha256) return [];
  }
  if (live.length > 0) {
    return [recoverableProblem(key, 'MANIFEST_CHAIN_GAP', 'it is not the manifest that the next one names')];
  }
  const underRetention = previous.lockedUntil !== undefined && new Date(previous.lockedUntil) > new Date();
  return underRetention
    ? [
        recoverableProblem(
          key,
          'MANIFEST_CHAIN_GAP',
          `it is gone, and was to be kept until ${previous.lockedUntil}`,
        ),
      ]
    : [];
}

/** Decrypts and decompresses every item whose objects are there. */
async function deepProblems(
  place: ManifestPlace,
  manifest: Manifest,
  state: { readonly problems: readonly VerifyProblem[]; readonly signal?: AbortSignal },
): Promise<VerifyProblem[]> {
  const known = new Set(state.problems.filter((found) => !found.recoverable).map((found) => found.key));
  const problems: VerifyProblem[] = [];
  for (const name of new Set(manifest.items.map((item) => item.name))) {
    state.signal?.throwIfAborted();
    const segments = segmentsOf(manifest, name);
    if (segments.some((segment) => known.has(segment.key))) continue;
    const failure = await tryItem(place, { manifest, segments, signal: state.signal });
    if (failure !== undefined) problems.push(await nameObject(place, segments, failure));
  }
  return problems;
}

async function tryItem(
  place: ManifestPlace,
  input: {
    readonly manifest: Manifest;
    readonly segments: readonly ManifestItem[];
    readonly signal: AbortSignal | undefined;
  },
): Promise<HoldfastError | undefined> {
  const plain = Readable.from(decryptItem(place, input), { objectMode: false });
  let readError: unknown;
  plain.once('error', (error) => (readError = error));
  try {
    const content = decompressStream(plain, compressionOf(input.segments[0]?.key ?? ''));
    // Only that every byte can be had matters, and the checksum at the end of the frame.
    for await (const chunk of content) void chunk;
    return undefined;
  } catch (error) {
    if (isHoldfastError(readError)) return readError;
    if (isHoldfastError(error)) return error;
    if (readError !== undefined) throw readError;
    return new HoldfastError('DECOMPRESS_FAILED', `it decrypts but does not decompress: ${String(error)}`);
  }
}

/** A frame whose tag does not fit says nothing about which object is bad; the hashes do. */
async function nameObject(
  place: ManifestPlace,
  segments: readonly ManifestItem[],
  failure: HoldfastError,
): Promise<VerifyProblem> {
  for (const segment of segments) {
    const versions = await versionsOf(place.store, segment.key);
    const [found] = await checkObject(place.store, segment, { versions, depth: 'bytes' });
    if (found !== undefined && !found.recoverable) return found;
  }
  return problem(segments[0]?.key ?? '', failure.code, failure.message);
}
