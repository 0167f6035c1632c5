import { type ChildProcess, execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../core/errors.ts';

const run = promisify(execFile);
const projectRoot = path.resolve(import.meta.dirname, '../..');

export type PostgresMajor = 14 | 15 | 16 | 17 | 18;

export interface PostgresServerOptions {
  /** @default 18 */
  readonly major?: PostgresMajor;
  /** A directory that is empty or holds an earlier cluster of the same major. @default a new temporary one, in memory if there is room, deleted by `destroy` */
  readonly dataDirectory?: string;
  /** @default a free one */
  readonly port?: number;
  /** Lines for postgresql.conf, e.g. `{ work_mem: '64MB' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** @default the user `postgres` has this password and loopback needs it (scram-sha-256) */
  readonly password?: string;
  /** Loopback needs no password, as in a task's scratch server. @default false */
  readonly trust?: boolean;
}

/** A real PostgreSQL on loopback, made by initdb; for the sandbox and the tests. */
export interface PostgresServer {
  readonly major: PostgresMajor;
  readonly port: number;
  readonly dataDirectory: string;
  /** Superuser `postgres`, database `postgres`. */
  readonly connection: PostgresConnection;
  connectionTo(
    dbname: string,
    user?: { readonly username: string; readonly password: string },
  ): PostgresConnection;
  /** `postgres://…` with the password; for programs that take nothing else. */
  url(dbname?: string): string;
  /** Fast shutdown; the cluster stays on disk. */
  stop(): Promise<void>;
  /** kill -9 of the postmaster and its children, as a power cut would. */
  kill(): Promise<void>;
  /** Stops and deletes the data directory. */
  destroy(): Promise<void>;
}

/** Programs (psql, pg_dump …) of a major that `npm run setup` fetched; readable by the unprivileged user too. */
export function postgresBinDirectory(major: PostgresMajor): string {
  const fetched = path.join(projectRoot, '.cache/postgres', String(major));
  if (!fs.existsSync(path.join(fetched, 'bin/postgres'))) {
    throw new HoldfastError('TOOL_MISSING', `PostgreSQL ${major} is not in .cache/postgres`, {
      hint: `run npm run setup -- --tests`,
    });
  }
  if (process.getuid?.() !== 0 || isReachableByAll(fetched)) return path.join(fetched, 'bin');
  // PostgreSQL refuses to run as root, and the unprivileged user cannot enter e.g. /root: use a copy outside.
  const copy = path.join(
    '/var/tmp',
    `holdfast-postgres-${path.basename(projectRoot)}-${fs.statSync(fetched).ino}-${major}`,
  );
  if (!fs.existsSync(copy)) {
    const partial = `${copy}.${process.pid}`;
    fs.cpSync(fetched, partial, { recursive: true });
    fs.renameSync(partial, copy);
  }
  return path.join(copy, 'bin');
}

export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const major = options.major ?? 18;
  const cluster: Cluster = {
    bin: postgresBinDirectory(major),
    dataDirectory:
      options.dataDirectory ?? fs.mkdtempSync(path.join(placeForClusters(), 'holdfast-postgres-')),
    port: options.port ?? (await freePort()),
    password: options.password ?? 'sandbox',
    user: serverUser(),
    authentication: options.trust === true ? 'trust' : 'scram-sha-256',
  };
  fs.mkdirSync(cluster.dataDirectory, { recursive: true });
  if (cluster.user !== undefined) fs.chownSync(cluster.dataDirectory, cluster.user.uid, cluster.user.gid);
  if (!fs.existsSync(path.join(cluster.dataDirectory, 'PG_VERSION'))) await initialise(cluster);
  const child = launch(cluster, options.settings);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await waitUntilReady(cluster, child);
  return handle(cluster, major, { child, exited });
}

const memoryDisk = '/dev/shm';
const roomBytes = 8 * 1024 ** 3;

/** In memory, where there is plenty: a cluster is made in half the time, and a database in a quarter. */
function placeForClusters(): string {
  if (!fs.existsSync(memoryDisk) || os.freemem() < roomBytes) return os.tmpdir();
  const { bavail, bsize } = fs.statfsSync(memoryDisk);
  return bavail * bsize < roomBytes ? os.tmpdir() : memoryDisk;
}

interface Cluster {
  readonly bin: string;
  readonly dataDirectory: string;
  readonly port: number;
  readonly password: string;
  readonly user: ServerUser | undefined;
  readonly authentication: 'trust' | 'scram-sha-256';
}

function launch(cluster: Cluster, settings: PostgresServerOptions['settings']): ChildProcess {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // The sandbox's clusters outlive no power cut, and tests make many of them.
    fsync: 'off',
    shared_buffers: '128MB',
    max_wal_size: '2GB',
    log_min_messages: 'warning',
    ...settings,
  };
  const args = Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const log = fs.openSync(path.join(cluster.dataDirectory, 'server.log'), 'a');
  const child = spawn(
    path.join(cluster.bin, 'postgres'),
    ['-D', cluster.dataDirectory, '-p', String(cluster.port), ...args],
    { stdio: ['ignore', log, log], cwd: cluster.dataDirectory, env: cleanEnvironment(), ...cluster.user },
  );
  fs.closeSync(log);
  return child;
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
}

function handle(cluster: Cluster, major: PostgresMajor, { child, exited }: ServerProcess): PostgresServer {
  const { port, password, dataDirectory } = cluster;
  const connection: PostgresConnection = {
    host: '127.0.0.1',
    port,
    dbname: 'postgres',
    username: 'postgres',
    password,
    tls: 'disable',
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  return {
    major,
    port,
    dataDirectory,
    connection,
    connectionTo: (dbname, as) => ({ ...connection, dbname, ...as }),
    url: (dbname = 'postgres') =>
      `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(dbname)}`,
    stop: () => end('SIGINT'),
    kill: async () => {
      // Children first: a postmaster that dies alone leaves backends that finish their query.
      await run('pkill', ['-9', '-P', String(child.pid)]).catch(() => undefined);
      await end('SIGKILL');
    },
    destroy: async () => {
      await end('SIGQUIT');
      fs.rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** A port that was free a moment ago on loopback. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** As root: `nobody`, because PostgreSQL refuses to run as root. */
function serverUser(): ServerUser | undefined {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;
}

async function initialise({ bin, dataDirectory, password, user, authentication }: Cluster): Promise<void> {
  const passwordFile = path.join(os.tmpdir(), `holdfast-pw-${process.pid}-${path.basename(dataDirectory)}`);
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) fs.chownSync(passwordFile, user.uid, user.gid);
  const args = ['-D', dataDirectory, '-U', 'postgres', '-A', authentication, `--pwfile=${passwordFile}`];
  try {
    await run(path.join(bin, 'initdb'), [...args, '-E', 'UTF8', '--locale=C', '--no-sync'], {
      cwd: dataDirectory,
      env: cleanEnvironment(),
      ...user,
    });
  } finally {
    fs.rmSync(passwordFile, { force: true });
  }
}

async function waitUntilReady({ bin, port, dataDirectory }: Cluster, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline && child.exitCode === null) {
    const ready = await run(path.join(bin, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(port)]).then(
      () => true,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill('SIGKILL');
  const log = fs
    .readFileSync(path.join(dataDirectory, 'server.log'), 'utf8')
    .trim()
    .split('\n')
    .slice(-5)
    .join('\n  ');
  throw new HoldfastError('SANDBOX', `PostgreSQL did not start on port ${port}:\n  ${log}`);
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  // PG* variables of the person's shell must not steer the sandbox's server.
  return { PATH: process.env['PATH'], LANG: 'C.UTF-8', TZ: 'UTC' };
}

function isReachableByAll(directory: string): boolean {
  for (let current = directory; ; current = path.dirname(current)) {
    if ((fs.statSync(current).mode & 0o005) !== 0o005) return false;
    if (current === path.dirname(current)) return true;
  }
}
