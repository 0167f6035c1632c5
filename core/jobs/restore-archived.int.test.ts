import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import type { Engine } from '../engines/engine.ts';
import { createKeyFile } from '../vault/key-file.ts';
import { openVault } from '../vault/open-vault.ts';
import { type FaultyProxy, startFaultyProxy } from '../vault/testing/faulty-proxy.ts';
import { makeBucket } from '../vault/testing/local-bucket.s3.ts';
import { backUp } from '../vault/testing/vault-fixture.ts';
import type { RecoveryPointReader, Vault } from '../vault/vault.ts';
import { ProgressMeter } from './progress.ts';
import { checkAndRestore } from './restore-and-check.ts';

const bucket = 'holdfast-cold-jobs';
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-archived-'));
let aws: LocalAws;
let proxy: FaultyProxy;
let vault: Vault;

beforeAll(async () => {
  aws = await startAws();
  proxy = await startFaultyProxy(aws.endpoint);
  Object.assign(process.env, aws.environment, { AWS_ENDPOINT_URL: proxy.endpoint });
  await makeBucket(new S3Client({ forcePathStyle: true }), bucket);
  await createKeyFile(path.join(home, 'key'));
  vault = await openVault({
    url: `s3://${bucket}`,
    keys: { kind: 'key-file', path: path.join(home, 'key') },
  });
  // Data objects get their class at once, where S3's lifecycle would give it to them later.
  proxy.rule = ({ method, path: url }) =>
    method === 'PUT' && url.includes('/data/')
      ? { headers: { 'x-amz-storage-class': 'DEEP_ARCHIVE' } }
      : 'pass';
});
afterAll(async () => {
  await proxy?.stop();
  await aws?.stop();
  fs.rmSync(home, { recursive: true, force: true });
});

/** A restore whose target nobody may reach. */
async function restore(reader: RecoveryPointReader): Promise<unknown> {
  const connect = async () => {
    throw new Error('the target was touched');
  };
  const engine: Pick<Engine<never>, 'itemsFor' | 'restore'> = { itemsFor: () => [], restore: connect };
  const context = {
    engine: engine as Engine<never>,
    connect,
    connections: 1,
    signal: new AbortController().signal,
    log: { info: () => undefined, warn: () => undefined },
    now: () => new Date(),
  };
  return checkAndRestore(context, { reader, meter: new ProgressMeter(() => new Date(), 'check objects') });
}

describe('restoring an archived recovery point', () => {
  it('is refused with what to do, before the target is touched', async () => {
    const { id } = await backUp(vault, 'cold-db');
    await expect(restore(await vault.open('cold-db', id))).rejects.toMatchObject({
      code: 'ARCHIVED',
      message: `recovery point ${id} cannot be restored yet: 3 objects of 3.1 MB in DEEP_ARCHIVE, not thawed`,
      hint: expect.stringMatching(
        /^the target was not touched; thaw.*up to 12 hours.*\$.*aws s3api restore-object/,
      ),
    });
  });

  it('is refused for the damage first when an object is lost too', async () => {
    const { id, items } = await backUp(vault, 'lost-db');
    const [, , last] = items;
    const Key = last?.key ?? '';
    await new S3Client({ forcePathStyle: true }).send(
      new DeleteObjectCommand({ Bucket: bucket, Key, VersionId: last?.versionId }),
    );
    await expect(restore(await vault.open('lost-db', id))).rejects.toMatchObject({
      code: 'OBJECT_NOT_FOUND',
      message: expect.stringContaining(Key),
    });
  });
});
