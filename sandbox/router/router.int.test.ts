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

  it('writes down who called which Region and what became of it', async () => {
    const [dead, alive] = ['us-east-1', 'us-west-2'].map((region) => new DynamoDBClient(settings(region)));
    await dead!.send(new ListTablesCommand({}));
    router.killRegion('us-east-1');
    router.resetCounts();
    await expect(dead!.send(new ListTablesCommand({}))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await alive!.send(new ListTablesCommand({}));
    router.faults.add({ region: 'us-west-2', service: 'dynamodb', effect: 'reset', first: 1 });
    await expect(alive!.send(new ListTablesCommand({}))).rejects.toMatchObject({ code: 'ECONNRESET' });
    const call = { service: 'dynamodb', operation: 'ListTables', caller: 'test', count: 1 };
    expect(router.calls()).toEqual([
      { ...call, region: 'us-east-1', outcome: 'refused' },
      { ...call, region: 'us-west-2', outcome: 'answered' },
      { ...call, region: 'us-west-2', outcome: 'cutOff' },
    ]);
    router.reviveRegion('us-east-1');
  });

  it('cuts off a delayed call whose Region dies while it waits', async () => {
    router.faults.add({ effect: 'delay', delayMilliseconds: 150, first: 1 });
    const call = new DynamoDBClient(settings('us-east-1')).send(new ListTablesCommand({}));
    await Promise.all([
      expect(call).rejects.toMatchObject({ code: 'ECONNRESET' }),
      new Promise((resolve) => setTimeout(resolve, 50)).then(() => router.killRegion('us-east-1')),
    ]);
    expect(router.calls()).toMatchObject([{ region: 'us-east-1', outcome: 'refused' }]);
    router.reviveRegion('us-east-1');
  });

  it('leads no way around: the other Region does not hand out what a dead Region stores', async () => {
    const east = new S3Client(settings('us-east-1'));
    await east.send(new CreateBucketCommand({ Bucket: 'home' }));
    await east.send(new PutObjectCommand({ Bucket: 'home', Key: 'k', Body: 'x' }));
    router.killRegion('us-east-1');
    const west = new S3Client(settings('us-west-2'));
    await expect(west.send(new GetObjectCommand({ Bucket: 'home', Key: 'k' }))).rejects.toMatchObject({
      name: 'PermanentRedirect',
    });
    router.reviveRegion('us-east-1');
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

  it('hides an object as if it had never been there', async () => {
    const s3 = new S3Client(settings('us-east-1'));
    await s3.send(new CreateBucketCommand({ Bucket: 'hidden' }));
    await s3.send(new PutObjectCommand({ Bucket: 'hidden', Key: 'k', Body: 'x' }));
    const rule = router.faults.add({ service: 's3', path: 'hidden/k', effect: 'missing' });
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'hidden', Key: 'k' }))).rejects.toMatchObject({
      name: 'NotFound',
    });
    await expect(s3.send(new GetObjectCommand({ Bucket: 'hidden', Key: 'k' }))).rejects.toMatchObject({
      name: 'NoSuchKey',
    });
    router.faults.remove(rule);
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'hidden', Key: 'k' }))).resolves.toBeDefined();
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
    ['expired', 'ExpiredTokenException'],
  ] as const)('answers %s in words the SDK knows, and only as often as it was told', async (effect, name) => {
    const east = new DynamoDBClient(settings('us-east-1'));
    router.faults.add({ service: 'dynamodb', effect, first: 1 });
    await expect(east.send(new ListTablesCommand({}))).rejects.toMatchObject({ name });
    await expect(east.send(new ListTablesCommand({}))).resolves.toBeDefined();
  });
});
