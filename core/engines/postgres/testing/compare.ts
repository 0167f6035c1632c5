import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PostgresConnection } from '../connection.ts';

const run = promisify(execFile);
const maxBuffer = 1024 ** 3;

/** What libpq's programs are told; nothing of this process's own. */
export function clientEnvironment(connection: PostgresConnection): Record<string, string> {
  return {
    PATH: '/usr/bin:/bin',
    PGHOST: connection.host,
    PGPORT: String(connection.port),
    PGUSER: connection.username,
    PGPASSWORD: connection.password ?? '',
    PGDATABASE: connection.dbname,
    TZ: 'UTC',
    LANG: 'C.UTF-8',
  };
}

/** Runs a client program against a database and gives its output. */
export async function runClient(
  program: string,
  args: readonly string[],
  connection: PostgresConnection,
  encoding: BufferEncoding = 'utf8',
): Promise<string> {
  const env = clientEnvironment(connection);
  return (await run(program, [...args], { env, maxBuffer, encoding })).stdout;
}

/** Runs SQL through psql, stopping at the first error. */
export async function sql(
  binDirectory: string,
  connection: PostgresConnection,
  statement: string,
): Promise<string> {
  return (
    await runClient(
      `${binDirectory}/psql`,
      ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', statement],
      connection,
    )
  ).trim();
}

/** A plain dump, its bytes read as the given text, less what is not data: comments of the tool, the order of rows, and which of several blocks of one table they stand in. */
export async function normalizedDump(
  binDirectory: string,
  connection: PostgresConnection,
  encoding: BufferEncoding = 'utf8',
): Promise<string> {
  const text = await runClient(`${binDirectory}/pg_dump`, ['--no-sync'], connection, encoding);
  const definitions: string[] = [];
  const rowsOf = new Map<string, string[]>();
  let rows: string[] | undefined;
  for (const line of text.split('\n')) {
    if (rows !== undefined) {
      if (line === '\\.') rows = undefined;
      else rows.push(line);
    } else if (/^COPY .* FROM stdin;$/.test(line)) {
      rows = rowsOf.get(line) ?? [];
      rowsOf.set(line, rows);
    } else if (!/^(?:--|\\(?:un)?restrict |$)/.test(line)) definitions.push(line);
  }
  const tables = [...rowsOf].toSorted().flatMap(([copy, lines]) => [copy, ...lines.toSorted(), '\\.']);
  return [...definitions, ...tables].join('\n');
}
