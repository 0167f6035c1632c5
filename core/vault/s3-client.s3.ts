import { S3Client } from '@aws-sdk/client-s3';
import { bucketRegion } from './bucket-region.s3.ts';
import { withRetry } from './retry.ts';
import { isTransient, toS3VaultError } from './s3-errors.s3.ts';

export interface S3Settings {
  readonly bucket: string;
  /** Before every key; empty or with a slash at its end. */
  readonly prefix: string;
  /** @default from the SDK's environment, else the bucket is asked */
  readonly region?: string;
  /** @default 90 */
  readonly retrySeconds?: number;
  /** @default 8 MiB; S3 takes no part below 5 MiB but the last */
  readonly partBytes?: number;
}

/** A bucket with the patience that the port promises. */
export class S3Bucket {
  readonly client: S3Client;
  readonly settings: S3Settings;

  constructor(settings: S3Settings) {
    this.settings = settings;
    this.client = new S3Client({
      region: settings.region ?? bucketRegion(settings.bucket),
      // One place retries, so that the time it may take is known: `call` below.
      maxAttempts: 1,
      // We send the CRC-64/NVME of everything and hash all that we read; the SDK need not do it again.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // A server that stops answering is a server that is gone.
      requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
    });
    signChecksumInsteadOfBody(this.client);
  }

  key(key: string): string {
    return this.settings.prefix + key;
  }

  /** Runs one request until it works or the time is up, and says its failure in our words. */
  async call<T>(action: string, request: (attempt: number) => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await withRetry(request, isTransient, {
        ...(this.settings.retrySeconds === undefined ? {} : { retrySeconds: this.settings.retrySeconds }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw toS3VaultError(error, action);
    }
  }
}

/**
 * A body with a checksum header of its own, which is signed with the other headers, is not hashed a second time for the
 * signature alone: that costs as much as encrypting it.
 * Source: Amazon S3 API reference, Signature Version 4, `x-amz-content-sha256: UNSIGNED-PAYLOAD`.
 */
function signChecksumInsteadOfBody(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { readonly headers: Record<string, string> };
      if (headers['x-amz-checksum-crc64nvme'] !== undefined)
        headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', name: 'signChecksumInsteadOfBody' },
  );
}
