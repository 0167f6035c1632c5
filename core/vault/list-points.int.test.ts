import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { zstdCompressSync } from 'node:zlib';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { keyFileKeys } from './keys.key-file.aws.ts';
import { createKeyFile, readKeyFile } from './key-file.ts';
import { concurrentPoints } from './list-points.ts';
import { DirectoryObjectStore } from './object-store.directory.ts';
import type { ObjectStore } from './object-store.ts';
import { openVault } from './open-vault.ts';
import { defaultSegmentBytes } from './pipeline.ts';
import { StoredVault } from './stored-vault.ts';
import { type FaultyProxy, startFaultyProxy } from './testing/faulty-proxy.ts';
import { makeBucket } from './testing/local-bucket.s3.ts';
import { facts } from './testing/streams.ts';
import type { Vault } from './vault.ts';

const points = 200;
const itemsEach = 2;
const source = 'many-db';
const bucket = 'holdfast-many';
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-many-'));
const folder = path.join(home, 'vault');
const keys = { kind: 'key-file' as const, path: path.join(home, 'key') };
let aws: LocalAws;
let proxy: FaultyProxy;
let s3: S3Client;
let ids: string[];

/** Counts what is asked of a folder, and how much of it at once. */
class CountingStore implements ObjectStore {
  readonly calls: Record<string, number> = {};
  most = 0;
  #now = 0;
  readonly #store = new DirectoryObjectStore(folder);
  readonly url = this.#store.url;
  readonly locks = false;

  create: ObjectStore['create'] = (...args) => this.#store.create(...args);
  abortUploads: ObjectStore['abortUploads'] = (...args) => this.#store.abortUploads(...args);
  discard: ObjectStore['discard'] = (key) => this.#store.discard(key);
  read: ObjectStore['read'] = (...args) => this.#count('read', () => this.#store.read(...args));
  head: ObjectStore['head'] = (...args) => this.#count('head', () => this.#store.head(...args));
  listVersions: ObjectStore['listVersions'] = (prefix) =>
    this.#list('listVersions', () => this.#store.listVersions(prefix));
  listFolders: ObjectStore['listFolders'] = (prefix) =>
    this.#list('listFolders', () => this.#store.listFolders(prefix));

  async #count<T>(name: string, call: () => Promise<T>): Promise<T> {
    this.calls[name] = (this.calls[name] ?? 0) + 1;
    this.#now += 1;
    this.most = Math.max(this.most, this.#now);
    try {
      // Others get their turn, as they would while a network answers.
      await turn();
      return await call();
    } finally {
      this.#now -= 1;
    }
  }

  async *#list<T>(name: string, call: () => AsyncIterable<T>): AsyncGenerator<T> {
    yield* await this.#count(name, async () => {
      const all: T[] = [];
      for await (const one of call()) all.push(one);
      return all;
    });
  }
}

async function fill(vault: Vault): Promise<string[]> {
  const made: string[] = [];
  const body = zstdCompressSync(Buffer.from('1\n'));
  for (let n = 0; n < points; n += 1) {
    const writer = await vault.begin(source);
    for (let item = 0; item < itemsEach; item += 1) {
      await writer.store({
        name: `public.t${item}`,
        kind: 'table',
        compression: 'zst',
        body: Readable.from([body]),
        done: Promise.resolve({ rows: 1, bytes: 2 }),
      });
    }
    made.push((await writer.commit(facts)).id);
  }
  return made.toReversed();
}

beforeAll(async () => {
  fs.mkdirSync(folder);
  await createKeyFile(keys.path);
  ids = await fill(await openVault({ url: folder, keys }));
  aws = await startAws();
  proxy = await startFaultyProxy(aws.endpoint);
  Object.assign(process.env, aws.environment, { AWS_ENDPOINT_URL: proxy.endpoint });
  s3 = new S3Client({ endpoint: aws.endpoint, forcePathStyle: true });
  await makeBucket(s3, bucket);
  const limit = pLimit(16);
  const files = fs.globSync('**/*.{enc,json}', { cwd: folder });
  await Promise.all(
    files.map((Key) =>
      limit(() =>
        s3.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key,
            Body: fs.readFileSync(path.join(folder, Key)),
            ChecksumAlgorithm: 'CRC64NVME',
          }),
        ),
      ),
    ),
  );
}, 120_000);
afterAll(async () => {
  await proxy?.stop();
  await aws?.stop();
  fs.rmSync(home, { recursive: true, force: true });
});
beforeEach(() => {
  proxy.requests = 0;
});

describe(`listing ${points} recovery points`, () => {
  const inFolder = async () => {
    const store = new CountingStore();
    const derived = keyFileKeys(await readKeyFile(keys.path));
    return { store, vault: new StoredVault({ store, keys: derived, segmentBytes: defaultSegmentBytes }) };
  };
  const inBucket = () => openVault({ url: `s3://${bucket}`, keys });

  it('takes two calls a point in a folder, and looks at no object', async () => {
    const { store, vault } = await inFolder();
    const listed = await vault.list(source, { depth: 'listed' });
    expect(listed.map(({ manifest }) => manifest.id)).toEqual(ids);
    expect(listed.every(({ state }) => state === 'available')).toBe(true);
    expect(store.calls).toEqual({ listFolders: 1, listVersions: points, read: points });
    expect(store.most).toBe(concurrentPoints.listed);
  });

  it('takes a call more for each object when objects are checked, never too many at once', async () => {
    const { store, vault } = await inFolder();
    const listed = await vault.list(source);
    expect(listed.map(({ manifest }) => manifest.id)).toEqual(ids);
    expect(store.calls).toEqual({
      listFolders: 1,
      listVersions: points,
      read: points,
      head: points * itemsEach,
    });
    expect(store.most).toBeGreaterThan(1);
    expect(store.most).toBeLessThanOrEqual(concurrentPoints.checked * itemsEach);
  });

  it('takes as many requests in a bucket', async () => {
    const vault = await inBucket();
    expect((await vault.list(source, { depth: 'listed' })).map(({ manifest }) => manifest.id)).toEqual(ids);
    expect(proxy.requests).toBe(1 + 2 * points);
    proxy.requests = 0;
    expect(await vault.list(source)).toHaveLength(points);
    expect(proxy.requests).toBe(1 + (2 + itemsEach) * points);
  });

  it('names what is missing or has another size, and leaves out what is forged', async () => {
    const vault = await inBucket();
    const [newest = '', second = '', third = ''] = ids;
    const [first] = (await vault.list(source, { depth: 'listed' }))[0]?.manifest.items ?? [];
    const key = first?.key ?? '';
    const cut = key.replace(newest, second);
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: await versionOf(key) }));
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: cut, VersionId: await versionOf(cut) }));
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: cut, Body: 'short' }));
    const forged = `v1/${source}/${third}/manifest.json`;
    const signed = fs.readFileSync(path.join(folder, forged), 'utf8');
    await s3.send(
      new DeleteObjectCommand({ Bucket: bucket, Key: forged, VersionId: await versionOf(forged) }),
    );
    const Body = signed.replace('"rows": 2', '"rows": 3');
    expect(Body).not.toBe(signed);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: forged, Body }));

    const passedOver: unknown[] = [];
    const listed = await vault.list(source, {
      depth: 'listed',
      onPassedOver: (point) => passedOver.push(point),
    });
    expect(listed.slice(0, 2).map(({ manifest, state, missing }) => [manifest.id, state, missing])).toEqual([
      [newest, 'arriving', [key]],
      [second, 'arriving', [cut]],
    ]);
    expect(listed.slice(2).every(({ state }) => state === 'available')).toBe(true);
    expect(listed).toHaveLength(points - 1);
    expect(passedOver).toEqual([{ id: third, code: 'MANIFEST_SIGNATURE' }]);
  });

  async function versionOf(key: string): Promise<string | undefined> {
    const { S3ObjectStore } = await import('./object-store.s3.ts');
    return (await new S3ObjectStore({ bucket, prefix: '' }).head({ key }))?.versionId;
  }
});
