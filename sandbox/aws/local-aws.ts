import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { freePort } from '../postgres/postgres-server.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');
const venv = path.join(projectRoot, '.cache/venv/bin');

export interface LocalAwsOptions {
  /** @default a free one */
  readonly port?: number;
  /** Further settings of the emulator's process. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** One emulator process on loopback: every Region, no Docker, state that goes with it. */
export interface LocalAws {
  readonly endpoint: string;
  /** What a client process needs: AWS_ENDPOINT_URL, credentials, AWS_REGION (us-east-1). */
  readonly environment: Record<string, string>;
  readonly directory: string;
  stop(): Promise<void>;
}

export async function startAws(options: LocalAwsOptions = {}): Promise<LocalAws> {
  const port = options.port ?? (await freePort());
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-aws-'));
  const log = fs.openSync(path.join(directory, 'emulator.log'), 'a');
  // A clean environment: the emulator hands its own to every function it runs.
  const launcher = path.join(import.meta.dirname, 'launcher/main.py');
  // The mark shows in a process list whose emulator it is, also to those who look for leftovers of a crash.
  const child = spawn(path.join(venv, 'python'), ['-X', `holdfast=${directory}`, launcher], {
    cwd: directory,
    stdio: ['ignore', log, log],
    env: {
      PATH: `${path.join(projectRoot, 'node_modules/node/bin')}:/usr/local/bin:/usr/bin:/bin`,
      TMPDIR: directory,
      HOME: directory,
      LANG: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      MINISTACK_HOST: '127.0.0.1',
      MINISTACK_ACCOUNT_ID: '111122223333',
      LOG_LEVEL: 'WARNING',
      // Listeners of services that nobody here uses; they would listen on every interface.
      IOT_MTLS_ENABLED: '0',
      SFTP_ENABLED: '0',
      // One Region a word: replication stands still for these (see the correction s3_replication).
      HOLDFAST_DEAD_REGIONS: path.join(directory, 'dead-regions'),
      ...options.settings,
    },
  });
  fs.closeSync(log);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const endpoint = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill('SIGTERM');
    const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(hard);
    fs.rmSync(directory, { recursive: true, force: true });
  };
  const deadline = Date.now() + 30_000;
  while (child.exitCode === null && Date.now() < deadline) {
    const healthy = await fetch(`${endpoint}/_ministack/health`)
      .then((r) => r.ok)
      .catch(() => false);
    if (healthy) return { endpoint, directory, stop, environment: clientEnvironment(endpoint) };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const tail = fs
    .readFileSync(path.join(directory, 'emulator.log'), 'utf8')
    .trim()
    .split('\n')
    .slice(-8)
    .join('\n  ');
  await stop();
  throw new HoldfastError('SANDBOX', `the local AWS did not start on port ${port}:\n  ${tail}`);
}

function clientEnvironment(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-east-1',
  };
}
