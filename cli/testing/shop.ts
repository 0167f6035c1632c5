import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { type PostgresServer, startPostgres } from '../../sandbox/postgres/postgres-server.ts';
import { type CliResult, runCli } from './run-cli.ts';

/** What URLs, password files, shells and connection strings all want to escape. */
export const password = String.raw`p:a/s@s%w#o?r&d'"\ $!*`;

/** A real server with a small shop in it, and a home folder for the person who runs commands. */
export interface Shop {
  readonly server: PostgresServer;
  readonly home: string;
  query(dbname: string, text: string): Promise<Record<string, unknown>[]>;
  /** Runs `holdfast` with words split at blanks. */
  cli(args: string, options?: { env?: Record<string, string>; stdin?: string }): Promise<CliResult>;
  url(dbname: string): string;
  /** Without the password. */
  bareUrl(dbname: string): string;
  destroy(): Promise<void>;
}

export async function startShop(): Promise<Shop> {
  const server = await startPostgres({ password });
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-cli-'));
  const { host, port, username } = server.connection;
  const query = async (database: string, text: string) => {
    const client = new pg.Client({ host, port, user: username, password, database });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  await query('postgres', 'create database shop');
  await query(
    'shop',
    `
    create table customers (id int primary key, name text);
    create table orders (id int primary key, customer_id int references customers, total numeric);
    insert into customers select i, 'customer ' || i from generate_series(1, 500) i;
    insert into orders select i, i % 500 + 1, i * 1.5 from generate_series(1, 2000) i;
  `,
  );
  return {
    server,
    home,
    query,
    cli: (args, options = {}) => runCli(args.split(' '), { cwd: home, ...options }),
    url: (dbname) => `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${dbname}`,
    bareUrl: (dbname) => `postgres://postgres@127.0.0.1:${port}/${dbname}`,
    destroy: async () => {
      await server.destroy();
      fs.rmSync(home, { recursive: true, force: true });
    },
  };
}
