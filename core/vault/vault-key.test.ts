import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readKeyFile } from './key-file.ts';
import { openVault } from './open-vault.ts';
import { facts } from './testing/streams.ts';
import { backUp } from './testing/vault-fixture.ts';
import type { Vault } from './vault.ts';
import { vaultKeyObject } from './vault-key.ts';

let home: string;
const root = () => path.join(home, 'vault');
const marker = () => path.join(root(), vaultKeyObject);
const open = (key: string): Promise<Vault> =>
  openVault({ url: root(), keys: { kind: 'key-file', path: path.join(home, key), create: true } });
const idOf = async (key: string) => (await readKeyFile(path.join(home, key))).id;
const everything = () => fs.readdirSync(root(), { recursive: true, encoding: 'utf8' }).toSorted();

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-vault-key-'));
  fs.mkdirSync(root());
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

describe('a vault with a key file', () => {
  it('refuses a second key with both ids before it writes anything, and takes the first again', async () => {
    const first = await open('first');
    const manifest = await backUp(first, 'shop-db');
    expect(JSON.parse(fs.readFileSync(marker(), 'utf8'))).toEqual({
      schemaVersion: 1,
      keyId: await idOf('first'),
    });
    const second = await open('second');
    const before = everything();
    const bothIds = new RegExp(`${await idOf('first')}.*${await idOf('second')}`);
    for (const source of ['shop-db', 'other-db']) {
      await expect(second.begin(source)).rejects.toMatchObject({
        code: 'KEY_MISMATCH',
        message: expect.stringMatching(bothIds),
      });
    }
    for (const read of [second.list('shop-db'), second.verify('shop-db', 'latest')])
      await expect(read).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    expect(everything()).toEqual(before);
    expect((await first.open('shop-db', 'latest')).manifest.id).toBe(manifest.id);
    expect((await backUp(first, 'other-db')).source).toBe('other-db');
  });

  it('knows its key without the record, which an older vault does not have, and writes it again', async () => {
    await backUp(await open('first'), 'shop-db');
    fs.rmSync(path.dirname(marker()), { recursive: true });
    await expect((await open('second')).begin('shop-db')).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    expect(fs.existsSync(marker())).toBe(false);
    await backUp(await open('first'), 'shop-db');
    expect(fs.existsSync(marker())).toBe(true);
  });

  it('lets the right key read whatever the record says, and no key write when it is damaged', async () => {
    const vault = await open('first');
    const manifest = await backUp(vault, 'shop-db');
    fs.writeFileSync(marker(), JSON.stringify({ schemaVersion: 1, keyId: 'ffffffffffffffff' }));
    expect((await vault.open('shop-db', 'latest')).manifest.id).toBe(manifest.id);
    await expect(vault.begin('shop-db')).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    fs.writeFileSync(marker(), 'no record');
    await expect(vault.begin('shop-db')).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  it('is not bound by a backup that did not finish', async () => {
    const abandoned = await (await open('first')).begin('shop-db');
    await abandoned.abort();
    expect((await backUp(await open('second'), 'shop-db')).source).toBe('shop-db');
  });

  it('refuses the manifest of a first backup that began together with another one and ended after it', async () => {
    const [first, second] = [await open('first'), await open('second')];
    const late = await second.begin('b-db');
    const manifest = await backUp(first, 'a-db');
    const before = everything();
    await expect(late.commit(facts)).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    await late.abort();
    expect(everything()).toEqual(before);
    expect((await first.open('a-db', 'latest')).manifest.id).toBe(manifest.id);
  });

  it('lets one of two first backups win', async () => {
    const writers = [await (await open('first')).begin('a-db'), await (await open('second')).begin('b-db')];
    const ends = await Promise.allSettled(writers.map((writer) => writer.commit(facts)));
    const lost = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    expect(lost).toMatchObject([{ code: 'KEY_MISMATCH' }]);
  });
});
