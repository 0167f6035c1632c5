import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import pg from 'pg';
import * as z from 'zod';
import type { PostgresConnection } from '../engines/postgres/connection.ts';
import { quoteIdentifier, quoteLiteral } from '../engines/postgres/quote.ts';
import { HoldfastError } from '../errors.ts';
import type { Manifest } from '../vault/manifest.ts';
import type { ScratchServer } from './run-restore-test.ts';

/** A restored database with its indexes takes about twice its rows' bytes; WAL and temporary files come on top. */
const spaceFactor = 2.5;
const databaseName = 'holdfast_restore_test';
const startSeconds = 60;
const stopSeconds = 60;

export interface PostgresScratchOptions {
  /** Loopback port of the server beside this task. */
  readonly port: number;
  /** Folder shared with it: a file `stop` there ends it. */
  readonly controlDirectory: string;
  /** Where its data lies, as far as this task can see; the disk's free space is taken there. @default the control directory */
  readonly diskDirectory?: string;
}

const bomSchema = z.object({
  database: z.object({ encoding: z.string(), collate: z.string(), ctype: z.string() }).partial().default({}),
  extensions: z.array(z.object({ name: z.string() })).default([]),
});

/** PostgreSQL in the container beside a restore test: loopback only, trusts every local user, gone after the test. */
export function postgresScratch(options: PostgresScratchOptions): ScratchServer<PostgresConnection> {
  const connection: PostgresConnection = {
    host: '127.0.0.1',
    port: options.port,
    dbname: 'postgres',
    username: 'postgres',
    tls: 'disable',
  };
  return {
    unsuitedFor: async (manifest) => {
      const needed = Math.ceil(manifest.totals.bytes * spaceFactor);
      const disk = await fs.statfs(options.diskDirectory ?? options.controlDirectory);
      const free = disk.bavail * disk.bsize;
      if (needed > free) return `the data needs about ${needed} bytes of disk, ${free} are free`;
      const missing = await missingExtensions(connection, manifest);
      return missing.length === 0
        ? undefined
        : `the scratch server lacks extensions of the source: ${missing.join(', ')}`;
    },
    prepare: async (manifest) => {
      await withClient(connection, (client) => client.query(createDatabase(manifest)));
      return { ...connection, dbname: databaseName };
    },
    stop: () => stop(options),
  };
}

async function missingExtensions(connection: PostgresConnection, manifest: Manifest): Promise<string[]> {
  const { extensions } = bomSchema.parse(manifest.billOfMaterials);
  const { rows } = await withClient(connection, (client) =>
    client.query<{ name: string }>('select name from pg_catalog.pg_available_extensions'),
  );
  const available = new Set(rows.map(({ name }) => name));
  return extensions.map(({ name }) => name).filter((name) => !available.has(name));
}

/** Same encoding and sort order as the source where the server knows it, so that constraints hold and comparisons agree. */
function createDatabase(manifest: Manifest): string {
  const { database } = bomSchema.parse(manifest.billOfMaterials);
  const encoding = database.encoding === undefined ? '' : ` encoding ${quoteLiteral(database.encoding)}`;
  // Only the locales that every server has: names of others differ between systems.
  const known = ['C', 'POSIX'].includes(database.collate ?? '');
  const locale = known || database.encoding === 'SQL_ASCII' ? " lc_collate 'C' lc_ctype 'C'" : '';
  return `create database ${quoteIdentifier(databaseName)} template template0${encoding}${locale}`;
}

async function withClient<T>(
  connection: PostgresConnection,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + startSeconds * 1000;
  for (;;) {
    const client = new pg.Client({
      host: connection.host,
      port: connection.port,
      user: connection.username,
      database: connection.dbname,
      password: '',
      connectionTimeoutMillis: 5000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      // The sidecar may still be starting.
      if (Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      throw new HoldfastError(
        'SOURCE_UNREACHABLE',
        `the scratch server on port ${connection.port} does not answer`,
        {
          hint: 'did its container start? its log is beside that of this task',
          cause: error,
        },
      );
    }
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  }
}

async function stop({ controlDirectory, port }: PostgresScratchOptions): Promise<void> {
  await fs.writeFile(path.join(controlDirectory, 'stop'), '');
  const deadline = Date.now() + stopSeconds * 1000;
  while (await answers(port)) {
    if (Date.now() > deadline) {
      throw new HoldfastError(
        'TOOL_FAILED',
        `the scratch server on port ${port} still runs after ${stopSeconds} s`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
