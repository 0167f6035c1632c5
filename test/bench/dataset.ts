import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { loadShop, sql, toolEnvironment } from '../../sandbox/drill/workload/load-shop.ts';
import { shopRows } from '../../sandbox/drill/workload/shop-rows.ts';
import type { ShopSize } from '../../sandbox/drill/workload/shop-schema.ts';
import { type PostgresServer, postgresBinDirectory } from '../../sandbox/postgres/postgres-server.ts';

/** At scale 1 about 1,100 MB of text in 6 tables, 63 % of it in one, 9 indexes and 5 foreign keys. */
export function benchSize(scale: number): ShopSize {
  const scaled = (rows: number) => Math.max(1, Math.round(rows * scale));
  return {
    tenants: 100,
    customers: scaled(380_000),
    orders: scaled(1_250_000),
    itemsPerOrder: 5,
    events: scaled(2_250_000),
  };
}

export interface Dataset {
  readonly database: string;
  /** Bytes that COPY gives out. */
  readonly textBytes: number;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly textBytes: number }[];
}

export async function loadDataset(server: PostgresServer, database: string, scale: number): Promise<Dataset> {
  await loadShop(server, { database, size: benchSize(scale), withPgbench: false });
  return describeDataset(server, database);
}

/** One table with nine tenths of all bytes, which a tool that deals out whole tables cannot share between its workers. */
export async function loadBigTable(
  server: PostgresServer,
  database: string,
  scale: number,
): Promise<Dataset> {
  const whole = benchSize(scale);
  const size = { ...whole, customers: Math.round(whole.customers / 3), orders: Math.round(whole.orders / 5) };
  await loadShop(server, { database, size: { ...size, itemsPerOrder: 3 }, withPgbench: false });
  return describeDataset(server, database);
}

/** A table of so many bytes of text, made inside the server because a generator outside would take minutes. */
export async function loadBulk(server: PostgresServer, database: string, bytes: number): Promise<void> {
  await sql(server, 'postgres', `create database "${database}"`);
  await sql(
    server,
    database,
    'create table bulk (id bigint generated always as identity, body text not null)',
  );
  const events = shopRows({ ...benchSize(0.01), events: 20_000 }, 3).find(
    ({ table }) => table === 'shop.events',
  );
  const bodies = [...(events?.rows() ?? [])]
    .join('')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t').at(-1));
  execFileSync(
    path.join(postgresBinDirectory(server.major), 'psql'),
    ['-Xqc', 'copy bulk (body) from stdin'],
    {
      env: toolEnvironment(server, database),
      input: `${bodies.join('\n')}\n`,
    },
  );
  const once = bodies.reduce((sum, body) => sum + (body?.length ?? 0) + 8, 0);
  const times = Math.max(0, Math.round(bytes / once) - 1);
  await sql(server, database, `insert into bulk (body) select body from bulk, generate_series(1, ${times})`);
}

export async function describeDataset(server: PostgresServer, database: string): Promise<Dataset> {
  const names = await sql<{ name: string }>(
    server,
    database,
    `select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace::regnamespace::text in ('shop', 'holdfast') order by 1`,
  );
  const tables = [];
  for (const { name } of names) {
    const [row] = await sql<{ rows: string; bytes: string }>(
      server,
      database,
      `select count(*) as rows, coalesce(sum(length(t::text)), 0) as bytes from ${name} t`,
    );
    tables.push({ name, rows: Number(row?.rows ?? 0), textBytes: Number(row?.bytes ?? 0) });
  }
  return { database, tables, textBytes: tables.reduce((sum, table) => sum + table.textBytes, 0) };
}
