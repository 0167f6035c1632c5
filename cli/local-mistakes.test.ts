import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVault } from '../core/vault/open-vault.ts';
import { backUp } from '../core/vault/testing/vault-fixture.ts';
import { runCli } from './testing/run-cli.ts';

let home: string;
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-mistakes-'));
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

/** No server listens there; a vault that cannot be used must be noticed before. */
const backup = (vault: string, env: Record<string, string> = {}) =>
  runCli(
    `local backup --engine postgres --url postgres://u@127.0.0.1:1/x --vault ${vault} --source shop-db --json`.split(
      ' ',
    ),
    { cwd: home, env },
  );

describe('a vault in a place that cannot be one', () => {
  it('names a file that stands where the folder should be', async () => {
    fs.writeFileSync(path.join(home, 'file'), '');
    for (const place of ['file', 'file/below']) {
      const result = await backup(place);
      expect([result.code, result.json().error.code]).toEqual([3, 'VAULT_NOT_FOUND']);
      expect(result.json().error.message).toContain(path.join(home, 'file'));
    }
    const list = await runCli(['local', 'list', '--vault', 'file', '--json'], { cwd: home });
    expect([list.code, list.json().error.code]).toEqual([3, 'VAULT_NOT_FOUND']);
    expect(fs.readdirSync(home)).toEqual(['file']);
  });

  // Nobody may make folders there, and Node's own recursive mkdir would never end.
  it.skipIf(!fs.existsSync('/proc/self'))('ends where the system takes no new folder', async () => {
    const vault = await backup('/proc/holdfast/vault');
    expect([vault.code, vault.json().error.code]).toEqual([3, 'VAULT_NOT_FOUND']);
    const key = await backup('vault', { HOME: '/proc/holdfast' });
    expect([key.code, key.json().error.code]).toEqual([2, 'KEY_FILE_INVALID']);
    expect(key.json().error).toMatchObject({
      message: expect.stringContaining('/proc/holdfast'),
      hint: expect.stringContaining('--key-file'),
    });
  });

  it.skipIf(process.getuid?.() === 0 && !fs.existsSync('/sys/kernel'))(
    'says that a parent is not writable',
    async () => {
      let parent = '/sys/kernel';
      if (process.getuid?.() !== 0) {
        parent = path.join(home, 'locked');
        fs.mkdirSync(parent, { mode: 0o500 });
      }
      const result = await backup(path.join(parent, 'vault'));
      expect([result.code, result.json().error.code]).toEqual([1, 'VAULT_ACCESS_DENIED']);
      expect(result.json().error.hint).toContain('may this user write there');
    },
  );
});

describe('a vault and the wrong key', () => {
  it('says whose it is when it is listed, verified and written to, and lists nothing as empty', async () => {
    const vault = path.join(home, 'vault');
    fs.mkdirSync(vault);
    const open = (name: string) =>
      openVault({ url: vault, keys: { kind: 'key-file', path: path.join(home, name), create: true } });
    await backUp(await open('right'), 'shop-db');
    await open('wrong');
    const place = ['--vault', vault, '--key-file', path.join(home, 'wrong'), '--source', 'shop-db', '--json'];
    const commands = [
      ['list'],
      ['verify', 'latest'],
      ['restore', 'latest', '--to', 'postgres://u@127.0.0.1:1/x'],
      ['backup', '--engine', 'postgres', '--url', 'postgres://u@127.0.0.1:1/x'],
    ];
    for (const words of commands) {
      const result = await runCli(['local', ...words, ...place], { cwd: home });
      expect([words[0], result.code, result.json().error?.code]).toEqual([words[0], 4, 'KEY_MISMATCH']);
    }
  });
});
