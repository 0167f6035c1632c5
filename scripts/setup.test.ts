import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const nobody = 65_534;
const asRoot = process.getuid?.() === 0;
/** Root may write everywhere, so it sets the script up as somebody else. */
const other = asRoot ? { uid: nobody, gid: nobody } : {};
const canStart = spawnSync(process.execPath, ['--version'], { cwd: '/', ...other }).status === 0;

let clone: string;
beforeEach(() => {
  clone = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-clone-'));
  fs.mkdirSync(path.join(clone, 'scripts'));
  fs.copyFileSync(path.join(import.meta.dirname, 'setup.mjs'), path.join(clone, 'scripts/setup.mjs'));
  fs.chmodSync(clone, 0o555);
});
afterEach(() => {
  fs.chmodSync(clone, 0o755);
  fs.rmSync(clone, { recursive: true });
});

describe('set-up', () => {
  it.skipIf(!canStart)('says that the clone belongs to another user', () => {
    const end = spawnSync(process.execPath, [path.join(clone, 'scripts/setup.mjs')], {
      encoding: 'utf8',
      cwd: '/',
      ...other,
    });
    expect([end.status, end.stdout]).toEqual([1, '']);
    expect(end.stderr).toMatch(
      /^setup: EACCES: permission denied, mkdir '[^']*\.cache'\n {2}hint: does .* belong to another user\?/,
    );
  });
});
