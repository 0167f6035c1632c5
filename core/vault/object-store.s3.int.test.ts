import {
  DeleteObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { describeObjectStore } from './object-store.conformance.ts';
import { S3ObjectStore } from './object-store.s3.ts';
import { type FaultyProxy, startFaultyProxy } from './testing/faulty-proxy.ts';
import { makeBucket } from './testing/local-bucket.s3.ts';
import { gather, inPieces, noise } from './testing/streams.ts';

const partBytes = 5 << 20;
let aws: LocalAws;
let proxy: FaultyProxy;
let client: S3Client;
let bucket: string;
let buckets = 0;

beforeAll(async () => {
  aws = await startAws();
  proxy = await startFaultyProxy(aws.endpoint);
  // The store is told about endpoints by the SDK's own environment only.
  Object.assign(process.env, aws.environment, { AWS_ENDPOINT_URL: proxy.endpoint });
  client = new S3Client({ endpoint: aws.endpoint, forcePathStyle: true });
});
afterAll(async () => {
  await proxy.stop();
  await aws.stop();
});

async function newStore(retrySeconds = 60): Promise<S3ObjectStore> {
  buckets += 1;
  bucket = `vault-${buckets}`;
  await makeBucket(client, bucket);
  return new S3ObjectStore({ bucket, prefix: 'some/prefix/', partBytes, retrySeconds });
}

describeObjectStore('S3', async () => {
  proxy.rule = () => 'pass';
  return { store: await newStore(), partBytes, stop: async () => undefined };
});

describe('S3 object store', () => {
  let store: S3ObjectStore;
  beforeEach(async () => {
    proxy.rule = () => 'pass';
    store = await newStore();
  });
  afterEach(() => {
    proxy.rule = () => 'pass';
  });
  const put = (key: string, bytes: Uint8Array, kind: 'data' | 'manifest' = 'data') =>
    store.create(key, inPieces(bytes), { kind });
  const uploads = async () =>
    (await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? [];

  it('tags, locks and checksums one-part and multipart objects', async () => {
    const lockUntil = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    for (const [key, kind, length] of [
      ['v1/small', 'data', 10],
      ['v1/big', 'data', 2 * partBytes + 1],
      ['v1/manifest', 'manifest', 10],
    ] as const) {
      const stored = await store.create(key, inPieces(noise(length)), { kind, lockUntil });
      const place = { Bucket: bucket, Key: `some/prefix/${key}`, VersionId: stored.versionId };
      const { TagSet } = await client.send(new GetObjectTaggingCommand(place));
      expect(TagSet).toEqual(kind === 'data' ? [{ Key: 'holdfast', Value: 'data' }] : []);
      const head = await client.send(new HeadObjectCommand({ ...place, ChecksumMode: 'ENABLED' }));
      expect(head).toMatchObject({
        ObjectLockMode: 'COMPLIANCE',
        ObjectLockRetainUntilDate: lockUntil,
        ChecksumCRC64NVME: stored.crc64nvme,
      });
      expect(await store.head(stored)).toMatchObject({ lockedUntil: lockUntil, versionId: stored.versionId });
    }
  });

  // The vault's policy refuses every request that carries one of these.
  it('names no class of storage, no key and no encryption', async () => {
    const sent: string[] = [];
    proxy.rule = ({ method, headers }) => {
      if (method === 'PUT' || method === 'POST') sent.push(...Object.keys(headers));
      return 'pass';
    };
    await put('v1/small-headers', noise(10));
    await put('v1/big-headers', noise(partBytes + 1));
    expect(sent).toContain('x-amz-tagging');
    expect(sent).toContain('if-none-match');
    expect(sent.filter((name) => /storage-class|server-side-encryption/.test(name))).toEqual([]);
  });

  it.each([
    ['compliance', 'COMPLIANCE', 'refused'],
    ['governance', 'GOVERNANCE', 'deleted'],
  ] as const)('in %s mode locks as %s; who bypasses the lock is %s', async (lockMode, mode, bypassing) => {
    const lockUntil = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    for (const [key, length] of [
      ['v1/small', 10],
      ['v1/big', partBytes + 1],
    ] as const) {
      const stored = await store.create(key, inPieces(noise(length)), { kind: 'data', lockUntil, lockMode });
      const place = { Bucket: bucket, Key: `some/prefix/${key}`, VersionId: stored.versionId };
      expect((await client.send(new HeadObjectCommand(place))).ObjectLockMode).toBe(mode);
      expect(await store.head(stored)).toMatchObject({ lockMode, lockedUntil: lockUntil });
      const remove = (bypass?: { readonly BypassGovernanceRetention: true }) =>
        client.send(new DeleteObjectCommand({ ...place, ...bypass })).then(
          () => 'deleted',
          (error: Error) => (error.name === 'AccessDenied' ? 'refused' : error.name),
        );
      expect(await remove()).toBe('refused');
      expect(await remove({ BypassGovernanceRetention: true })).toBe(bypassing);
      expect((await store.head(stored)) === undefined).toBe(bypassing === 'deleted');
    }
  });

  it('lists versions newest first and reads each, markers included', async () => {
    const first = await put('v1/k', Buffer.from('first'));
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'some/prefix/v1/k', Body: 'second' }));
    const found = [];
    for await (const version of store.listVersions('v1/')) found.push(version);
    expect(found).toMatchObject([
      { key: 'v1/k', isLatest: true, storedBytes: 6 },
      { key: 'v1/k', isLatest: false, storedBytes: 5, versionId: first.versionId },
    ]);
    expect((await gather(await store.read(first))).toString()).toBe('first');
    expect((await gather(await store.read({ key: 'v1/k' }))).toString()).toBe('second');
  });

  it('counts a write whose reply was lost as done, small and large', async () => {
    for (const [key, length, pattern] of [
      ['v1/small', 100, /PUT .*small/],
      ['v1/big', 2 * partBytes + 3, /POST .*big.*uploadId=/],
    ] as const) {
      let lost = 0;
      proxy.rule = ({ method, path }) => {
        if (lost > 0 || !pattern.test(`${method} ${path}`)) return 'pass';
        lost += 1;
        return 'lose-reply';
      };
      const bytes = noise(length, length);
      const stored = await put(key, bytes);
      expect(lost).toBe(1);
      expect(stored.storedBytes).toBe(length);
      expect((await gather(await store.read(stored))).equals(bytes)).toBe(true);
      const found = [];
      for await (const version of store.listVersions(key)) found.push(version.versionId);
      expect(found).toEqual([stored.versionId]);
    }
  });

  it("does not take another writer's object for its own after a lost reply", async () => {
    let seen = 0;
    proxy.rule = ({ method, path }) => {
      if (method !== 'PUT' || !path.includes('contested')) return 'pass';
      seen += 1;
      return seen === 1 ? 'reset' : 'pass';
    };
    await client.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'some/prefix/v1/contested', Body: 'theirs' }),
    );
    await expect(put('v1/contested', Buffer.from('ours!!'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
    expect(seen).toBe(2);
    expect((await gather(await store.read({ key: 'v1/contested' }))).toString()).toBe('theirs');
  });

  it('goes on after the network was gone for some seconds, writing and reading', async () => {
    const bytes = noise(6 * partBytes + 11);
    let down = false;
    let outages = 0;
    proxy.rule = () => (down ? 'reset' : 'pass');
    const outage = () => {
      down = true;
      outages += 1;
      setTimeout(() => (down = false), 2_500);
    };
    const slowly = async function* () {
      for await (const piece of inPieces(bytes, partBytes)) {
        if (outages === 0) setTimeout(outage, 20);
        yield piece;
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    };
    const stored = await store.create('v1/big', slowly(), { kind: 'data' });
    expect(outages).toBe(1);
    expect(stored.storedBytes).toBe(bytes.length);
    let cuts = 0;
    proxy.rule = ({ method, path }) => {
      if (method !== 'GET' || !path.includes('big') || cuts === 3) return 'pass';
      cuts += 1;
      return cuts === 2 ? 'reset' : 'cut-reply';
    };
    expect((await gather(await store.read(stored))).equals(bytes)).toBe(true);
    expect(cuts).toBe(3);
  });

  it('says VAULT_UNAVAILABLE when the network stays away, and leaves no object', async () => {
    const impatient = new S3ObjectStore({ bucket, prefix: '', partBytes, retrySeconds: 1 });
    proxy.rule = () => 'reset';
    for (const length of [10, 3 * partBytes]) {
      const creating = impatient.create(`v1/${length}`, inPieces(noise(length)), { kind: 'data' });
      await expect(creating).rejects.toMatchObject({ code: 'VAULT_UNAVAILABLE' });
    }
    await expect(impatient.head({ key: 'v1/10' })).rejects.toMatchObject({ code: 'VAULT_UNAVAILABLE' });
    await expect(impatient.read({ key: 'v1/10' })).rejects.toMatchObject({ code: 'VAULT_UNAVAILABLE' });
    proxy.rule = () => 'pass';
    const found = [];
    for await (const version of impatient.listVersions('')) found.push(version);
    expect(found).toEqual([]);
  });

  it('aborts the upload when a part is refused for good', async () => {
    const denied = '<Error><Code>AccessDenied</Code><Message>no</Message></Error>';
    proxy.rule = ({ path }) => (path.includes('partNumber=3') ? { status: 403, body: denied } : 'pass');
    await expect(put('v1/big', noise(5 * partBytes))).rejects.toMatchObject({ code: 'VAULT_ACCESS_DENIED' });
    expect(await uploads()).toEqual([]);
    expect(await store.head({ key: 'v1/big' })).toBeUndefined();
  });

  it('names what S3 refuses', async () => {
    const cases = [
      [403, 'ExpiredToken', 'VAULT_ACCESS_DENIED'],
      [403, 'InvalidAccessKeyId', 'VAULT_ACCESS_DENIED'],
      [403, 'AccessDenied', 'VAULT_ACCESS_DENIED'],
      [404, 'NoSuchBucket', 'VAULT_NOT_FOUND'],
      [400, 'KMS.DisabledException', 'KEY_UNAVAILABLE'],
      [507, 'XMinioStorageFull', 'VAULT_FULL'],
    ] as const;
    for (const [status, name, code] of cases) {
      let asked = 0;
      proxy.rule = () => {
        asked += 1;
        return { status, body: `<Error><Code>${name}</Code><Message>m</Message></Error>` };
      };
      await expect(put('v1/x', Buffer.from('x'))).rejects.toMatchObject({ code });
      // Repeating what is refused for good would only cost time.
      expect(asked).toBe(1);
    }
    proxy.rule = () => ({
      status: 403,
      body: '<Error><Code>InvalidObjectState</Code><Message>archived</Message></Error>',
    });
    await expect(store.read({ key: 'v1/x' })).rejects.toMatchObject({ code: 'ARCHIVED' });
    proxy.rule = () => ({ status: 403, body: '' });
    await expect(store.head({ key: 'v1/x' })).rejects.toMatchObject({ code: 'VAULT_ACCESS_DENIED' });
  });

  it('is patient with an overloaded server', async () => {
    const busy = { status: 503, body: '<Error><Code>SlowDown</Code><Message>m</Message></Error>' };
    let refused = 0;
    proxy.rule = () => ((refused += 1) <= 3 ? busy : 'pass');
    expect((await put('v1/x', Buffer.from('x'))).storedBytes).toBe(1);
    expect(refused).toBe(4);
  });

  it('aborts uploads that a killed process left, by prefix and age', async () => {
    const abort = new AbortController();
    proxy.rule = ({ method }) => (method === 'DELETE' ? 'reset' : 'pass');
    const endless = async function* () {
      for (let piece = 0; ; piece += 1) {
        if (piece === 3) abort.abort(new Error('killed'));
        yield noise(partBytes);
      }
    };
    const options = { kind: 'data', signal: abort.signal } as const;
    await expect(store.create('v1/s/x', endless(), options)).rejects.toThrow('killed');
    proxy.rule = () => 'pass';
    expect(await uploads()).toHaveLength(1);
    expect(await store.abortUploads('v1/other/', new Date(Date.now() + 60_000))).toBe(0);
    expect(await store.abortUploads('v1/s/', new Date(Date.now() - 3_600_000))).toBe(0);
    expect(await store.abortUploads('v1/s/', new Date(Date.now() + 60_000))).toBe(1);
    expect(await uploads()).toEqual([]);
  });
});
