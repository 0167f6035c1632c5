import { createPostgresEngine } from '../../core/engines/postgres/postgres-engine.ts';
import { sql } from '../../sandbox/drill/workload/load-shop.ts';
import { postgresBinDirectory, type PostgresServer } from '../../sandbox/postgres/postgres-server.ts';
import type { Deployment } from './deployment.ts';

/** Of each table. */
export type Content = Readonly<Record<string, string>>;

/** Rows and a digest of the content of every table. */
export async function contentOf(server: PostgresServer, database: string): Promise<Content> {
  const tables = await sql<{ name: string }>(
    server,
    database,
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const content: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await sql<{ rows: string }>(
      server,
      database,
      `select count(*) || ' rows ' || coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') as rows from ${name} t`,
    );
    content[name] = row?.rows ?? '';
  }
  return content;
}

/** Restores a recovery point from a Region's vault into a database of its own and reads all of it back. */
export async function restoredContent(
  { server, vault }: Deployment,
  point: { readonly source: string; readonly id: string; readonly region: string },
): Promise<Content> {
  const reader = await (await vault(point.region)).open(point.source, point.id);
  const database = `restored_${point.id.toLowerCase()}`;
  await sql(server, 'postgres', `create database ${database} template template0`);
  const { signal } = new AbortController();
  await createPostgresEngine({ binDirectory: (major) => postgresBinDirectory(major as 18) }).restore({
    connection: server.connectionTo(database),
    connections: 2,
    signal,
    manifest: reader.manifest,
    read: (item) => reader.read(item, { signal }),
    onProgress: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  });
  const content = await contentOf(server, database);
  await sql(server, 'postgres', `drop database ${database}`);
  return content;
}
