import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { RestoreObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { createKeyFile } from './key-file.ts';
import { openVault } from './open-vault.ts';
import { type FaultyProxy, startFaultyProxy } from './testing/faulty-proxy.ts';
import { makeBucket } from './testing/local-bucket.s3.ts';
import { backUp, contentOf, large } from './testing/vault-fixture.ts';
import type { Vault } from './vault.ts';

const bucket = 'holdfast-cold';
let aws: LocalAws;
let proxy: FaultyProxy;
let s3: S3Client;
let home: string;
let vault: Vault;
let storageClass: string;

beforeAll(async () => {
  aws = await startAws();
  proxy = await startFaultyProxy(aws.endpoint);
  Object.assign(process.env, aws.environment, { AWS_ENDPOINT_URL: proxy.endpoint });
  s3 = new S3Client({ endpoint: aws.endpoint, forcePathStyle: true });
  await makeBucket(s3, bucket);
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-cold-'));
  await createKeyFile(path.join(home, 'vault.key'));
  vault = await openVault({
    url: `s3://${bucket}/team`,
    keys: { kind: 'key-file', path: path.join(home, 'vault.key') },
  });
});
afterAll(async () => {
  await proxy?.stop();
  await aws?.stop();
  fs.rmSync(home, { recursive: true, force: true });
});
beforeEach(() => {
  storageClass = 'DEEP_ARCHIVE';
  proxy.rule = ({ method, path: url }) => {
    if (!url.includes('/data/')) return 'pass';
    // Data objects get their class at once, where S3's lifecycle would give it to them later.
    if (method === 'PUT' || method === 'POST') return { headers: { 'x-amz-storage-class': storageClass } };
    // The emulator tells of a thaw only when it is asked without a version id.
    return method === 'HEAD' ? { path: url.replace(/versionId=[^&]*&?/, '') } : 'pass';
  };
});

/** Runs a command line with an `aws` that only writes down how it was called: a line per call, at one go since several run at once. */
function callsOf(command: string): string[][] {
  const log = path.join(home, 'calls');
  fs.writeFileSync(
    path.join(home, 'aws'),
    `#!/bin/sh\ncall=$(printf '%s\\t' "$@"); printf '%s\\n' "$call" >> ${log}\n`,
    {
      mode: 0o755,
    },
  );
  fs.rmSync(log, { force: true });
  execFileSync('sh', ['-c', command], { env: { PATH: `${home}:/usr/bin:/bin` } });
  const lines = fs.readFileSync(log, 'utf8').split('\t\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
    .toSorted();
}

const thaw = (Key: string) =>
  s3.send(
    new RestoreObjectCommand({
      Bucket: bucket,
      Key,
      RestoreRequest: { Days: 7, GlacierJobParameters: { Tier: 'Standard' } },
    }),
  );

describe('a recovery point in an archive tier', () => {
  it('is refused with class, time, price and command, says that it is thawing, and reads once it has', async () => {
    const manifest = await backUp(vault, 'cold-db');
    const reader = await vault.open('cold-db', 'latest');
    const refused = await reader.checkBeforeRestore();
    expect(refused.ok).toBe(false);
    expect(refused.problems.map(({ key, code }) => [key, code])).toEqual(
      manifest.items.map(({ key }) => [key, 'ARCHIVED']),
    );
    expect(refused.thaw?.detail).toBe('3 objects of 3.1 MB in DEEP_ARCHIVE, not thawed');
    expect(refused.thaw?.hint).toContain('up to 12 hours');
    const ordered = callsOf(refused.thaw?.hint.split('is ordered by: ')[1] ?? 'false');
    expect(ordered).toEqual(
      manifest.items
        .map(({ key, versionId = '' }) =>
          `s3api restore-object --bucket ${bucket} --key team/${key} --version-id ${versionId} --restore-request Days=7,GlacierJobParameters={Tier=Standard}`.split(
            ' ',
          ),
        )
        .toSorted(),
    );
    await expect(contentOf(reader, 'public.large')).rejects.toMatchObject({
      code: 'ARCHIVED',
      message: expect.stringMatching(
        /public\.large\.zst\.enc: 1 object of 3\.1 MB in DEEP_ARCHIVE, not thawed$/,
      ),
      hint: expect.stringContaining('restore-object --bucket holdfast-cold'),
    });

    for (const [, , , , , key = ''] of ordered) await thaw(key);
    const waiting = await reader.checkBeforeRestore();
    expect([waiting.ok, waiting.thaw?.detail]).toEqual([
      false,
      '3 objects of 3.1 MB in DEEP_ARCHIVE, the thaw is under way',
    ]);
    await expect(contentOf(reader, 'public.large')).rejects.toMatchObject({
      code: 'ARCHIVED',
      message: expect.stringContaining('the thaw is under way'),
    });

    await expect.poll(async () => (await reader.checkBeforeRestore()).ok, { timeout: 15_000 }).toBe(true);
    expect(await reader.checkBeforeRestore()).not.toHaveProperty('thaw');
    expect((await contentOf(reader, 'public.large')).equals(large)).toBe(true);
  });

  it('needs only the objects of the items that are restored', async () => {
    storageClass = 'GLACIER';
    const manifest = await backUp(vault, 'part-db');
    const key = manifest.items.find(({ name }) => name === 'public.small')?.key ?? '';
    const reader = await vault.open('part-db', 'latest');
    const refused = await reader.checkBeforeRestore(['public.small']);
    expect(refused.thaw?.detail).toMatch(/^1 object of .* in GLACIER, not thawed$/);
    expect(refused.thaw?.hint).toMatch(/3 to 5 hours.*5 to 12 hours/);
    await thaw(`team/${key}`);
    await expect
      .poll(async () => (await reader.checkBeforeRestore(['public.small'])).ok, { timeout: 15_000 })
      .toBe(true);
    const all = await reader.checkBeforeRestore();
    expect([all.ok, all.problems.length, all.thaw?.detail.slice(0, 9)]).toEqual([false, 2, '2 objects']);
  });

  it('is whole to a check that reads nothing, and unread to a deep one', async () => {
    await backUp(vault, 'whole-db');
    expect(await vault.verify('whole-db', 'latest')).toMatchObject({ ok: true, problems: [] });
    const deep = await vault.verify('whole-db', 'latest', { deep: true });
    expect(deep.problems.map(({ code }) => code)).toEqual(['ARCHIVED', 'ARCHIVED', 'ARCHIVED']);
    expect(deep.thaw?.detail).toBe('3 objects of 3.1 MB in DEEP_ARCHIVE, not thawed');
    storageClass = 'GLACIER_IR';
    await backUp(vault, 'warm-db');
    expect(await vault.verify('warm-db', 'latest', { deep: true })).toMatchObject({ ok: true });
  });
});
