import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { TlsMode } from '../../core/plan/plan.ts';

const tlsModes = ['disable', 'require', 'verify-ca', 'verify-full'] as const satisfies readonly TlsMode[];

/**
 * Where a `--url` leads. `-` reads the URL from standard input, so that it stands in no argument list or history. A
 * password that is not in it comes from PGPASSWORD, else from the password file (PGPASSFILE, `~/.pgpass`), as psql does.
 * @throws USAGE; no message repeats the URL
 */
export function readConnection(url: string, environment: NodeJS.ProcessEnv): PostgresConnection {
  return parsePostgresUrl(url === '-' ? readFirstLine() : url, environment);
}

/** See {@link readConnection}. */
export function parsePostgresUrl(text: string, environment: NodeJS.ProcessEnv): PostgresConnection {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw usage(
      '--url is no PostgreSQL URL',
      'it looks like postgres://user@host:5432/database; : / @ % and # in a name or password are written as %3A %2F %40 %25 and %23',
    );
  }
  const known = ['sslmode', 'sslrootcert', 'host'];
  const unknown = [...url.searchParams.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw usage(`--url has the parameter ${unknown}; allowed are ${known.join(', ')}`);
  const host = decoded(url.searchParams.get('host') ?? url.hostname.replace(/^\[|\]$/g, '')) || 'localhost';
  const username = decoded(url.username) || (environment['PGUSER'] ?? os.userInfo().username);
  const port = url.port === '' ? 5432 : Number(url.port);
  const dbname = decoded(url.pathname.slice(1)) || username;
  const caFile = url.searchParams.get('sslrootcert');
  const where = { host, port, dbname, username };
  const password =
    decoded(url.password) || (environment['PGPASSWORD'] ?? fromPasswordFile(where, environment));
  return {
    ...where,
    ...(password === undefined || password === '' ? {} : { password }),
    tls: tlsMode(url.searchParams.get('sslmode'), host),
    ...(caFile === null ? {} : { caFile }),
  };
}

/** What the connection is, without its secrets. */
export function describeConnection({ host, port, dbname, username }: PostgresConnection): string {
  return `database ${dbname} at ${host}:${port} as ${username}`;
}

function tlsMode(asked: string | null, host: string): TlsMode {
  const here = host.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(host);
  if (asked === null) return here ? 'disable' : 'verify-full';
  const mode = tlsModes.find((known) => known === asked);
  if (mode === undefined)
    throw usage(
      `--url has sslmode=${asked}; allowed are ${tlsModes.join(', ')}`,
      'prefer and allow fall back to plain text without a word, so they are not taken',
    );
  return mode;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage('--url has a % that begins no escape', 'write a literal % as %25');
  }
}

function readFirstLine(): string {
  const line = fs.readFileSync(0, 'utf8').split('\n')[0]?.trim() ?? '';
  if (line === '') throw usage('--url - found no line on standard input');
  return line;
}

/** `host:port:database:user:password` with `*` and backslash escapes; libpq ignores a file that others can read, and so do we. */
function fromPasswordFile(
  where: { readonly host: string; readonly port: number; readonly dbname: string; readonly username: string },
  environment: NodeJS.ProcessEnv,
): string | undefined {
  const file = environment['PGPASSFILE'] ?? path.join(os.homedir(), '.pgpass');
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || (stat.mode & 0o077) !== 0) return undefined;
  const wanted = [
    where.host.startsWith('/') ? 'localhost' : where.host,
    String(where.port),
    where.dbname,
    where.username,
  ];
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    if (line.startsWith('#')) continue;
    const fields = (line.match(/(?:\\.|[^:\\])*(?::|$)/g) ?? []).map((f) => f.replace(/:$/, ''));
    const values = fields.slice(0, 5).map((field) => field.replaceAll(/\\(.)/g, '$1'));
    if (values.length === 5 && wanted.every((want, i) => fields[i] === '*' || values[i] === want))
      return values[4];
  }
  return undefined;
}

function usage(message: string, hint?: string): HoldfastError {
  return new HoldfastError('USAGE', message, hint === undefined ? {} : { hint });
}
