import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../aws/local-aws.ts';
import { type Router, startRouter } from './router.ts';

let aws: LocalAws;
let router: Router;

beforeAll(async () => {
  aws = await startAws();
  router = await startRouter({ upstream: aws.endpoint });
});
afterAll(async () => {
  await router.close();
  await aws.stop();
});
beforeEach(() => {
  router.faults.clear();
  router.resetCounts();
});

function settings(region: string, maxAttempts = 1) {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return { region, endpoint: router.endpoint, credentials, maxAttempts, forcePathStyle: true };
}

describe('startRouter', () => {
  it('passes large bodies both ways unchanged and counts by Region, service and operation', async () => {
    const s3 = new S3Client(settings('us-east-1'));
    await s3.send(new CreateBucketCommand({ Bucket: 'pass' }));
    const body = Buffer.alloc(5_000_000, 'holdfast');
    await s3.send(new PutObjectCommand({ Bucket: 'pass', Key: 'a/b', Body: body }));
    const read = await s3.send(new GetObjectCommand({ Bucket: 'pass', Key: 'a/b' }));
    expect(Buffer.compare(Buffer.from((await read.Body?.transformToByteArray()) ?? []), body)).toBe(0);
    expect(router.counts()).toEqual({
      'us-east-1/s3/PutBucket': 1,
      'us-east-1/s3/PutObject': 1,
      'us-east-1/s3/GetObject': 1,
    });
  });

  it('resets the calls of a dead Region only, and finds everything again after its revival', async () => {
    const east = new DynamoDBClient(settings('us-east-1'));
    const west = new DynamoDBClient(settings('us-west-2'));
    await east.send(
      new CreateTableCommand({
        TableName: 'kept',
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      }),
    );
    router.killRegion('us-east-1');
    await expect(east.send(new ListTablesCommand({}))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(west.send(new ListTablesCommand({}))).resolves.toMatchObject({ TableNames: [] });
    router.reviveRegion('us-east-1');
    await expect(east.send(new ListTablesCommand({}))).resolves.toMatchObject({ TableNames: ['kept'] });
  });

  it('loses the reply of a write that took effect', async () => {
    const s3 = new S3Client(settings('us-east-1'));
    await s3.send(new CreateBucketCommand({ Bucket: 'lost' }));
    const rule = router.faults.add({ service: 's3', operation: 'PutObject', effect: 'lostReply', first: 1 });
    await expect(
      s3.send(new PutObjectCommand({ Bucket: 'lost', Key: 'k', Body: 'x' })),
    ).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(router.faults.hits(rule)).toBe(1);
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'lost', Key: 'k' }))).resolves.toMatchObject({
      ContentLength: 1,
    });
  });

  it('disturbs only the paths it was told', async () => {
    const s3 = new S3Client(settings('us-east-1'));
    await s3.send(new CreateBucketCommand({ Bucket: 'paths' }));
    const rule = router.faults.add({ service: 's3', path: 'v1/a b/', effect: 'deny' });
    const put = (key: string) =>
      s3.send(new PutObjectCommand({ Bucket: 'paths', Key: `v1/${key}/x`, Body: 'x' }));
    await expect(put('a b')).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(put('a bc')).resolves.toBeDefined();
    const list = (Prefix: string) => s3.send(new ListObjectsV2Command({ Bucket: 'paths', Prefix }));
    await expect(list('v1/a b/')).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(list('v1/')).resolves.toMatchObject({ KeyCount: 1 });
    expect(router.faults.hits(rule)).toBe(2);
  });

  it.each([
    ['throttle', 'ThrottlingException'],
    ['deny', 'AccessDenied'],
  ] as const)('answers %s in words the SDK knows, and only as often as it was told', async (effect, name) => {
    const east = new DynamoDBClient(settings('us-east-1'));
    router.faults.add({ service: 'dynamodb', effect, first: 1 });
    await expect(east.send(new ListTablesCommand({}))).rejects.toMatchObject({ name });
    await expect(east.send(new ListTablesCommand({}))).resolves.toBeDefined();
  });
});
