import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openVault, parseVaultUrl } from './open-vault.ts';
import { describeVault } from './vault.conformance.ts';

describeVault('directory and key file', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-vault-'));
  const root = path.join(directory, 'vault');
  fs.mkdirSync(root);
  const open = (name: string, segmentBytes?: number) =>
    openVault({
      url: root,
      keys: { kind: 'key-file', path: path.join(directory, name), create: true },
      segmentBytes,
    });
  return {
    vault: await open('key'),
    segmented: await open('key', 1 << 20),
    withWrongKey: await open('other-key'),
    wrongKeyCode: 'KEY_MISMATCH',
    discards: true,
    keys: async (prefix) =>
      fs
        .readdirSync(path.join(root, prefix), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))),
    read: async (key) => fs.readFileSync(path.join(root, key)),
    replace: async (key, bytes) => fs.writeFileSync(path.join(root, key), bytes),
    remove: async (key) => fs.rmSync(path.join(root, key)),
    stop: async () => fs.rmSync(directory, { recursive: true }),
  };
});

describe('parseVaultUrl', () => {
  it('reads folders, file URLs and buckets', () => {
    expect(parseVaultUrl('/srv/vault')).toEqual({ kind: 'directory', path: '/srv/vault' });
    expect(parseVaultUrl('vault')).toEqual({ kind: 'directory', path: path.resolve('vault') });
    expect(parseVaultUrl('file:///srv/a%20b')).toEqual({ kind: 'directory', path: '/srv/a b' });
    expect(parseVaultUrl('s3://my-bucket')).toEqual({ kind: 's3', bucket: 'my-bucket', prefix: '' });
    expect(parseVaultUrl('s3://my-bucket/a//b/')).toEqual({
      kind: 's3',
      bucket: 'my-bucket',
      prefix: 'a/b/',
    });
  });

  it('refuses what is none of them', () => {
    for (const url of ['', 's3://', 's3://A', 'http://x/y', 'gs://bucket', 'file://host/x']) {
      expect(() => parseVaultUrl(url)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });
});
