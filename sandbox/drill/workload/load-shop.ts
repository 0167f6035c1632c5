import { execFile, spawn } from 'node:child_process';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { HoldfastError } from '../../../core/errors.ts';
import { type PostgresServer, postgresBinDirectory } from '../../postgres/postgres-server.ts';
import { shopKeys, type ShopSize, shopSize, shopTables } from './shop-schema.ts';
import { shopRows, type TableRows } from './shop-rows.ts';

export interface LoadOptions {
  /** @default 1: about 260 MB on disk */
  readonly scale?: number;
  /** @default 1 */
  readonly seed?: number;
  /** Rows of each table. @default those of the scale */
  readonly size?: ShopSize;
  /** @default true */
  readonly withPgbench?: boolean;
  readonly database: string;
}

/** Creates the database and fills it with the shop and pgbench's own tables; returns its size in bytes. */
export async function loadShop(server: PostgresServer, options: LoadOptions): Promise<number> {
  const scale = options.scale ?? 1;
  await sql(server, 'postgres', `create database "${options.database}"`);
  await sql(server, options.database, shopTables);
  const [tenants, ...large] = shopRows(options.size ?? shopSize(scale), options.seed ?? 1);
  if (tenants !== undefined) await copyIn(server, options.database, tenants);
  // Two at a time: one process generates here while the other's rows are written by its server.
  await Promise.all(large.map((rows) => copyIn(server, options.database, rows)));
  await Promise.all([
    sql(server, options.database, shopKeys),
    options.withPgbench === false ? undefined : initialisePgbench(server, options.database, scale),
  ]);
  const [size] = await sql<{ bytes: string }>(
    server,
    options.database,
    'select pg_database_size(current_database()) as bytes',
  );
  return Number(size?.bytes ?? 0);
}

export async function sql<T extends object>(
  server: PostgresServer,
  database: string,
  text: string,
): Promise<T[]> {
  const client = new pg.Client({ connectionString: server.url(database) });
  await client.connect();
  try {
    return ((await client.query(text)).rows ?? []) as T[];
  } finally {
    await client.end();
  }
}

export function toolEnvironment(server: PostgresServer, database: string): NodeJS.ProcessEnv {
  const { host, port, username, password } = server.connection;
  return {
    PATH: `${postgresBinDirectory(server.major)}${path.delimiter}/usr/bin:/bin`,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: username,
    PGPASSWORD: password ?? '',
    PGDATABASE: database,
  };
}

async function copyIn(server: PostgresServer, database: string, rows: TableRows): Promise<void> {
  const command = `copy ${rows.table} (${rows.columns.join(', ')}) from stdin`;
  const child = spawn(
    path.join(postgresBinDirectory(server.major), 'psql'),
    ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', command],
    {
      env: toolEnvironment(server, database),
      stdio: ['pipe', 'inherit', 'pipe'],
    },
  );
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const written = await pipeline(Readable.from(rows.rows()), child.stdin).catch((error: unknown) => error);
  const code = await ended;
  if (code !== 0) {
    throw new HoldfastError('SANDBOX', `loading ${rows.table} failed: ${complaint.trim()}`, {
      cause: written,
    });
  }
}

async function initialisePgbench(server: PostgresServer, database: string, scale: number): Promise<void> {
  const args = ['-i', '-q', '-s', String(Math.max(1, Math.round(2 * scale)))];
  await promisify(execFile)(path.join(postgresBinDirectory(server.major), 'pgbench'), args, {
    env: toolEnvironment(server, database),
  });
}
