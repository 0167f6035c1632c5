#!/usr/bin/env node
// Starts the command line under the project's own Node 24, whatever Node the shell has.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fs.realpathSync(fileURLToPath(import.meta.url)));
const bin = path.join(here, '../node_modules/node/bin');
if (!fs.existsSync(path.join(bin, 'node'))) {
  process.stderr.write('holdfast is not set up yet\nhint: run npm run setup in the project folder\n');
  process.exit(1);
}
const child = spawn(path.join(bin, 'node'), [path.join(here, 'main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` },
});
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(signal === null ? code : 1));
