import { HoldfastError, isHoldfastError } from '../errors.ts';
import { dataObjectOrdinal, folderName, manifestKey, recoveryPointPrefix, sourcePrefix } from './layout.ts';
import type { LockMode, Manifest, ManifestItem, RecoveryPointId, UnsignedManifest } from './manifest.ts';
import {
  findManifest,
  type ManifestPlace,
  manifestBytes,
  readWhole,
  signManifest,
} from './manifest-store.ts';
import { type PipelineContext, storeItem } from './pipeline.ts';
import type { ItemInput, ManifestFacts, RecoveryPointWriter } from './vault.ts';
import { bindVaultKey } from './vault-key.ts';

export interface WriterOptions {
  readonly place: ManifestPlace;
  readonly id: RecoveryPointId;
  readonly segmentBytes: number;
  readonly lockUntil: Date | undefined;
  readonly lockMode: LockMode;
  readonly signal: AbortSignal | undefined;
  /** The highest number that an earlier attempt under this id used; ours follow it. */
  readonly lastOrdinal: number;
}

/** Fills one recovery point. Whatever happens before `commit` wrote the manifest, no reader sees anything. */
export class StoredRecoveryPointWriter implements RecoveryPointWriter {
  readonly id: RecoveryPointId;
  readonly source: string;
  readonly #options: WriterOptions;
  readonly #abort = new AbortController();
  readonly #pipeline: PipelineContext;
  readonly #running = new Set<Promise<unknown>>();
  readonly #names = new Set<string>();
  readonly #items: { readonly order: number; readonly entries: ManifestItem[] }[] = [];
  #ordinal: number;
  #calls = 0;
  #signed: Manifest | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.id = options.id;
    this.source = options.place.source;
    this.#ordinal = options.lastOrdinal;
    const { signal } = this.#abort;
    this.#pipeline = {
      ...options.place,
      recoveryPointId: options.id,
      lockUntil: options.lockUntil,
      lockMode: options.lockMode,
      segmentBytes: options.segmentBytes,
      signal: options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]),
      nextOrdinal: () => (this.#ordinal += 1),
    };
  }

  async store(input: ItemInput): Promise<ManifestItem[]> {
    if (this.#signed !== undefined) throw misuse(`item ${input.name} came after the commit`);
    if (this.#names.has(input.name)) throw misuse(`item ${JSON.stringify(input.name)} came twice`);
    this.#names.add(input.name);
    const order = (this.#calls += 1);
    const work = storeItem(this.#pipeline, input);
    this.#running.add(work);
    try {
      const entries = await work;
      this.#items.push({ order, entries });
      return entries;
    } catch (error) {
      // The caller may try the item again; the name is free as nothing of it counts.
      this.#names.delete(input.name);
      throw error;
    } finally {
      this.#running.delete(work);
    }
  }

  async commit(facts: ManifestFacts): Promise<Manifest> {
    if (this.#running.size > 0) throw misuse(`${this.#running.size} items are still being stored`);
    this.#pipeline.signal.throwIfAborted();
    // Before the signature, after which `abort` leaves everything where it is.
    if (this.#signed === undefined) await bindVaultKey(this.#options.place);
    this.#signed ??= await signManifest(await this.#manifest(facts), this.#options.place.keys);
    const bytes = manifestBytes(this.#signed);
    const key = manifestKey(this.source, this.id);
    const { store } = this.#options.place;
    const { lockUntil, lockMode } = this.#options;
    const lock = lockUntil === undefined ? {} : { lockUntil, lockMode };
    try {
      await store.create(key, asStream(bytes), { kind: 'manifest', signal: this.#pipeline.signal, ...lock });
    } catch (error) {
      if (!isHoldfastError(error, 'OBJECT_EXISTS')) throw error;
      // Ours from an earlier call, or another writer's: the bytes tell.
      if (!bytes.equals(await readWhole(store, key))) throw conflict(this.source, this.id, error);
    }
    return this.#signed;
  }

  async abort(): Promise<void> {
    this.#abort.abort(new HoldfastError('JOB_ABORTED', `recovery point ${this.id} was abandoned`));
    await Promise.allSettled(this.#running);
    // Once a manifest was signed it may have been stored, whatever the answer was: then everything stays.
    if (this.#signed !== undefined) return;
    const { store } = this.#options.place;
    for (const { entries } of this.#items) for (const { key } of entries) await store.discard(key);
  }

  async #manifest(facts: ManifestFacts): Promise<UnsignedManifest> {
    const items = this.#items.toSorted((a, b) => a.order - b.order).flatMap(({ entries }) => entries);
    const leftovers = await this.#leftovers(new Set(items.map((item) => item.key)));
    const previous = await this.#previous();
    const { lockUntil, lockMode, place } = this.#options;
    const isLocked = lockUntil !== undefined && place.store.locks;
    return {
      schemaVersion: 1,
      id: this.id,
      source: this.source,
      ...facts,
      ...(isLocked ? { lockedUntil: lockUntil.toISOString() } : {}),
      ...(isLocked && lockMode !== 'compliance' ? { lockMode } : {}),
      items,
      totals: {
        items: this.#items.length,
        rows: sum(items, (item) => item.rows),
        bytes: sum(items, (item) => item.bytes),
        storedBytes: sum(items, (item) => item.storedBytes),
      },
      ...(previous === undefined ? {} : { previous }),
      ...(leftovers.length === 0 ? {} : { leftovers }),
    };
  }

  async #leftovers(own: ReadonlySet<string>): Promise<string[]> {
    const leftovers = new Set<string>();
    const prefix = recoveryPointPrefix(this.source, this.id);
    for await (const { key } of this.#options.place.store.listVersions(prefix)) {
      if (!own.has(key) && key !== manifestKey(this.source, this.id)) leftovers.add(key);
    }
    return [...leftovers];
  }

  /** The newest committed point before this one. One that cannot be read is passed over: it must not stop new backups. */
  async #previous(): Promise<Manifest['previous']> {
    const { place } = this.#options;
    const folders: string[] = [];
    for await (const folder of place.store.listFolders(sourcePrefix(this.source))) folders.push(folder);
    for (const folder of folders.toReversed()) {
      const id = folderName(folder);
      if (id === this.id) continue;
      try {
        const { manifest, sha256 } = await findManifest(place, id);
        const { lockedUntil } = manifest;
        return { id, sha256, ...(lockedUntil === undefined ? {} : { lockedUntil }) };
      } catch (error) {
        if (!isUnreadable(error)) throw error;
      }
    }
    return undefined;
  }
}

/** True for what makes one recovery point unreadable, as opposed to a vault that does not answer. */
export function isPassedOver(error: unknown): error is HoldfastError {
  return (
    isHoldfastError(error, 'MANIFEST_NOT_FOUND') ||
    isHoldfastError(error, 'MANIFEST_SIGNATURE') ||
    isHoldfastError(error, 'MANIFEST_INVALID') ||
    // A folder that is no recovery point.
    isHoldfastError(error, 'USAGE')
  );
}

/**
 * As {@link isPassedOver}, or a genuine point of a newer version: lists name it and a backup goes on beside it, but nobody takes
 * an older point in its place.
 */
export function isUnreadable(error: unknown): error is HoldfastError {
  return isPassedOver(error) || isHoldfastError(error, 'MANIFEST_TOO_NEW');
}

/** The highest number among the data objects of a recovery point, 0 when it has none. */
export async function lastOrdinalOf(place: ManifestPlace, id: RecoveryPointId): Promise<number> {
  let last = 0;
  for await (const { key } of place.store.listVersions(recoveryPointPrefix(place.source, id))) {
    last = Math.max(last, dataObjectOrdinal(key));
  }
  return last;
}

async function* asStream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function sum(items: readonly ManifestItem[], count: (item: ManifestItem) => number | undefined): number {
  return items.reduce((total, item) => total + (count(item) ?? 0), 0);
}

function misuse(message: string): HoldfastError {
  return new HoldfastError('INTERNAL', message);
}

function conflict(source: string, id: string, cause: unknown): HoldfastError {
  return new HoldfastError(
    'MANIFEST_CONFLICT',
    `another writer stored a different manifest for ${source} ${id}`,
    {
      cause,
      hint: 'did two jobs run under one recovery point? both sets of objects are kept; the stored manifest counts',
    },
  );
}
