import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { HoldfastError } from '../errors.ts';
import { adviseThaw, type ArchivedObject, isArchiveClass } from './archive.ts';
import { dataPrefix, recoveryPointPrefix } from './layout.ts';
import type { Manifest, ManifestItem } from './manifest.ts';
import type { FoundManifest, ManifestPlace } from './manifest-store.ts';
import { checkedBytes, checkObject, type ObjectCheckOptions, openObject } from './object-check.ts';
import type { ObjectVersion } from './object-store.ts';
import type {
  PassedOverRecoveryPoint,
  RecoveryPointReader,
  StoredManifest,
  VerifyProblem,
  VerifyReport,
} from './vault.ts';

/** Look-ups in flight at once: enough to hide the way to S3, few enough for any directory. */
export const concurrentChecks = 16;

/** Reads the items of one recovery point whose manifest was checked. */
export class StoredRecoveryPointReader implements RecoveryPointReader {
  readonly manifest: Manifest;
  readonly storedManifest: StoredManifest;
  readonly passedOver: readonly PassedOverRecoveryPoint[];
  readonly #place: ManifestPlace;

  constructor(
    place: ManifestPlace,
    found: FoundManifest,
    passedOver: readonly PassedOverRecoveryPoint[] = [],
  ) {
    this.#place = place;
    this.manifest = found.manifest;
    this.storedManifest = found.version;
    this.passedOver = passedOver;
  }

  items(): ManifestItem[] {
    return this.manifest.items.filter((item) => (item.segment ?? 1) === 1);
  }

  async read(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<Readable> {
    const segments = segmentsOf(this.manifest, name);
    const plain = decryptItem(this.#place, { manifest: this.manifest, segments, signal: options.signal });
    return Readable.from(plain, { objectMode: false, highWaterMark: 1 << 20 });
  }

  async checkBeforeRestore(names?: readonly string[]): Promise<VerifyReport> {
    const items =
      names === undefined
        ? this.manifest.items
        : [...new Set(names)].flatMap((name) => segmentsOf(this.manifest, name));
    const versions = await versionsByKey(this.#place, this.manifest);
    const problems = await checkObjects(this.#place, items, { versions, depth: 'bytes', readable: true });
    return {
      recoveryPointId: this.manifest.id,
      ok: problems.every((found) => found.recoverable),
      objects: items.length,
      storedBytes: items.reduce((sum, item) => sum + item.storedBytes, 0),
      problems,
      ...(await thawAdviceFor(this.#place, { manifest: this.manifest, problems, versions })),
    };
  }
}

/** Looks again at the objects that are ARCHIVED, for how they stand. */
export async function thawAdviceFor(
  place: ManifestPlace,
  point: {
    readonly manifest: Manifest;
    readonly problems: readonly VerifyProblem[];
    readonly versions: ReadonlyMap<string, readonly ObjectVersion[]>;
  },
): Promise<Pick<VerifyReport, 'thaw'>> {
  const { manifest, problems, versions } = point;
  const keys = new Set(problems.filter(({ code }) => code === 'ARCHIVED').map(({ key }) => key));
  if (keys.size === 0) return {};
  const limit = pLimit(concurrentChecks);
  const looks = manifest.items
    .filter(({ key }) => keys.has(key))
    .map((item) => limit(() => archivedObject(place, item, versions.get(item.key) ?? [])));
  const objects = (await Promise.all(looks)).filter((object) => object !== undefined);
  // Thawed in between.
  if (objects.length === 0) return {};
  const folder = dataPrefix(manifest.source, manifest.id);
  return { thaw: adviseThaw(objects, { url: place.store.url, folder }) };
}

async function archivedObject(
  place: ManifestPlace,
  item: ManifestItem,
  versions: readonly ObjectVersion[],
): Promise<ArchivedObject | undefined> {
  const isIt = ({ isDeleteMarker, storedBytes }: ObjectVersion) =>
    !isDeleteMarker && storedBytes === item.storedBytes;
  const candidates = versions.filter(isIt);
  const named = candidates.filter(({ versionId }) => versionId === item.versionId);
  for (const { key, versionId } of named.length > 0 ? named : candidates) {
    const ref = versionId === undefined ? { key } : { key, versionId };
    const facts = await place.store.head(ref);
    if (facts?.archived !== true || !isArchiveClass(facts.storageClass)) continue;
    const { storedBytes, storageClass, thawing = false } = facts;
    return { ...ref, storedBytes, storageClass, thawing };
  }
  return undefined;
}

/** All versions below a recovery point, by key, newest first. */
export async function versionsByKey(
  place: ManifestPlace,
  manifest: Pick<Manifest, 'id'>,
): Promise<Map<string, ObjectVersion[]>> {
  const versions: ObjectVersion[] = [];
  const prefix = recoveryPointPrefix(place.source, manifest.id);
  for await (const version of place.store.listVersions(prefix)) versions.push(version);
  return Map.groupBy(versions, (version) => version.key);
}

export interface CheckObjectsOptions extends Omit<ObjectCheckOptions, 'versions'> {
  readonly versions: ReadonlyMap<string, readonly ObjectVersion[]>;
}

/** Problems of many objects, in the order of the manifest. */
export async function checkObjects(
  place: ManifestPlace,
  items: readonly ManifestItem[],
  options: CheckObjectsOptions,
): Promise<VerifyProblem[]> {
  const limit = pLimit(concurrentChecks);
  const checks = items.map((item) =>
    limit(() => {
      options.signal?.throwIfAborted();
      return checkObject(place.store, item, { ...options, versions: options.versions.get(item.key) ?? [] });
    }),
  );
  return (await Promise.all(checks)).flat();
}

/** The entries of one item in order. @throws ITEM_NOT_FOUND */
export function segmentsOf(manifest: Manifest, name: string): ManifestItem[] {
  const segments = manifest.items.filter((item) => item.name === name);
  if (segments.length === 0) {
    throw new HoldfastError(
      'ITEM_NOT_FOUND',
      `recovery point ${manifest.id} has no item ${JSON.stringify(name)}`,
    );
  }
  return segments.toSorted((a, b) => (a.segment ?? 1) - (b.segment ?? 1));
}

/** Hashed, put together and decrypted. */
export function decryptItem(
  place: ManifestPlace,
  input: {
    readonly manifest: Manifest;
    readonly segments: readonly ManifestItem[];
    readonly signal: AbortSignal | undefined;
  },
): AsyncIterable<Uint8Array> {
  const { manifest, segments, signal } = input;
  async function* stored(): AsyncGenerator<Uint8Array> {
    for (const segment of segments) {
      yield* checkedBytes(await openObject(place.store, segment, signal), segment);
    }
  }
  return place.keys.decrypt(stored(), {
    source: manifest.source,
    recoveryPoint: manifest.id,
    item: segments[0]?.name ?? '',
  });
}
