import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
/** The shell's Node is older than the project's own. */
const asOldNode =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.0.0"}})';

let home: string;
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-run-'));
});
afterEach(() => fs.rmSync(home, { recursive: true }));

describe('a program that a signal ended', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGKILL', 137],
  ])('%s ends scripts/run.mjs with %i, and an exit code is handed on', (signal, code) => {
    const program = path.join(home, 'program.mjs');
    const run = (text: string) => {
      fs.writeFileSync(program, text);
      return spawnSync(process.execPath, [path.join(root, 'scripts/run.mjs'), program]).status;
    };
    expect(run(`process.kill(process.pid, '${signal}'); setInterval(() => {}, 1000);`)).toBe(code);
    expect(run('process.exit(7);')).toBe(7);
  });

  it('ends holdfast the same way under an older Node', () => {
    fs.mkdirSync(path.join(home, 'cli'));
    fs.copyFileSync(path.join(root, 'cli/holdfast.mjs'), path.join(home, 'cli/holdfast.mjs'));
    fs.mkdirSync(path.join(home, 'node_modules/node/bin'), { recursive: true });
    const node = path.join(home, 'node_modules/node/bin/node');
    const run = (text: string) => {
      fs.writeFileSync(node, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return spawnSync(process.execPath, ['--import', asOldNode, path.join(home, 'cli/holdfast.mjs')]).status;
    };
    expect(run('kill -TERM $$')).toBe(143);
    expect(run('exit 7')).toBe(7);
  });
});
