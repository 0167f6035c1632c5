import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  InvalidObjectState,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3';
import { HoldfastError } from '../errors.ts';
import { archivedError, isArchiveClass } from './archive.ts';
import { chunksOf } from './chunks.ts';
import type {
  CreateObjectOptions,
  ObjectFacts,
  ObjectRef,
  ObjectStore,
  ObjectVersion,
  StoredObject,
} from './object-store.ts';
import { factsOf, isVersionId } from './object-facts.s3.ts';
import { S3Bucket, type S3Settings } from './s3-client.s3.ts';
import { isNoSuchUpload, isNotFound, isTransient, toS3VaultError } from './s3-errors.s3.ts';
import { Semaphore } from './semaphore.ts';
import { BufferPool } from './upload-parts.ts';
import { S3Upload, type UploadResources } from './upload.s3.ts';

const defaultPartBytes = 8 * 2 ** 20;
/** Over all streams: with the part that each stream fills, two streams hold 64 MiB. */
const partsInFlight = 6;

/** A vault in a bucket, with versions, locks and full-object checksums. */
export class S3ObjectStore implements ObjectStore {
  readonly url: string;
  readonly locks = true;
  readonly #bucket: S3Bucket;
  readonly #upload: UploadResources;

  constructor(settings: S3Settings) {
    this.url = `s3://${settings.bucket}/${settings.prefix}`.replace(/\/$/, '');
    this.#bucket = new S3Bucket(settings);
    this.#upload = {
      bucket: this.#bucket,
      pool: new BufferPool(settings.partBytes ?? defaultPartBytes),
      inFlight: new Semaphore(partsInFlight),
    };
  }

  async create(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: CreateObjectOptions,
  ): Promise<StoredObject> {
    return S3Upload.run(this.#upload, { key, body }, options);
  }

  async read(
    ref: ObjectRef,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<Uint8Array>> {
    const first = await this.#get(ref, {}, options.signal);
    return this.#continued(ref, first, options.signal);
  }

  async head(ref: ObjectRef): Promise<ObjectFacts | undefined> {
    return this.#bucket.call(`look at ${ref.key}`, async () => {
      try {
        const command = new HeadObjectCommand({ ...this.#address(ref), ChecksumMode: 'ENABLED' });
        return factsOf(ref.key, await this.#bucket.client.send(command));
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  async *listVersions(prefix: string): AsyncIterable<ObjectVersion> {
    for await (const page of this.#versionPages(prefix, undefined)) {
      const found = [
        ...(page.Versions ?? []).map((version) => ({ ...version, isDeleteMarker: false })),
        ...(page.DeleteMarkers ?? []).map((marker) => ({ ...marker, Size: 0, isDeleteMarker: true })),
      ];
      // The SDK hands out versions and markers apart; S3 sent them together, newest first within a key.
      const order = found.toSorted((a, b) => compare(a.Key, b.Key) || newestFirst(a, b));
      for (const entry of order) {
        yield {
          key: (entry.Key ?? '').slice(this.#bucket.settings.prefix.length),
          ...(isVersionId(entry.VersionId) ? { versionId: entry.VersionId } : {}),
          isLatest: entry.IsLatest === true,
          isDeleteMarker: entry.isDeleteMarker,
          storedBytes: entry.Size ?? 0,
          lastModified: entry.LastModified ?? new Date(0),
        };
      }
    }
  }

  async *listFolders(prefix: string): AsyncIterable<string> {
    let last: string | undefined;
    for await (const page of this.#versionPages(prefix, '/')) {
      for (const { Prefix: folder } of page.CommonPrefixes ?? []) {
        // A folder whose keys straddle two pages is in both.
        if (folder === undefined || folder === last) continue;
        last = folder;
        yield folder.slice(this.#bucket.settings.prefix.length);
      }
    }
  }

  /** A writer may not delete: its stolen credentials could not either. */
  async discard(): Promise<void> {}

  async abortUploads(prefix: string, before: Date): Promise<number> {
    let aborted = 0;
    for await (const { Key, UploadId, Initiated } of this.#uploads(prefix)) {
      if (Initiated === undefined || Initiated >= before) continue;
      await this.#bucket.call(`abort an upload of ${Key ?? ''}`, async () => {
        const command = new AbortMultipartUploadCommand({
          Bucket: this.#bucket.settings.bucket,
          Key,
          UploadId,
        });
        await this.#bucket.client.send(command).catch((error: unknown) => {
          if (!isNoSuchUpload(error)) throw error;
        });
      });
      aborted += 1;
    }
    return aborted;
  }

  /** The bytes of one version; a connection that breaks is taken up again where it broke. */
  async *#continued(
    ref: ObjectRef,
    first: GetObjectCommandOutput,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const fixed = { key: ref.key, versionId: isVersionId(first.VersionId) ? first.VersionId : ref.versionId };
    const total = first.ContentLength ?? 0;
    let offset = 0;
    let failingSince: number | undefined;
    for (let answer = first; ;) {
      try {
        let at = beginOf(answer);
        for await (const chunk of chunksOf(answer.Body as Readable)) {
          failingSince = undefined;
          // A server may ignore a range and begin at the front again.
          const known = Math.min(chunk.length, Math.max(0, offset - at));
          at += chunk.length;
          if (known === chunk.length) continue;
          offset = at;
          yield known === 0 ? chunk : chunk.subarray(known);
        }
        if (offset >= total) return;
        throw Object.assign(new Error(`the connection ended at ${offset} of ${total} bytes`), {
          code: 'ECONNRESET',
        });
      } catch (error) {
        signal?.throwIfAborted();
        failingSince ??= performance.now();
        const seconds = (performance.now() - failingSince) / 1000;
        if (!isTransient(error) || seconds > (this.#bucket.settings.retrySeconds ?? 90)) {
          throw toS3VaultError(error, `read ${ref.key}`);
        }
      }
      await wait(200, undefined, signal === undefined ? {} : { signal });
      answer = await this.#get(fixed, { Range: `bytes=${offset}-`, IfMatch: first.ETag }, signal);
    }
  }

  async #get(
    ref: ObjectRef,
    range: { readonly Range?: string; readonly IfMatch?: string | undefined },
    signal: AbortSignal | undefined,
  ): Promise<GetObjectCommandOutput> {
    return this.#bucket.call(
      `read ${ref.key}`,
      async () => {
        try {
          return await this.#bucket.client.send(
            new GetObjectCommand({ ...this.#address(ref), ...range }),
            signal === undefined ? {} : { abortSignal: signal },
          );
        } catch (error) {
          if (error instanceof InvalidObjectState) throw await this.#archived(ref, error);
          if (!isNotFound(error)) throw error;
          throw new HoldfastError('OBJECT_NOT_FOUND', `${ref.key} is not in ${this.url}`, { cause: error });
        }
      },
      signal,
    );
  }

  /** The refusal does not say whether a thaw is on its way; a look at the object does. Where that fails, the refusal counts. */
  async #archived(ref: ObjectRef, error: InvalidObjectState): Promise<unknown> {
    const facts = await this.head(ref).catch(() => undefined);
    const storageClass = facts?.storageClass ?? error.StorageClass;
    if (!isArchiveClass(storageClass)) return error;
    const thawing = facts?.thawing === true;
    const object = { ...ref, storageClass, storedBytes: facts?.storedBytes ?? 0, thawing };
    return archivedError(object, this.url, error);
  }

  async *#versionPages(
    prefix: string,
    delimiter: string | undefined,
  ): AsyncGenerator<ListObjectVersionsCommandOutput> {
    let page: ListObjectVersionsCommandOutput | undefined;
    do {
      const command = new ListObjectVersionsCommand({
        Bucket: this.#bucket.settings.bucket,
        Prefix: this.#bucket.key(prefix),
        Delimiter: delimiter,
        KeyMarker: page?.NextKeyMarker,
        VersionIdMarker: page?.NextVersionIdMarker,
      });
      page = await this.#bucket.call(`list ${prefix}`, () => this.#bucket.client.send(command));
      yield page;
    } while (page.IsTruncated === true);
  }

  async *#uploads(
    prefix: string,
  ): AsyncGenerator<NonNullable<ListMultipartUploadsCommandOutput['Uploads']>[number]> {
    let page: ListMultipartUploadsCommandOutput | undefined;
    do {
      const command = new ListMultipartUploadsCommand({
        Bucket: this.#bucket.settings.bucket,
        Prefix: this.#bucket.key(prefix),
        KeyMarker: page?.NextKeyMarker,
        UploadIdMarker: page?.NextUploadIdMarker,
      });
      page = await this.#bucket.call(`list uploads of ${prefix}`, () => this.#bucket.client.send(command));
      yield* page.Uploads ?? [];
    } while (page.IsTruncated === true);
  }

  #address(ref: ObjectRef): { Bucket: string; Key: string; VersionId?: string } {
    return {
      Bucket: this.#bucket.settings.bucket,
      Key: this.#bucket.key(ref.key),
      ...(ref.versionId === undefined ? {} : { VersionId: ref.versionId }),
    };
  }
}

/** Where in the object an answer's first byte stands. */
function beginOf(answer: GetObjectCommandOutput): number {
  return Number(/^bytes (\d+)-/.exec(answer.ContentRange ?? '')?.[1] ?? 0);
}

/** The order of UTF-8 bytes, as S3 lists. */
function compare(a: string | undefined, b: string | undefined): number {
  return Buffer.compare(Buffer.from(a ?? ''), Buffer.from(b ?? ''));
}

interface Dated {
  readonly IsLatest?: boolean | undefined;
  readonly LastModified?: Date | undefined;
}

function newestFirst(a: Dated, b: Dated): number {
  return (
    Number(b.IsLatest ?? false) - Number(a.IsLatest ?? false) ||
    (b.LastModified?.getTime() ?? 0) - (a.LastModified?.getTime() ?? 0)
  );
}
