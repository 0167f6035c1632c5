#!/usr/bin/env node
// usage: node scripts/run.mjs PROGRAM [ARGUMENTS]: set-up first, then PROGRAM under the project's own Node 24.
import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { root, setupOrExit } from './setup.mjs';

const [program, ...args] = process.argv.slice(2);
if (program === undefined || program === '--help') {
  console.log('usage: node scripts/run.mjs PROGRAM [ARGUMENTS]');
  process.exit(program === undefined ? 2 : 0);
}
setupOrExit({ tests: program.includes('vitest') });
const bin = [path.join(root, 'node_modules/node/bin'), path.join(root, 'node_modules/.bin')];
const child = spawn(path.join(bin[0], 'node'), [path.resolve(root, program), ...args], {
  stdio: 'inherit',
  cwd: root,
  env: { ...process.env, PATH: [...bin, process.env.PATH].join(path.delimiter) },
});
// Ctrl-C reaches the whole foreground group by itself; TERM reaches only this process and is handed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
// As a shell says it.
child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + os.constants.signals[signal]));
