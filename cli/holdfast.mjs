#!/usr/bin/env node
// Starts the command line under the project's own Node 24, whatever Node the shell has.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import module from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const oldestNode = 24;
const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));
// Modules are compiled once, not at every start.
const compileCache = process.env.NODE_COMPILE_CACHE ?? path.join(here, '../.cache/compile');
const args = process.argv.slice(2);
// Overwrites the argument list that `ps` shows: a URL may carry a password.
process.title = 'holdfast';

const bin = path.join(here, '../node_modules/node/bin');
if (!fs.existsSync(path.join(bin, 'node'))) {
  process.stderr.write('holdfast is not set up yet\nhint: run npm run setup in the project folder\n');
  process.exitCode = 1;
} else if (Number.parseInt(process.versions.node, 10) >= oldestNode) {
  module.enableCompileCache(compileCache);
  await import('./main.ts');
} else {
  startUnderOwnNode();
}

function startUnderOwnNode() {
  // The arguments go through a pipe, so that the child's argument list shows no URL either.
  const child = spawn(path.join(bin, 'node'), [path.join(here, 'main.ts')], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: {
      ...process.env,
      PATH: `${bin}${path.delimiter}${process.env.PATH}`,
      HOLDFAST_ARGUMENTS_FD: '3',
      NODE_COMPILE_CACHE: compileCache,
    },
  });
  child.stdio[3].on('error', () => {});
  child.stdio[3].end(JSON.stringify(args));
  // On a terminal Ctrl-C reaches the child by itself; a signal sent to this process alone is handed on.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  // As a shell says it.
  child.on('exit', (code, signal) =>
    process.exit(signal === null ? code : 128 + os.constants.signals[signal]),
  );
}
