import { HeadBucketCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { HoldfastError } from '../errors.ts';

/** Any Region answers for a bucket of the same partition. */
const askedRegion = 'us-east-1';

/**
 * The Region to talk to a bucket in: as AWS_REGION or the profile says, else where the bucket says that it is. Asked once.
 * @throws VAULT_NOT_FOUND; USAGE when the bucket does not tell either
 */
export function bucketRegion(bucket: string): () => Promise<string> {
  let found: Promise<string> | undefined;
  return () =>
    (found ??= regionOf(bucket).catch((error: unknown) => {
      // A network that is back a moment later is asked again.
      found = undefined;
      throw error;
    }));
}

async function regionOf(bucket: string): Promise<string> {
  const configured = await new S3Client({}).config.region().catch(() => undefined);
  return configured ?? askBucket(bucket);
}

/**
 * "Calls to the HeadBucket operation always return the bucket's location through an HTTP response header, whether access to
 * the bucket is authorized or not" (Amazon S3 API reference, GetBucketLocation).
 */
async function askBucket(bucket: string): Promise<string> {
  const client = new S3Client({ region: askedRegion, maxAttempts: 1 });
  try {
    const { BucketRegion: region } = await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return region ?? refuse(bucket);
  } catch (error) {
    if (!(error instanceof S3ServiceException) || error.$response === undefined) throw error;
    const status = error.$metadata.httpStatusCode ?? 0;
    if (status >= 500) throw error;
    const region = error.$response.headers['x-amz-bucket-region'];
    if (region !== undefined) return region;
    if (status !== 404) return refuse(bucket);
    throw new HoldfastError('VAULT_NOT_FOUND', `there is no bucket ${bucket}`, {
      cause: error,
      hint: 'is the bucket spelt right, and are these the credentials of its account?',
    });
  } finally {
    client.destroy();
  }
}

function refuse(bucket: string): never {
  throw new HoldfastError(
    'USAGE',
    `no Region is configured, and the bucket ${bucket} does not tell its own`,
    {
      hint: 'set AWS_REGION to the Region of the bucket',
    },
  );
}
