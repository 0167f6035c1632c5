import type { Readable } from 'node:stream';
import type { ThawAdvice } from './archive.ts';
import type { LockMode, Manifest, ManifestItem, RecoveryPointId, UnsignedManifest } from './manifest.ts';
import type { ObjectVersion } from './object-store.ts';

/**
 * What the rest of Holdfast knows of a vault: recovery points that are begun, filled and committed, listed, opened and
 * verified. Below it: an {@link ObjectStore} and {@link VaultKeys}.
 */
export interface Vault {
  readonly url: string;
  /** Begins a recovery point; nothing is visible until `commit`. @throws KEY_MISMATCH before anything is written */
  begin(source: string, options?: BeginOptions): Promise<RecoveryPointWriter>;
  /**
   * Reads and checks the manifest (earliest version with a valid signature). `latest` is the newest point that is complete
   * in this vault, by a look as deep as asked for; newer ones that are not are told by the reader's `passedOver`. With `now`
   * those are passed over too that are dated ahead of it: for whoever asks how old data is, not what to restore.
   * @throws MANIFEST_NOT_FOUND, MANIFEST_SIGNATURE, MANIFEST_INVALID, MANIFEST_TOO_NEW, SOURCE_NOT_FOUND, KEY_MISMATCH; for `latest` RECOVERY_POINT_NOT_FOUND, RECOVERY_POINT_ARRIVING, RECOVERY_POINT_DATED_AHEAD
   */
  open(source: string, id: RecoveryPointId | 'latest', options?: OpenOptions): Promise<RecoveryPointReader>;
  /** Sources that have a folder here. Folders whose name no source can have are told to `onStrayFolder` and left out. */
  listSources(options?: { readonly onStrayFolder?: (folder: string) => void }): Promise<string[]>;
  /** Committed recovery points of a source, newest first, each with its state recomputed from the objects in this vault. @throws SOURCE_NOT_FOUND, KEY_MISMATCH */
  list(source: string, options?: ListOptions): Promise<ListedRecoveryPoint[]>;
  /** Objects, sizes, checksums, locks and chain; `deep` also decrypts and decompresses; `offline` needs no KMS call (pinned public key or key file). Finds all problems, throws none of them. @throws KEY_MISMATCH, RECOVERY_POINT_NOT_FOUND */
  verify(source: string, id: RecoveryPointId | 'latest', options?: VerifyOptions): Promise<VerifyReport>;
  /** Aborts uploads of a source (of one recovery point when `id` is given) that began before a time; returns how many. */
  abortUploads(source: string, options: AbortUploadsOptions): Promise<number>;
}

export interface AbortUploadsOptions {
  readonly before: Date;
  readonly id?: RecoveryPointId;
}

export interface BeginOptions {
  readonly id?: RecoveryPointId;
  readonly lockUntil?: Date;
  /** @default compliance */
  readonly lockMode?: LockMode;
  readonly signal?: AbortSignal;
}

export interface RecoveryPointWriter {
  readonly id: RecoveryPointId;
  readonly source: string;
  /**
   * Encrypts and stores one item whose bytes are already compressed (a zstd or gzip frame). Safe to call concurrently.
   * The item counts only when `input.done` resolved: the caller rejects it when a child process failed, and then the
   * upload is aborted and the object never becomes visible.
   */
  store(input: ItemInput): Promise<ManifestItem[]>;
  /** Writes the manifest once, last; idempotent for the same bytes. @throws MANIFEST_CONFLICT */
  commit(facts: ManifestFacts): Promise<Manifest>;
  /**
   * Aborts uploads in flight and leaves nothing visible. Data objects that are stored already are no recovery point: a
   * directory gives their room back, a bucket keeps them, locked as they are. After a commit nothing is touched.
   */
  abort(): Promise<void>;
}

export interface ItemInput {
  readonly name: string;
  readonly kind: string;
  readonly compression: 'zst' | 'gz';
  readonly body: Readable;
  /** Resolves after `body` ended and its producers exited cleanly, with what they counted. */
  readonly done: Promise<ItemCounts>;
  readonly detail?: ManifestItem['detail'];
  readonly onProgress?: (storedBytes: number) => void;
}

export interface ItemCounts {
  readonly rows?: number;
  /** Before compression. */
  readonly bytes?: number;
}

/** The engine's and the job's part of the manifest; id, source, items, totals, chain, lock and signature are the vault's. */
export type ManifestFacts = Omit<
  UnsignedManifest,
  | 'schemaVersion'
  | 'id'
  | 'source'
  | 'items'
  | 'totals'
  | 'previous'
  | 'lockedUntil'
  | 'lockMode'
  | 'leftovers'
>;

/** The very object that a manifest was read from: other versions of its key may be anybody's. */
export type StoredManifest = Pick<ObjectVersion, 'versionId' | 'lastModified'>;

export interface RecoveryPointReader {
  readonly manifest: Manifest;
  readonly storedManifest: StoredManifest;
  /** Newer points that `latest` could not take; to be shown to whoever restores. */
  readonly passedOver: readonly PassedOverRecoveryPoint[];
  /** Distinct item names in manifest order. */
  items(): ManifestItem[];
  /**
   * Decrypted, still compressed bytes of a whole item (all its segments). The stored bytes are hashed as they go by; the
   * stream ends with OBJECT_CORRUPT or DECRYPT_FAILED rather than hand over a wrong last byte.
   */
  read(name: string, options?: { readonly signal?: AbortSignal }): Promise<Readable>;
  /**
   * Before a restore touches its target: every named item (all when missing) present, whole and unaltered; reports all
   * problems. `ok` when nothing stands in the way of the restore, so also with problems that are `recoverable`.
   */
  checkBeforeRestore(names?: readonly string[]): Promise<VerifyReport>;
}

/** A recovery point that was not taken (by `latest`: a newer one), and the error code that says why not. */
export interface PassedOverRecoveryPoint {
  readonly id: RecoveryPointId;
  readonly code: string;
}

export interface ListOptions {
  /**
   * `checked` asks for the size, checksum and lock of every object, a call each. `listed` believes the store's listing, which
   * tells what is there and how large it is: for people who want to see what there is.
   * @default checked
   */
  readonly depth?: 'checked' | 'listed';
  /** Told of each point that is left out because its manifest cannot be used, newest first. */
  readonly onPassedOver?: (point: PassedOverRecoveryPoint) => void;
}

export interface OpenOptions extends Pick<ListOptions, 'depth'> {
  readonly now?: Date;
}

/** `arriving`: manifest here, objects not all; `available`: complete in this vault. */
export interface ListedRecoveryPoint {
  readonly manifest: Manifest;
  readonly storedManifest: StoredManifest;
  readonly state: 'available' | 'arriving';
  readonly missing: readonly string[];
}

export interface VerifyOptions {
  readonly deep?: boolean;
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
}

export interface VerifyReport {
  readonly recoveryPointId: RecoveryPointId;
  readonly ok: boolean;
  readonly objects: number;
  readonly storedBytes: number;
  readonly problems: readonly VerifyProblem[];
  /** What to do about the objects whose problem is ARCHIVED; missing when there are none. */
  readonly thaw?: ThawAdvice;
}

export interface VerifyProblem {
  readonly key: string;
  /** An error code of `core/errors.ts`. */
  readonly code: string;
  readonly detail: string;
  /** True when another version of the object still matches, so that a restore works all the same. */
  readonly recoverable: boolean;
}
