#!/usr/bin/env node
// Builds the tasks' image for the processors of the task definitions, pushes it to ECR and prints the address with its digest.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const usage = `usage: npm run image:push -- --repository URI [--tag TAG] [--platform linux/arm64]

  --repository  an ECR repository, for example 111122223333.dkr.ecr.us-east-1.amazonaws.com/holdfast
  --tag         default: the commit
  --platform    default: linux/arm64, what the task definitions ask for

Prints URI@sha256:… on stdout: the value that the plan's deployment takes. Push to a repository that replicates to the
standby Region (or run it for both), so that a restore there needs nothing of the lost Region.`;

function fail(message, code = 1) {
  process.stderr.write(`image:push: ${message}\n`);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      options: {
        repository: { type: 'string' },
        tag: { type: 'string' },
        platform: { type: 'string', default: 'linux/arm64' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(`${error.message}\n${usage}`, 2);
  }
}

function requireProgram(program, args, hint) {
  if (spawnSync(program, args, { stdio: 'ignore' }).status === 0) return;
  fail(`${[program, ...args].join(' ')} did not work\n  hint: ${hint}`);
}

const { repository, tag, platform, help } = options();
if (help) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
const parsed = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com\/[a-z0-9][a-z0-9._/-]*$/.exec(
  repository ?? '',
);
if (parsed === null)
  fail(`--repository must be the URI of an ECR repository, not ${repository}\n${usage}`, 2);
requireProgram(
  'docker',
  ['buildx', 'version'],
  'install Docker with buildx and start it; nothing else of Holdfast needs it',
);
requireProgram('aws', ['--version'], "install the AWS command line; it gets the registry's password");

const [, account, region] = parsed;
const password = execFileSync('aws', ['ecr', 'get-login-password', '--region', region]);
const registry = `${account}.dkr.ecr.${region}.amazonaws.com`;
const login = spawnSync('docker', ['login', '--username', 'AWS', '--password-stdin', registry], {
  input: password,
  stdio: ['pipe', 'ignore', 'inherit'],
});
if (login.status !== 0) fail(`docker could not log in to ${registry}`);

const commit =
  tag ?? execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-image-'));
const metadata = path.join(directory, 'metadata.json');
const build = spawnSync(
  'docker',
  [
    'buildx',
    'build',
    '--file',
    'tasks/Dockerfile',
    '--platform',
    platform,
    '--provenance=true',
    '--push',
    '--tag',
    `${repository}:${commit}`,
    '--metadata-file',
    metadata,
    '.',
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);
if (build.status !== 0) fail('the image could not be built or pushed');
const digest = JSON.parse(fs.readFileSync(metadata, 'utf8'))['containerimage.digest'];
fs.rmSync(directory, { recursive: true, force: true });
process.stdout.write(`${repository}@${digest}\n`);
