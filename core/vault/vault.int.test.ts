import { generateKeyPairSync } from 'node:crypto';
import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  GetPublicKeyCommand,
  KMSClient,
  ReplicateKeyCommand,
} from '@aws-sdk/client-kms';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { manifestKey } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { type KmsKeyOptions, openVault } from './open-vault.ts';
import { type FaultyProxy, startFaultyProxy } from './testing/faulty-proxy.ts';
import { makeBucket } from './testing/local-bucket.s3.ts';
import { facts, itemOf } from './testing/streams.ts';
import { backUp, contentOf, found, large, small } from './testing/vault-fixture.ts';
import { describeVault } from './vault.conformance.ts';
import type { Vault } from './vault.ts';

const bucket = 'holdfast-vault';
const peer = 'holdfast-peer';
const prefix = 'team/';
const breakGlass = generateKeyPairSync('rsa', {
  modulusLength: 3072,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'in the safe' },
});
let aws: LocalAws;
let proxy: FaultyProxy;
let s3: S3Client;
let kms: KMSClient;
let keys: KmsKeyOptions;
let otherKeys: KmsKeyOptions;

beforeAll(async () => {
  aws = await startAws();
  proxy = await startFaultyProxy(aws.endpoint);
  Object.assign(process.env, aws.environment, { AWS_ENDPOINT_URL: proxy.endpoint });
  s3 = new S3Client({ endpoint: aws.endpoint, forcePathStyle: true });
  kms = new KMSClient({ endpoint: aws.endpoint });
  await makeBucket(s3, bucket);
  await makeBucket(s3, peer);
  keys = { ...(await makeKeys()), breakGlassPublicKey: breakGlass.publicKey };
  otherKeys = await makeKeys();
});
afterAll(async () => {
  await proxy.stop();
  await aws.stop();
});
beforeEach(() => {
  proxy.rule = () => 'pass';
});

async function makeKeys(): Promise<KmsKeyOptions & { signingKeyArn: string; signingPublicKey: string }> {
  const make = async (more: object) =>
    (await kms.send(new CreateKeyCommand({ MultiRegion: true, ...more }))).KeyMetadata?.Arn ?? '';
  const keyArn = await make({});
  const signingKeyArn = await make({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
  const { PublicKey: der } = await kms.send(new GetPublicKeyCommand({ KeyId: signingKeyArn }));
  const text = Buffer.from(der ?? []).toString('base64');
  const signingPublicKey = `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`;
  return { kind: 'kms', keyArn, signingKeyArn, signingPublicKey };
}

const open = (options: KmsKeyOptions, more: { segmentBytes?: number; retrySeconds?: number } = {}) =>
  openVault({ url: `s3://${bucket}/${prefix}`, keys: options, retrySeconds: 60, ...more });

async function versionsOf(key: string): Promise<{ Key?: string; VersionId?: string }[]> {
  const listed = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix + key }));
  return [...(listed.Versions ?? []), ...(listed.DeleteMarkers ?? [])];
}

async function remove(key: string): Promise<void> {
  for (const { Key, VersionId } of await versionsOf(key)) {
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }));
  }
}

const put = (key: string, Body: Buffer | string) =>
  s3.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body }));
const hide = (key: string) => s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: prefix + key }));
async function read(key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: prefix + key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

describeVault('S3 and KMS', async () => ({
  vault: await open(keys),
  segmented: await open(keys, { segmentBytes: 1 << 20 }),
  withWrongKey: await open(otherKeys),
  wrongKeyCode: 'MANIFEST_SIGNATURE',
  discards: false,
  keys: async (folder) => (await versionsOf(folder)).map(({ Key }) => (Key ?? '').slice(prefix.length)),
  read,
  replace: async (key, bytes) => {
    await remove(key);
    await put(key, bytes);
  },
  remove,
  stop: async () => undefined,
}));

describe('vault on S3 and KMS', () => {
  let vault: Vault;
  let source: string;
  let sources = 0;
  beforeEach(async () => {
    sources += 1;
    source = `kms-${sources}`;
    vault = await open(keys);
  });
  const keyOf = (manifest: Manifest, name: string) =>
    manifest.items.find((item) => item.name === name)?.key ?? '';
  const lockUntil = () => new Date(Date.now() + 3_600_000);

  it('reads past delete markers and overwrites, and says so', async () => {
    const manifest = await backUp(vault, source, { lockUntil: lockUntil() });
    const [smallKey, largeKey] = [keyOf(manifest, 'public.small'), keyOf(manifest, 'public.large')];
    const place = manifestKey(source, manifest.id);
    await hide(smallKey);
    await put(largeKey, 'not a backup');
    await put(place, (await read(place)).toString().replace('"rows": 0', '"rows": 9'));
    await hide(place);
    const hidden = (key: string) => ({ key, code: 'OBJECT_HIDDEN', recoverable: true });
    const report = await vault.verify(source, 'latest', { deep: true });
    expect(report.ok).toBe(false);
    expect(found(report)).toEqual([hidden(place), hidden(smallKey), hidden(largeKey)]);
    const reader = await vault.open(source, 'latest');
    expect(reader.manifest).toEqual(manifest);
    expect(reader.passedOver).toEqual([]);
    expect(await reader.checkBeforeRestore()).toMatchObject({ ok: true });
    expect((await contentOf(reader, 'public.small')).equals(small)).toBe(true);
    expect((await contentOf(reader, 'public.large')).equals(large)).toBe(true);
    expect((await vault.list(source)).map((point) => point.state)).toEqual(['available']);
  });

  it('finds the right bytes under another version id', async () => {
    const manifest = await backUp(vault, source);
    const key = keyOf(manifest, 'public.large');
    const bytes = await read(key);
    await remove(key);
    await put(key, Buffer.alloc(bytes.length, 7));
    await put(key, bytes);
    await put(key, Buffer.alloc(bytes.length, 8));
    expect(found(await vault.verify(source, 'latest'))).toEqual([
      { key, code: 'OBJECT_HIDDEN', recoverable: true },
    ]);
    expect((await contentOf(await vault.open(source, 'latest'), 'public.large')).equals(large)).toBe(true);
  });

  it('locks every object, and misses locks and predecessor in a copy that has neither', async () => {
    const first = await backUp(vault, source, { lockUntil: lockUntil() });
    const second = await backUp(vault, source, { lockUntil: lockUntil() });
    const place = manifestKey(source, second.id);
    const objects = [place, ...second.items.map((item) => item.key)];
    for (const key of objects) {
      await expect(remove(key)).rejects.toMatchObject({ name: 'AccessDenied' });
      await s3.send(new PutObjectCommand({ Bucket: peer, Key: prefix + key, Body: await read(key) }));
    }
    expect(await vault.verify(source, second.id, { deep: true })).toMatchObject({ ok: true, problems: [] });
    const copy = await openVault({ url: `s3://${peer}/${prefix}`, keys });
    expect(found(await copy.verify(source, 'latest', { deep: true }))).toEqual([
      ...objects.map((key) => ({ key, code: 'OBJECT_NOT_LOCKED', recoverable: true })),
      { key: manifestKey(source, first.id), code: 'MANIFEST_CHAIN_GAP', recoverable: true },
    ]);
    expect(await copy.list(source)).toMatchObject([{ state: 'arriving', missing: objects.slice(1) }]);
    await expect(copy.open(source, 'latest')).rejects.toMatchObject({ code: 'RECOVERY_POINT_ARRIVING' });
    expect((await contentOf(await copy.open(source, second.id), 'public.large')).equals(large)).toBe(true);
  });

  it('locks as firmly as it is told, and misses a lock that is less firm than promised', async () => {
    const until = lockUntil();
    const governed = await backUp(vault, source, { lockUntil: until, lockMode: 'governance' });
    const firm = await backUp(vault, source, { lockUntil: until });
    expect([governed.lockMode, firm.lockMode]).toEqual(['governance', undefined]);
    const objectsOf = (manifest: Manifest) => [
      manifestKey(source, manifest.id),
      ...manifest.items.map((item) => item.key),
    ];
    const lockOf = async (key: string) => {
      const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: prefix + key }));
      return { mode: head.ObjectLockMode, until: head.ObjectLockRetainUntilDate };
    };
    for (const [manifest, mode] of [
      [governed, 'GOVERNANCE'],
      [firm, 'COMPLIANCE'],
    ] as const) {
      for (const key of objectsOf(manifest)) {
        const lock = await lockOf(key);
        expect([key, lock.mode]).toEqual([key, mode]);
        const body = { Bucket: peer, Key: prefix + key, Body: await read(key) };
        const weak = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: lock.until } as const;
        await s3.send(new PutObjectCommand({ ...body, ...weak }));
      }
      expect(await vault.verify(source, manifest.id)).toMatchObject({ ok: true, problems: [] });
    }
    const copy = await openVault({ url: `s3://${peer}/${prefix}`, keys });
    expect(await copy.verify(source, governed.id)).toMatchObject({ ok: true, problems: [] });
    const report = await copy.verify(source, firm.id);
    expect(found(report)).toEqual(
      objectsOf(firm).map((key) => ({ key, code: 'OBJECT_NOT_LOCKED', recoverable: true })),
    );
    expect(report.problems[0]?.detail).toMatch(
      /^it carries a governance lock until \S+, the manifest says compliance until \S+$/,
    );
  });

  it('takes the point before while the newest is still arriving, and says what it passed over', async () => {
    const first = await backUp(vault, source);
    const second = await backUp(vault, source);
    const key = keyOf(second, 'public.large');
    const bytes = await read(key);
    await remove(key);
    const points = await vault.list(source);
    expect(points.map(({ manifest, state, missing }) => [manifest.id, state, missing])).toEqual([
      [second.id, 'arriving', [key]],
      [first.id, 'available', []],
    ]);
    const latest = await vault.open(source, 'latest');
    expect(latest.manifest.id).toBe(first.id);
    expect(latest.passedOver).toEqual([{ id: second.id, code: 'RECOVERY_POINT_ARRIVING' }]);
    expect(await (await vault.open(source, second.id)).checkBeforeRestore()).toMatchObject({ ok: false });
    await put(key, bytes);
    expect((await vault.open(source, 'latest')).manifest.id).toBe(second.id);
  });

  it('passes over a forged manifest that was put in front', async () => {
    const genuine = await backUp(vault, source);
    const forged = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ';
    await put(manifestKey(source, forged), JSON.stringify({ ...genuine, id: forged }));
    const latest = await vault.open(source, 'latest');
    expect(latest.manifest.id).toBe(genuine.id);
    expect(latest.passedOver).toEqual([{ id: forged, code: 'MANIFEST_SIGNATURE' }]);
    // The forged one must not get into the chain either.
    expect((await backUp(vault, source)).previous?.id).toBe(genuine.id);
  });

  it('commits once although the reply to the manifest was lost', async () => {
    const writer = await vault.begin(source);
    await writer.store(itemOf('a', small));
    let lost = 0;
    proxy.rule = ({ method, path }) =>
      method === 'PUT' && path.includes('manifest.json') && (lost += 1) === 1 ? 'lose-reply' : 'pass';
    const manifest = await writer.commit(facts);
    expect(lost).toBe(2);
    expect(await writer.commit(facts)).toEqual(manifest);
    expect(await versionsOf(manifestKey(source, writer.id))).toHaveLength(1);
    expect(await vault.verify(source, writer.id)).toMatchObject({ ok: true });
  });

  it('shows no recovery point when S3 is gone at the commit, and the same writer can still finish', async () => {
    const patientless = await open(keys, { retrySeconds: 1 });
    const writer = await patientless.begin(source);
    await writer.store(itemOf('a', small));
    proxy.rule = ({ path }) => (path.includes('manifest.json') ? 'reset' : 'pass');
    await expect(writer.commit(facts)).rejects.toMatchObject({ code: 'VAULT_UNAVAILABLE' });
    proxy.rule = () => 'pass';
    await expect(vault.open(source, writer.id)).rejects.toMatchObject({ code: 'MANIFEST_NOT_FOUND' });
    await writer.commit(facts);
    expect((await vault.open(source, 'latest')).manifest.id).toBe(writer.id);
  });

  it('refuses to write and to read while the key is disabled, and break-glass reads', async () => {
    const manifest = await backUp(vault, source);
    await kms.send(new DisableKeyCommand({ KeyId: keys.keyArn }));
    try {
      const writer = await vault.begin(source);
      await expect(writer.store(itemOf('a', small))).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
      const reader = await vault.open(source, manifest.id);
      await expect(contentOf(reader, 'public.small')).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
      expect(await vault.verify(source, manifest.id, { offline: true })).toMatchObject({ ok: true });
      const rescue = await openVault({
        url: `s3://${bucket}/${prefix}`,
        keys: {
          kind: 'break-glass',
          privateKey: breakGlass.privateKey,
          passphrase: 'in the safe',
          signingPublicKey: keys.signingPublicKey ?? '',
        },
      });
      expect(await rescue.verify(source, manifest.id, { deep: true, offline: true })).toMatchObject({
        ok: true,
      });
      const rescued = await rescue.open(source, manifest.id);
      expect((await contentOf(rescued, 'public.large')).equals(large)).toBe(true);
      const refused = (await rescue.begin(source)).store(itemOf('a', small));
      await expect(refused).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
    } finally {
      await kms.send(new EnableKeyCommand({ KeyId: keys.keyArn }));
    }
    expect((await contentOf(await vault.open(source, manifest.id), 'public.small')).equals(small)).toBe(true);
  });

  it("opens with the key's replica in the other Region, not with another key", async () => {
    const manifest = await backUp(vault, source);
    const replicas = [];
    for (const KeyId of [keys.keyArn, keys.signingKeyArn]) {
      await kms.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion: 'us-west-2' }));
      replicas.push((KeyId ?? '').replace('us-east-1', 'us-west-2'));
    }
    await kms.send(new DisableKeyCommand({ KeyId: keys.keyArn }));
    try {
      const [keyArn = '', signingKeyArn] = replicas;
      const standby = await open({ kind: 'kms', keyArn, signingKeyArn });
      expect(await standby.verify(source, manifest.id, { deep: true })).toMatchObject({ ok: true });
      expect((await contentOf(await standby.open(source, 'latest'), 'public.large')).equals(large)).toBe(
        true,
      );
      const { signingPublicKey } = keys;
      const stranger = await open({ ...otherKeys, signingPublicKey });
      await expect(contentOf(await stranger.open(source, 'latest'), 'public.small')).rejects.toMatchObject({
        code: 'DECRYPT_FAILED',
      });
      expect(found(await stranger.verify(source, 'latest', { deep: true })).map(({ code }) => code)).toEqual([
        'DECRYPT_FAILED',
        'DECRYPT_FAILED',
        'DECRYPT_FAILED',
      ]);
    } finally {
      await kms.send(new EnableKeyCommand({ KeyId: keys.keyArn }));
    }
  });

  it('verifies offline without a single call to KMS, and only against a pinned key', async () => {
    await backUp(vault, source);
    const calls: string[] = [];
    proxy.rule = ({ method, path }) => {
      if (path === '/') calls.push(method);
      return 'pass';
    };
    expect(await (await open(keys)).verify(source, 'latest', { offline: true })).toMatchObject({ ok: true });
    expect(calls).toEqual([]);
    const { keyArn, signingKeyArn } = keys;
    const unpinned = await open({ kind: 'kms', keyArn, signingKeyArn });
    await expect(unpinned.verify(source, 'latest', { offline: true })).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
    });
    expect(await unpinned.verify(source, 'latest')).toMatchObject({ ok: true });
    expect(calls).toHaveLength(1);
  });

  it('refuses keys that are none before anything is stored', async () => {
    const rsa2048 = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    const weak = rsa2048.export({ type: 'spki', format: 'pem' }).toString();
    for (const bad of [
      { ...keys, keyArn: 'alias/vault' },
      { ...keys, signingPublicKey: breakGlass.publicKey },
      { ...keys, signingPublicKey: 'hello' },
      { ...keys, breakGlassPublicKey: weak },
    ]) {
      await expect(open(bad)).rejects.toMatchObject({ code: 'SETTING_INVALID' });
    }
  });
});
