import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { HoldfastError } from '../errors.ts';
import { type Crc64, createCrc64, encodeCrc64 } from './crc64.ts';
import type { CreateObjectOptions, StoredObject } from './object-store.ts';
import { PartMeter } from './part-meter.ts';
import type { S3Bucket } from './s3-client.s3.ts';
import { isNoSuchUpload, isNotFound, isPreconditionFailed } from './s3-errors.s3.ts';
import type { Semaphore } from './semaphore.ts';
import { type BufferPool, PartReader, type UploadPart } from './upload-parts.ts';

/** S3's limit; the pipeline's segments keep far below it. */
const mostParts = 10_000;
const s3LockModes = { compliance: 'COMPLIANCE', governance: 'GOVERNANCE' } as const;

export interface UploadResources {
  readonly bucket: S3Bucket;
  readonly pool: BufferPool;
  /** Bounds the parts in flight over all streams of a vault, and with them its memory. */
  readonly inFlight: Semaphore;
}

/** Stores one object: in one request when it fits a part, else in several. All or nothing, never over another object. */
export class S3Upload {
  readonly #resources: UploadResources;
  readonly #key: string;
  readonly #options: CreateObjectOptions;
  readonly #parts: PartReader;
  readonly #meter: PartMeter;
  /** Ends every request of this upload at its first failure. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #stopped: Promise<never>;

  private constructor(
    resources: UploadResources,
    object: { readonly key: string; readonly parts: PartReader; readonly crc64: Crc64 },
    options: CreateObjectOptions,
  ) {
    this.#resources = resources;
    this.#key = object.key;
    this.#options = options;
    this.#parts = object.parts;
    this.#meter = new PartMeter(object.crc64);
    this.#signal =
      options.signal === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, options.signal]);
    this.#stopped = rejectOnAbort(this.#signal);
    // Raced against below; an upload that ends well leaves it pending.
    this.#stopped.catch(() => undefined);
  }

  static async run(
    resources: UploadResources,
    object: { readonly key: string; readonly body: AsyncIterable<Uint8Array> },
    options: CreateObjectOptions,
  ): Promise<StoredObject> {
    const parts = new PartReader(object.body, resources.pool);
    const upload = new S3Upload(resources, { key: object.key, parts, crc64: await createCrc64() }, options);
    try {
      options.signal?.throwIfAborted();
      const first = await upload.#next();
      const versionId = first.isLast ? await upload.#put(first) : await upload.#multipart(first);
      return {
        key: object.key,
        ...(versionId === undefined || versionId === 'null' ? {} : { versionId }),
        ...upload.#meter.digest(),
      };
    } finally {
      parts.close();
    }
  }

  /** A source that hangs must not keep an upload from being stopped. */
  async #next(): Promise<UploadPart> {
    const next = this.#parts.next();
    const part = await Promise.race([next, this.#stopped]).catch((error: unknown) => {
      next.then((late) => this.#resources.pool.give(late.buffer)).catch(() => undefined);
      throw error;
    });
    this.#meter.update(part);
    return part;
  }

  async #put(part: UploadPart): Promise<string | undefined> {
    const { bucket, pool } = this.#resources;
    const { crc64nvme } = this.#meter.digest();
    try {
      const stored = await this.#confirm(() =>
        bucket.client.send(
          new PutObjectCommand({
            ...this.#headers(),
            Body: part.bytes,
            IfNoneMatch: '*',
            ChecksumCRC64NVME: crc64nvme,
          }),
          { abortSignal: this.#signal },
        ),
      );
      this.#options.onProgress?.(part.bytes.length);
      return stored;
    } finally {
      pool.give(part.buffer);
    }
  }

  async #multipart(first: UploadPart): Promise<string | undefined> {
    const { bucket } = this.#resources;
    const created = await bucket.call(
      `begin the upload of ${this.#key}`,
      () =>
        bucket.client.send(
          new CreateMultipartUploadCommand({
            ...this.#headers(),
            ChecksumAlgorithm: 'CRC64NVME',
            ChecksumType: 'FULL_OBJECT',
          }),
          { abortSignal: this.#signal },
        ),
      this.#signal,
    );
    const uploadId = created.UploadId ?? '';
    try {
      const parts = await this.#sendParts(uploadId, first);
      return await this.#complete(uploadId, parts);
    } catch (error) {
      this.#stop.abort(error);
      await this.#abort(uploadId);
      throw error;
    }
  }

  async #sendParts(uploadId: string, first: UploadPart): Promise<CompletedPart[]> {
    const { inFlight } = this.#resources;
    const sent: Promise<CompletedPart>[] = [];
    try {
      for (let part = first; ; part = await this.#next()) {
        if (part.number > mostParts) {
          throw new HoldfastError('INTERNAL', `${this.#key} needs more than ${mostParts} parts`);
        }
        await inFlight.acquire();
        const sending = this.#sendPart(uploadId, part).finally(() => inFlight.release());
        sending.catch((error: unknown) => this.#stop.abort(error));
        sent.push(sending);
        if (part.isLast) break;
      }
      return await Promise.all(sent);
    } catch (error) {
      this.#stop.abort(error);
      await Promise.allSettled(sent);
      throw error;
    }
  }

  async #sendPart(uploadId: string, part: UploadPart): Promise<CompletedPart> {
    const { bucket, pool } = this.#resources;
    const checksum = encodeCrc64(this.#meter.crcOfPart(part.number));
    try {
      const answer = await bucket.call(
        `upload part ${part.number} of ${this.#key}`,
        () =>
          bucket.client.send(
            new UploadPartCommand({
              Bucket: bucket.settings.bucket,
              Key: bucket.key(this.#key),
              UploadId: uploadId,
              PartNumber: part.number,
              Body: part.bytes,
              ChecksumCRC64NVME: checksum,
            }),
            { abortSignal: this.#signal },
          ),
        this.#signal,
      );
      this.#options.onProgress?.(this.#meter.acknowledge(part.bytes.length));
      return { PartNumber: part.number, ETag: answer.ETag, ChecksumCRC64NVME: checksum };
    } finally {
      pool.give(part.buffer);
    }
  }

  async #complete(uploadId: string, parts: CompletedPart[]): Promise<string | undefined> {
    const { bucket } = this.#resources;
    const { crc64nvme, storedBytes } = this.#meter.digest();
    return this.#confirm(() =>
      bucket.client.send(
        new CompleteMultipartUploadCommand({
          Bucket: bucket.settings.bucket,
          Key: bucket.key(this.#key),
          UploadId: uploadId,
          IfNoneMatch: '*',
          ChecksumCRC64NVME: crc64nvme,
          ChecksumType: 'FULL_OBJECT',
          MpuObjectSize: storedBytes,
          MultipartUpload: { Parts: parts },
        }),
        { abortSignal: this.#signal },
      ),
    );
  }

  /** The request that makes the object visible. After a lost reply the second try finds the object there: ours, if its bytes are. */
  async #confirm(send: () => Promise<{ VersionId?: string | undefined }>): Promise<string | undefined> {
    const { bucket } = this.#resources;
    const answer = await bucket.call(
      `store ${this.#key}`,
      async (attempt) => {
        try {
          return await send();
        } catch (error) {
          const mayBeOurs = attempt > 1 && (isPreconditionFailed(error) || isNoSuchUpload(error));
          const own = mayBeOurs ? await this.#findOwn() : undefined;
          if (own !== undefined) return own;
          if (!isPreconditionFailed(error)) throw error;
          throw new HoldfastError(
            'OBJECT_EXISTS',
            `${this.#key} is in the vault already; keys are written once`,
            { cause: error },
          );
        }
      },
      this.#signal,
    );
    return answer.VersionId;
  }

  async #findOwn(): Promise<{ VersionId?: string | undefined } | undefined> {
    const { bucket } = this.#resources;
    const { crc64nvme, storedBytes } = this.#meter.digest();
    try {
      const found = await bucket.client.send(
        new HeadObjectCommand({
          Bucket: bucket.settings.bucket,
          Key: bucket.key(this.#key),
          ChecksumMode: 'ENABLED',
        }),
        { abortSignal: this.#signal },
      );
      const isOwn = found.ContentLength === storedBytes && found.ChecksumCRC64NVME === crc64nvme;
      return isOwn ? { VersionId: found.VersionId } : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Best effort: what stays behind is aborted by `abortUploads` and by the bucket's own rule. */
  async #abort(uploadId: string): Promise<void> {
    const { bucket } = this.#resources;
    const abort = new AbortMultipartUploadCommand({
      Bucket: bucket.settings.bucket,
      Key: bucket.key(this.#key),
      UploadId: uploadId,
    });
    await bucket.client.send(abort).catch(() => undefined);
  }

  #headers(): Pick<
    PutObjectCommandInput,
    'Bucket' | 'Key' | 'Tagging' | 'ObjectLockMode' | 'ObjectLockRetainUntilDate'
  > {
    const { bucket } = this.#resources;
    const { kind, lockUntil, lockMode = 'compliance' } = this.#options;
    return {
      Bucket: bucket.settings.bucket,
      Key: bucket.key(this.#key),
      ...(kind === 'data' ? { Tagging: 'holdfast=data' } : {}),
      ...(lockUntil === undefined
        ? {}
        : { ObjectLockMode: s3LockModes[lockMode], ObjectLockRetainUntilDate: lockUntil }),
    };
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
