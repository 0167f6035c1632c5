import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, errorCatalogue, HoldfastError } from '../core/errors.ts';
import type { DaemonMessage } from './daemon.ts';
import { callControl, type ControlOrder, type ControlStatus } from './detached/control.ts';
import { endLeftovers, isRunning } from './detached/leftovers.ts';
import {
  claimProcess,
  defaultRecords,
  type ProcessRecord,
  readProcess,
  readState,
  removeRecords,
  type SandboxState,
} from './detached/records.ts';

export interface SandboxPlace {
  /** Folder of the records. @default .cache/sandbox of this clone */
  readonly records?: string;
}

export interface SandboxUpOptions extends SandboxPlace {
  /** False leaves both Regions empty. @default true: the app of examples/drill.yaml */
  readonly deploy?: boolean;
  /** Of the endpoint. @default a free one */
  readonly port?: number;
  readonly databasePorts?: readonly [shop: number, restored: number];
  readonly onStep?: (step: string) => void;
  readonly signal?: AbortSignal;
}

/** A sandbox in the background, and how to reach it. */
export interface DetachedSandbox extends SandboxState {
  /** False when it ran before. */
  readonly started: boolean;
  /** What a shell must export. */
  readonly environment: Readonly<Record<string, string>>;
  /** For psql; the password is the sandbox's own. */
  readonly databases: { readonly shop: string; readonly restored: string };
}

export type SandboxStatus = Omit<SandboxState, 'regions'> & ControlStatus;

/** How long a process may take to shut down by itself. */
const patienceMs = 10_000;
const projectRoot = path.resolve(import.meta.dirname, '..');

/** Starts a sandbox that outlives this process, and waits until it is ready. One that runs already is left alone. */
export async function sandboxUp(options: SandboxUpOptions = {}): Promise<DetachedSandbox> {
  const records = options.records ?? defaultRecords;
  const before = readProcess(records);
  if (before !== undefined && isRunning(before)) {
    const state = readState(records);
    if (state !== undefined) return describe(state, false);
    throw new HoldfastError('SANDBOX', `another command is starting the sandbox (process ${before.pid})`, {
      hint: 'holdfast sandbox status says when it runs; holdfast sandbox down stops it',
    });
  }
  if (before !== undefined) await cleanUp(records, before);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-detached-'));
  // The unprivileged user of PostgreSQL must be able to enter.
  fs.chmodSync(directory, 0o755);
  const child = startDaemon(directory);
  const record: ProcessRecord = {
    pid: child.pid ?? 0,
    directory,
    since: new Date().toISOString(),
    options: {
      deploy: options.deploy ?? true,
      ...(options.port !== undefined && { port: options.port }),
      ...(options.databasePorts && { databasePorts: [...options.databasePorts] }),
    },
  };
  if (!claimProcess(records, record)) {
    child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
    throw new HoldfastError('SANDBOX', 'another command has just begun to start the sandbox');
  }
  try {
    await untilReady(child, records, options);
  } catch (error) {
    await stop(records, record);
    throw error;
  }
  const state = readState(records);
  if (state === undefined) throw new HoldfastError('SANDBOX', 'the sandbox stopped right after its start');
  return describe(state, true);
}

/** Stops it, or what a crash left of it; `stopped` is `null` when there was nothing to stop. */
export async function sandboxDown({ records = defaultRecords }: SandboxPlace = {}): Promise<{
  readonly stopped: number | null;
}> {
  const record = readProcess(records);
  if (record === undefined) return { stopped: null };
  await stop(records, record);
  return { stopped: record.pid };
}

/** @throws SANDBOX_NOT_RUNNING */
export async function sandboxStatus({ records = defaultRecords }: SandboxPlace = {}): Promise<SandboxStatus> {
  const { record, state } = running(records);
  return { ...state, ...(await callControl(record.directory, 'status')) };
}

/** Throws away everything in it and starts anew at the same ports. @throws SANDBOX_NOT_RUNNING */
export async function sandboxReset(
  options: Pick<SandboxUpOptions, 'records' | 'onStep' | 'signal'> = {},
): Promise<DetachedSandbox> {
  const { state } = running(options.records ?? defaultRecords);
  await sandboxDown(options);
  const { endpoint: port, shop, restored } = state.ports;
  return sandboxUp({ ...options, deploy: state.deployed, port, databasePorts: [shop, restored] });
}

/** Everything in that Region dies, its database included. @throws SANDBOX_NOT_RUNNING, USAGE for a Region it lacks */
export async function sandboxKillRegion(region: string, place?: SandboxPlace): Promise<SandboxStatus> {
  return switchRegion('kill-region', region, place);
}

/** What was stored there is there again. @throws SANDBOX_NOT_RUNNING, USAGE for a Region it lacks */
export async function sandboxReviveRegion(region: string, place?: SandboxPlace): Promise<SandboxStatus> {
  return switchRegion('revive-region', region, place);
}

async function switchRegion(
  order: ControlOrder,
  region: string,
  place: SandboxPlace = {},
): Promise<SandboxStatus> {
  const { record, state } = running(place.records ?? defaultRecords);
  const known = Object.values(state.regions);
  if (!known.includes(region)) {
    throw new HoldfastError(
      'USAGE',
      `the sandbox has no Region ${JSON.stringify(region)}; it has ${known.join(' and ')}`,
    );
  }
  return { ...state, ...(await callControl(record.directory, order, region)) };
}

function running(records: string): { readonly record: ProcessRecord; readonly state: SandboxState } {
  const record = readProcess(records);
  const state = readState(records);
  if (record === undefined) throw notRunning();
  if (!isRunning(record)) {
    const hint = 'it crashed: holdfast sandbox down cleans up, holdfast sandbox up starts a new one';
    throw new HoldfastError('SANDBOX_NOT_RUNNING', `the sandbox of ${record.since} no longer runs`, { hint });
  }
  if (state === undefined) {
    const hint = 'the command that starts it says how far it is';
    throw new HoldfastError('SANDBOX_NOT_RUNNING', 'the sandbox is still starting', { hint });
  }
  return { record, state };
}

function notRunning(): HoldfastError {
  return new HoldfastError('SANDBOX_NOT_RUNNING', 'no sandbox is running', {
    hint: 'holdfast sandbox up starts one',
  });
}

/** It leads a process group and has a folder for temporary files, so that nothing of it can get lost. */
function startDaemon(directory: string): ChildProcess {
  const nodeDirectory = path.join(projectRoot, 'node_modules/node/bin');
  const log = fs.openSync(path.join(directory, 'sandbox.log'), 'a');
  const child = spawn(
    path.join(nodeDirectory, 'node'),
    [path.join(import.meta.dirname, 'daemon.ts'), directory],
    {
      cwd: projectRoot,
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      // Without the person's own AWS and PostgreSQL settings.
      env: {
        PATH: [nodeDirectory, '/usr/local/bin', '/usr/bin', '/bin'].join(path.delimiter),
        HOME: os.homedir(),
        TMPDIR: directory,
        LANG: 'C.UTF-8',
        NODE_COMPILE_CACHE: path.join(projectRoot, '.cache/compile'),
      },
    },
  );
  fs.closeSync(log);
  return child;
}

async function untilReady(child: ChildProcess, records: string, options: SandboxUpOptions): Promise<void> {
  const { signal, onStep } = options;
  const stopped = () => signal?.reason ?? new HoldfastError('JOB_ABORTED', 'the start was stopped');
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (signal?.aborted === true) reject(stopped());
      onAbort = () => reject(stopped());
      signal?.addEventListener('abort', onAbort, { once: true });
      child.on('message', (message: DaemonMessage) => {
        if ('step' in message) onStep?.(message.step);
        else if ('ready' in message) resolve();
        else reject(failure(message.failed));
      });
      child.once('error', reject);
      child.once('exit', (code, by) =>
        reject(new HoldfastError('SANDBOX', `the sandbox ended while it started (${by ?? code})`)),
      );
      child.send({ records }, (error) => error !== null && reject(error));
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function failure(failed: Extract<DaemonMessage, { failed: unknown }>['failed']): HoldfastError {
  const code = failed.code in errorCatalogue ? (failed.code as ErrorCode) : 'SANDBOX';
  return new HoldfastError(code, failed.message, failed.hint === undefined ? {} : { hint: failed.hint });
}

/** SIGTERM, time to shut down in order, then everything that is left. */
async function stop(records: string, record: ProcessRecord): Promise<void> {
  if (isRunning(record)) {
    try {
      process.kill(record.pid, 'SIGTERM');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline && isRunning(record)) await sleep(100);
  await cleanUp(records, record);
}

async function cleanUp(records: string, record: ProcessRecord): Promise<void> {
  await endLeftovers(record);
  const now = readProcess(records);
  // Somebody may have started a new one since its process removed the records.
  if (now === undefined || now.pid === record.pid) removeRecords(records, record);
  else fs.rmSync(record.directory, { recursive: true, force: true });
}

function describe(state: SandboxState, started: boolean): DetachedSandbox {
  const url = (port: number, name: string) => `postgres://postgres:sandbox@127.0.0.1:${port}/${name}`;
  return {
    ...state,
    started,
    environment: {
      AWS_ENDPOINT_URL: state.endpoint,
      AWS_ACCESS_KEY_ID: 'sandbox',
      AWS_SECRET_ACCESS_KEY: 'sandbox',
      AWS_REGION: state.regions.primary,
    },
    databases: { shop: url(state.ports.shop, 'shop'), restored: url(state.ports.restored, 'postgres') },
  };
}
