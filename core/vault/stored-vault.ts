import { ulid } from 'ulid';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { isDatedAhead } from './dated-ahead.ts';
import type { VaultKeys } from './keys.ts';
import { folderName, layoutRoot, manifestKey, recoveryPointPrefix, sourcePrefix } from './layout.ts';
import { listPoints, missingObjects } from './list-points.ts';
import { type Manifest, type RecoveryPointId, recoveryPointIdSchema, sourceIdSchema } from './manifest.ts';
import { findManifest, type ManifestPlace } from './manifest-store.ts';
import type { ObjectStore } from './object-store.ts';
import { StoredRecoveryPointReader } from './recovery-point-reader.ts';
import { isPassedOver, lastOrdinalOf, StoredRecoveryPointWriter } from './recovery-point-writer.ts';
import type {
  AbortUploadsOptions,
  BeginOptions,
  ListedRecoveryPoint,
  ListOptions,
  OpenOptions,
  PassedOverRecoveryPoint,
  RecoveryPointReader,
  RecoveryPointWriter,
  Vault,
  VerifyOptions,
  VerifyReport,
} from './vault.ts';
import { requireVaultKey } from './vault-key.ts';
import { verifyRecoveryPoint } from './verify.ts';

export interface StoredVaultOptions {
  readonly store: ObjectStore;
  readonly keys: VaultKeys;
  readonly segmentBytes: number;
}

/** The vault over any object store and any keys. */
export class StoredVault implements Vault {
  readonly url: string;
  readonly #options: StoredVaultOptions;

  constructor(options: StoredVaultOptions) {
    this.#options = options;
    this.url = options.store.url;
  }

  async begin(source: string, options: BeginOptions = {}): Promise<RecoveryPointWriter> {
    const place = this.#place(source);
    const id = options.id ?? ulid();
    // Refuses an id or a source that cannot be a key before anything is stored.
    recoveryPointPrefix(source, id);
    await requireVaultKey(place);
    return new StoredRecoveryPointWriter({
      place,
      id,
      segmentBytes: this.#options.segmentBytes,
      lockUntil: options.lockUntil === undefined ? undefined : wholeSeconds(options.lockUntil),
      lockMode: options.lockMode ?? 'compliance',
      signal: options.signal,
      lastOrdinal: options.id === undefined ? 0 : await lastOrdinalOf(place, id),
    });
  }

  async open(
    source: string,
    id: RecoveryPointId | 'latest',
    options: OpenOptions = {},
  ): Promise<RecoveryPointReader> {
    const place = this.#place(source);
    try {
      if (id === 'latest') return await this.#openLatest(place, options);
      const found = await findManifest(place, id);
      return new StoredRecoveryPointReader(place, found);
    } catch (error) {
      // Tells a wrong source name from a wrong id, and a wrong key from a forged manifest.
      if (isHoldfastError(error, 'MANIFEST_NOT_FOUND')) await this.#ids(place);
      if (isHoldfastError(error, 'MANIFEST_SIGNATURE')) await requireVaultKey(place);
      throw error;
    }
  }

  async listSources(options: { readonly onStrayFolder?: (folder: string) => void } = {}): Promise<string[]> {
    const sources: string[] = [];
    for await (const folder of this.#options.store.listFolders(layoutRoot)) {
      const name = folderName(folder);
      if (sourceIdSchema.safeParse(name).success) sources.push(name);
      else options.onStrayFolder?.(folder);
    }
    return sources;
  }

  async list(source: string, options: ListOptions = {}): Promise<ListedRecoveryPoint[]> {
    const place = this.#place(source);
    let forged = false;
    const onPassedOver = (point: PassedOverRecoveryPoint) => {
      forged ||= point.code === 'MANIFEST_SIGNATURE';
      options.onPassedOver?.(point);
    };
    const points = await listPoints(place, await this.#ids(place), { ...options, onPassedOver });
    if (forged && points.length === 0) await requireVaultKey(place);
    return points;
  }

  async verify(
    source: string,
    id: RecoveryPointId | 'latest',
    options: VerifyOptions = {},
  ): Promise<VerifyReport> {
    const place = this.#place(source);
    const wanted = id === 'latest' ? await this.#newestCommitted(place) : id;
    const report = await verifyRecoveryPoint(place, wanted, options);
    if (report.problems.some(({ code }) => code === 'MANIFEST_SIGNATURE')) await requireVaultKey(place);
    return report;
  }

  async abortUploads(source: string, options: AbortUploadsOptions): Promise<number> {
    const prefix = options.id === undefined ? sourcePrefix(source) : recoveryPointPrefix(source, options.id);
    return this.#options.store.abortUploads(prefix, options.before);
  }

  #place(source: string): ManifestPlace {
    sourcePrefix(source);
    return { store: this.#options.store, keys: this.#options.keys, source };
  }

  /** Newest first. @throws SOURCE_NOT_FOUND */
  async #ids(place: ManifestPlace): Promise<RecoveryPointId[]> {
    const ids: string[] = [];
    for await (const folder of place.store.listFolders(sourcePrefix(place.source)))
      ids.push(folderName(folder));
    if (ids.length === 0) {
      throw new HoldfastError('SOURCE_NOT_FOUND', `${this.url} holds nothing of source ${place.source}`, {
        hint: 'is it the right vault? list its sources',
      });
    }
    return ids.filter((id) => recoveryPointIdSchema.safeParse(id).success).toReversed();
  }

  async #openLatest(
    place: ManifestPlace,
    { depth = 'checked', now }: OpenOptions,
  ): Promise<RecoveryPointReader> {
    const passedOver: PassedOverRecoveryPoint[] = [];
    // In a bucket versions and locks keep what is stored, so what does not fit is on its way or a fake, and the point before
    // it is the latest. A directory has neither: there it is damage, which the operator must hear of, not step over.
    const mayPassOver = place.store.locks;
    let failure: HoldfastError | undefined;
    for (const id of await this.#ids(place)) {
      try {
        const found = await findManifest(place, id);
        if (now !== undefined && isDatedAhead(found.manifest, now)) {
          failure ??= datedAhead(found.manifest);
          passedOver.push({ id, code: 'RECOVERY_POINT_DATED_AHEAD' });
          continue;
        }
        const missing = mayPassOver ? await missingObjects(place, found.manifest, { depth }) : [];
        if (missing.length === 0) return new StoredRecoveryPointReader(place, found, passedOver);
        failure ??= arriving(id, missing);
        passedOver.push({ id, code: 'RECOVERY_POINT_ARRIVING' });
      } catch (error) {
        if (!isPassedOver(error)) throw error;
        if (error.code === 'MANIFEST_NOT_FOUND') continue;
        if (!mayPassOver) throw error;
        failure ??= error;
        passedOver.push({ id, code: error.code });
      }
    }
    throw failure ?? notFound(place);
  }

  async #newestCommitted(place: ManifestPlace): Promise<RecoveryPointId> {
    for (const id of await this.#ids(place)) {
      const key = manifestKey(place.source, id);
      for await (const version of place.store.listVersions(key)) {
        if (version.key === key && !version.isDeleteMarker) return id;
      }
    }
    throw notFound(place);
  }
}

/** S3 keeps a lock's end in whole seconds; rounding up keeps the promise. */
function wholeSeconds(time: Date): Date {
  return new Date(Math.ceil(time.getTime() / 1000) * 1000);
}

function arriving(id: string, missing: readonly string[]): HoldfastError {
  return new HoldfastError(
    'RECOVERY_POINT_ARRIVING',
    `recovery point ${id} is not complete here: ${missing.length} objects missing, first ${missing[0] ?? ''}`,
    { hint: 'wait for replication, or restore in the Region where it was made' },
  );
}

function datedAhead({ id, startedAt }: Manifest): HoldfastError {
  return new HoldfastError(
    'RECOVERY_POINT_DATED_AHEAD',
    `recovery point ${id} says it was begun at ${startedAt}`,
    {
      hint: 'is the clock right where backups run, and here? who else may sign?',
      detail: { recoveryPointId: id },
    },
  );
}

function notFound(place: ManifestPlace): HoldfastError {
  return new HoldfastError(
    'RECOVERY_POINT_NOT_FOUND',
    `${place.store.url} holds no finished recovery point of ${place.source}`,
    { hint: 'has a backup ever ended without an error?' },
  );
}
