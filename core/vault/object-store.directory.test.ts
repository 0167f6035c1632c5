import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeObjectStore } from './object-store.conformance.ts';
import { DirectoryObjectStore } from './object-store.directory.ts';
import { inPieces, noise } from './testing/streams.ts';

const makeDirectory = () => fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-store-'));

describeObjectStore('directory', async () => {
  const directory = makeDirectory();
  return {
    store: new DirectoryObjectStore(directory),
    partBytes: 1 << 20,
    stop: async () => fs.rmSync(directory, { recursive: true }),
  };
});

describe('directory object store', () => {
  let directory: string;
  beforeEach(() => {
    directory = makeDirectory();
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

  it('keeps files and folders from others', async () => {
    const store = new DirectoryObjectStore(path.join(directory, 'new/vault'));
    await store.create('v1/s/a', inPieces(Buffer.from('x')), { kind: 'data' });
    const mode = (name: string) => fs.statSync(path.join(directory, name)).mode & 0o777;
    expect(mode('new/vault/v1/s/a')).toBe(0o600);
    expect([mode('new/vault'), mode('new/vault/v1'), mode('new/vault/v1/s')]).toEqual([0o700, 0o700, 0o700]);
  });

  it('says that a vault is not there rather than that it is empty', async () => {
    const store = new DirectoryObjectStore(path.join(directory, 'nowhere'));
    const list = async () => {
      for await (const folder of store.listFolders('v1/')) return folder;
      return undefined;
    };
    await expect(list()).rejects.toMatchObject({ code: 'VAULT_NOT_FOUND' });
    expect(fs.existsSync(path.join(directory, 'nowhere'))).toBe(false);
  });

  it('refuses a key that leads out of the vault', async () => {
    const store = new DirectoryObjectStore(directory);
    for (const key of ['../x', 'v1/../../x', 'v1//x', 'v1/..', '/etc/x', 'v1/\0']) {
      const creating = store.create(key, inPieces(Buffer.from('x')), { kind: 'data' });
      await expect(creating).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  it('shows nothing half-written after kill -9, and cleans up what was left', async () => {
    const script = `
      import { DirectoryObjectStore } from ${JSON.stringify(path.join(import.meta.dirname, 'object-store.directory.ts'))};
      const store = new DirectoryObjectStore(${JSON.stringify(directory)});
      async function* endless() { for (;;) { process.stdout.write('.'); yield Buffer.alloc(1 << 20, 1); await new Promise((r) => setTimeout(r, 1)); } }
      await store.create('v1/s/P/data/00001-x', endless(), { kind: 'data' });`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script]);
    await new Promise<void>((resolve) => {
      let seen = 0;
      child.stdout.on('data', (chunk: Buffer) => (seen += chunk.length) > 20 && resolve());
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    const store = new DirectoryObjectStore(directory);
    const listed = [];
    for await (const version of store.listVersions('')) listed.push(version.key);
    expect(listed).toEqual([]);
    expect(fs.readdirSync(path.join(directory, 'v1/s/P/data'))).toHaveLength(1);
    expect(await store.abortUploads('v1/other/', new Date(Date.now() + 60_000))).toBe(0);
    expect(await store.abortUploads('v1/s/', new Date(Date.now() - 3_600_000))).toBe(0);
    expect(await store.abortUploads('v1/s/', new Date(Date.now() + 60_000))).toBe(1);
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  it('says VAULT_FULL when the disk is, and leaves nothing', async () => {
    const store = new DirectoryObjectStore(directory);
    fs.mkdirSync(path.join(directory, 'v1/s'), { recursive: true });
    const script = `
      import { DirectoryObjectStore } from ${JSON.stringify(path.join(import.meta.dirname, 'object-store.directory.ts'))};
      const store = new DirectoryObjectStore(${JSON.stringify(directory)});
      async function* big() { for (let i = 0; i < 8; i++) yield Buffer.alloc(1 << 20, 1); }
      await store.create('v1/s/x', big(), { kind: 'data' }).then(() => console.log('stored'), (e) => console.log(e.code));`;
    // A limit on file size gives EFBIG where a small file system, which needs root, would give ENOSPC.
    const child = spawn('/bin/sh', [
      '-c',
      `trap '' XFSZ; ulimit -f 2048; exec "$0" --input-type=module-typescript -e "$1"`,
      process.execPath,
      script,
    ]);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise((resolve) => child.once('exit', resolve));
    expect(said.trim()).toBe('VAULT_FULL');
    expect(fs.readdirSync(path.join(directory, 'v1/s'))).toEqual([]);
    expect(await store.head({ key: 'v1/s/x' })).toBeUndefined();
  });

  it('keeps an object of 40 MiB under its true name only', async () => {
    const store = new DirectoryObjectStore(directory);
    const bytes = noise(40 << 20);
    await store.create('v1/s/big', inPieces(bytes, 777_777), { kind: 'data' });
    expect(fs.readdirSync(path.join(directory, 'v1/s'))).toEqual(['big']);
    expect(fs.readFileSync(path.join(directory, 'v1/s/big')).equals(bytes)).toBe(true);
  });
});
