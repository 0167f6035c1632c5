import type { LockMode } from './manifest.ts';

/**
 * The port through which everything reaches stored bytes. Two adapters: a bucket (`object-store.s3.ts`) and a directory
 * (`object-store.directory.ts`); both pass `object-store.conformance.ts`.
 *
 * Keys use `/`, are relative to the vault's prefix and are written once. Adapters retry what is transient on their own
 * (backoff with jitter, at least 60 s in all, so that a network that is gone for 30 s costs no job); what they throw is final.
 */
export interface ObjectStore {
  /** `s3://bucket/prefix` or `file:///path`, for messages; never holds credentials. */
  readonly url: string;
  /** True when objects can be locked until a time (S3 Object Lock); where not, `lockUntil` has no effect. */
  readonly locks: boolean;

  /**
   * Stores a stream under a new key, all or nothing, memory constant in its length.
   * @throws OBJECT_EXISTS when the key has a current version (If-None-Match: *); VAULT_FULL, VAULT_ACCESS_DENIED, VAULT_UNAVAILABLE.
   */
  create(key: string, body: AsyncIterable<Uint8Array>, options: CreateObjectOptions): Promise<StoredObject>;

  /**
   * Opens one version (the current one when `versionId` is missing). The bytes are as stored: nothing is checked here.
   * @throws OBJECT_NOT_FOUND; ARCHIVED with thaw time and price in the hint.
   */
  read(ref: ObjectRef, options?: { readonly signal?: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;

  /** Facts of one version, `undefined` when it is not there or a delete marker is current. `crc64nvme` is the store's own record. */
  head(ref: ObjectRef): Promise<ObjectFacts | undefined>;

  /** All versions and delete markers below a prefix, in key order, newest version of a key first. A directory knows one version of each key. */
  listVersions(prefix: string): AsyncIterable<ObjectVersion>;

  /** The next path elements below a prefix that ends in `/`, each with its trailing `/`, also those hidden by delete markers. */
  listFolders(prefix: string): AsyncIterable<string>;

  /**
   * Removes an object that its own writer gave up before any manifest named it, where objects can be removed at all; a
   * bucket keeps it, locked, for its lifecycle.
   */
  discard(key: string): Promise<void>;

  /** Aborts uploads below a prefix that began before `before` and removes their parts; returns how many. */
  abortUploads(prefix: string, before: Date): Promise<number>;
}

export interface ObjectRef {
  readonly key: string;
  readonly versionId?: string;
}

export interface CreateObjectOptions {
  /** Locked until then; ignored by stores without locks. */
  readonly lockUntil?: Date;
  /** @default compliance */
  readonly lockMode?: LockMode;
  /** `data` objects are tagged `holdfast=data`, which is what lifecycle rules filter on; manifests stay in Standard. */
  readonly kind: 'data' | 'manifest';
  readonly signal?: AbortSignal;
  /** Called with the running total of stored bytes. */
  readonly onProgress?: (storedBytes: number) => void;
}

/** What `create` measured while the bytes went by, confirmed by the store's own checksum. */
export interface StoredObject {
  readonly key: string;
  readonly versionId?: string;
  readonly storedBytes: number;
  /** SHA-256 of the stored bytes, lower-case hex. */
  readonly sha256: string;
  /** CRC-64/NVME of the whole object, base64 of 8 bytes big-endian, as S3 writes it. */
  readonly crc64nvme: string;
}

export interface ObjectFacts {
  readonly key: string;
  readonly versionId?: string;
  readonly storedBytes: number;
  readonly crc64nvme?: string;
  readonly lockedUntil?: Date;
  /** There whenever `lockedUntil` is. */
  readonly lockMode?: LockMode;
  readonly storageClass?: string;
  /** True when it must be thawed before it can be read. */
  readonly archived?: boolean;
  /** True when its thaw was ordered and is not done; once it is, the object is no longer `archived`. */
  readonly thawing?: boolean;
  readonly lastModified: Date;
  /** S3's own word for the replication of this version, when it has one. */
  readonly replicationStatus?: 'PENDING' | 'COMPLETED' | 'FAILED' | 'REPLICA';
}

export interface ObjectVersion {
  readonly key: string;
  readonly versionId?: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
  readonly storedBytes: number;
  readonly lastModified: Date;
}
