#!/usr/bin/env node
// usage: npm run lint: format, lint, types and import rules, all of them even when one finds something.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { root, setupOrExit } from './setup.mjs';

setupOrExit();
const bin = [path.join(root, 'node_modules/node/bin'), path.join(root, 'node_modules/.bin')];
const env = { ...process.env, PATH: [...bin, process.env.PATH].join(path.delimiter) };
const layers = ['core', 'infra', 'lambdas', 'tasks', 'cli', 'sandbox', 'test'];
const checks = [
  ['prettier', '--log-level', 'warn', '--check', '.'],
  ['oxlint', '--quiet'],
  ['tsc', '--noEmit'],
  ['depcruise', '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', ...layers],
];
const failed = checks.filter(
  ([command, ...args]) => spawnSync(command, args, { cwd: root, env, stdio: 'inherit' }).status !== 0,
);
if (failed.length > 0) {
  process.stderr.write(
    `lint: ${failed.map(([command]) => command).join(', ')} found something (npm run format mends the format)\n`,
  );
  process.exit(1);
}
