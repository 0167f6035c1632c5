import pLimit from 'p-limit';
import { manifestKey } from './layout.ts';
import type { Manifest, RecoveryPointId } from './manifest.ts';
import { findManifest, type ManifestPlace } from './manifest-store.ts';
import { promisedLock } from './object-lock.ts';
import type { ObjectVersion } from './object-store.ts';
import { checkObjects, versionsByKey } from './recovery-point-reader.ts';
import { isUnreadable } from './recovery-point-writer.ts';
import type { ListedRecoveryPoint, ListOptions, PassedOverRecoveryPoint, VerifyProblem } from './vault.ts';

/**
 * Points that are looked at together. A checked one asks for 16 of its objects at once, so four keep no more than 64 calls in
 * flight; a listed one waits for one call at a time.
 */
export const concurrentPoints = { checked: 4, listed: 16 } as const;

type Look = ListedRecoveryPoint | PassedOverRecoveryPoint | undefined;

/**
 * Looks at recovery points in the order given. Calls, whatever a point holds: one listing (a page per 1,000 versions) and one
 * read of its manifest; `checked` adds a look at each object.
 */
export async function listPoints(
  place: ManifestPlace,
  ids: readonly RecoveryPointId[],
  { depth = 'checked', onPassedOver }: ListOptions = {},
): Promise<ListedRecoveryPoint[]> {
  const limit = pLimit(concurrentPoints[depth]);
  const looks = ids.map((id) => limit(() => lookAt(place, id, depth)));
  const found = await Promise.all(looks).catch((error: unknown) => {
    // A vault that does not answer need not be asked for all the others.
    limit.clearQueue();
    throw error;
  });
  const points: ListedRecoveryPoint[] = [];
  for (const look of found) {
    if (look === undefined) continue;
    if ('manifest' in look) points.push(look);
    else onPassedOver?.(look);
  }
  return points;
}

async function lookAt(
  place: ManifestPlace,
  id: RecoveryPointId,
  depth: NonNullable<ListOptions['depth']>,
): Promise<Look> {
  const versions = await versionsByKey(place, { id });
  try {
    const listed = versions.get(manifestKey(place.source, id)) ?? [];
    const { manifest, version } = await findManifest(place, id, { versions: listed });
    const missing = await missingObjects(place, manifest, { depth, versions });
    return {
      manifest,
      storedManifest: version,
      state: missing.length === 0 ? 'available' : 'arriving',
      missing: [...new Set(missing)],
    };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    // Not finished, or being written just now: nothing that anybody could restore or has lost.
    return error.code === 'MANIFEST_NOT_FOUND' ? undefined : { id, code: error.code };
  }
}

/** Keys of the objects that keep a point from being complete here. */
export async function missingObjects(
  place: ManifestPlace,
  manifest: Manifest,
  {
    depth,
    versions,
  }: {
    readonly depth: NonNullable<ListOptions['depth']>;
    /** Of the point, by key, when the caller has listed them already. */
    readonly versions?: ReadonlyMap<string, readonly ObjectVersion[]>;
  },
): Promise<string[]> {
  const listed = versions ?? (await versionsByKey(place, manifest));
  if (depth === 'listed') return missingKeys(manifest, listed);
  return (await standingProblems(place, manifest, listed)).map(({ key }) => key);
}

/** What keeps a point from being complete here: objects missing, of another size or checksum, or without their lock. */
async function standingProblems(
  place: ManifestPlace,
  manifest: Manifest,
  versions: ReadonlyMap<string, readonly ObjectVersion[]>,
): Promise<VerifyProblem[]> {
  const lock = promisedLock(manifest);
  const problems = await checkObjects(place, manifest.items, { versions, depth: 'facts', lock });
  // Hidden by somebody, but here.
  return problems.filter((found) => found.code !== 'OBJECT_HIDDEN');
}

function missingKeys(manifest: Manifest, versions: ReadonlyMap<string, readonly ObjectVersion[]>): string[] {
  const isThere = ({ key, storedBytes }: Manifest['items'][number]) =>
    versions.get(key)?.some((version) => !version.isDeleteMarker && version.storedBytes === storedBytes) ===
    true;
  return manifest.items.filter((item) => !isThere(item)).map(({ key }) => key);
}
