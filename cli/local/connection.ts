import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { PostgresConnection, Server } from '../../core/engines/postgres/connection.ts';
import type { TlsMode } from '../../core/plan/plan.ts';
import { type Conninfo, readConninfo, usage } from './conninfo.ts';

const tlsModes = ['disable', 'require', 'verify-ca', 'verify-full'] as const satisfies readonly TlsMode[];

/**
 * Where a `--url` leads: a URL or a list of keyword=value, as `pg_dump -d` takes it. `-` reads it from standard input, so that
 * it stands in no argument list or history. What is not in it comes from libpq's environment variables, a service, and the
 * password from the password file (PGPASSFILE, `~/.pgpass`). Only the TLS mode has another default than libpq's: encrypted and
 * checked, unless the server is on this machine.
 * @throws USAGE; no message repeats the URL. One that is empty, as an unset variable of a shell makes it, is refused: the
 * environment's database may be another than the one that was meant.
 */
export function readConnection(url: string, environment: NodeJS.ProcessEnv): PostgresConnection {
  if (url.trim() === '')
    throw usage(
      'the connection is empty; allowed are postgres://user@host:5432/database and host=… dbname=… user=…',
      'is the variable of the shell set? postgres:// alone takes everything from the PG… variables',
    );
  return parsePostgresUrl(url === '-' ? readFirstLine() : url, environment);
}

/** See {@link readConnection}. */
export function parsePostgresUrl(text: string, environment: NodeJS.ProcessEnv): PostgresConnection {
  const info = readConninfo(text, environment);
  const [{ host, port }, ...alternatives] = serversOf(info);
  const username = info.user ?? os.userInfo().username;
  const dbname = info.dbname ?? username;
  const where = { host, port, dbname, username };
  const password = info.password ?? fromPasswordFile(where, info.passfile);
  const isHere = [host, ...alternatives.map((other) => other.host)].every(
    (one) => one.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(one),
  );
  return {
    ...where,
    ...(alternatives.length === 0 ? {} : { alternatives }),
    ...(password === undefined || password === '' ? {} : { password }),
    ...tlsOf(info, isHere),
    ...(info.options === undefined ? {} : { options: info.options }),
    ...wantedRole(info),
  };
}

/** One or several, as `host=a,b port=1,2`: one port for all, or one for each. */
function serversOf(info: Conninfo): readonly [Server, ...Server[]] {
  const hosts = (info.host ?? 'localhost').split(',').map((host) => host || 'localhost');
  const ports = (info.port ?? '').split(',');
  if (ports.length > 1 && ports.length !== hosts.length)
    throw usage(
      `--url has ${ports.length} ports for ${hosts.length} hosts; allowed are one, or one for each`,
    );
  const servers = hosts.map((host, index) => ({
    host,
    port: portOf((ports.length === 1 ? ports[0] : ports[index]) || '5432'),
  }));
  return servers as unknown as readonly [Server, ...Server[]];
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  // The text may be a piece of a password, so it is not repeated.
  if (port < 1 || port > 65_535)
    throw usage(
      '--url has a port that is no number from 1 to 65535',
      'a : or / in a name or password is written as %3A or %2F',
    );
  return port;
}

const roles = {
  any: undefined,
  'read-write': 'primary',
  primary: 'primary',
  'read-only': 'standby',
  standby: 'standby',
} as const;

function wantedRole(info: Conninfo): Pick<PostgresConnection, 'role'> {
  const attributes = info.target_session_attrs ?? 'any';
  if (!Object.hasOwn(roles, attributes))
    throw usage(`--url has target_session_attrs=${attributes}; allowed are ${Object.keys(roles).join(', ')}`);
  const role = roles[attributes as keyof typeof roles];
  return role === undefined ? {} : { role };
}

/** What the connection is, without its secrets. */
export function describeConnection({ host, port, dbname, username }: PostgresConnection): string {
  return `database ${dbname} at ${host}:${port} as ${username}`;
}

function tlsOf(
  info: Conninfo,
  isHere: boolean,
): Pick<PostgresConnection, 'tls' | 'caFile' | 'certFile' | 'keyFile'> {
  const caFile = info.sslrootcert === 'system' ? undefined : info.sslrootcert;
  const mode = tlsMode(info.sslmode, isHere);
  return {
    // As libpq: authorities that are named are there to be asked.
    tls: mode === 'require' && caFile !== undefined ? 'verify-ca' : mode,
    ...(caFile === undefined ? {} : { caFile }),
    ...(info.sslcert === undefined ? {} : { certFile: info.sslcert }),
    ...(info.sslkey === undefined ? {} : { keyFile: info.sslkey }),
  };
}

function tlsMode(asked: string | undefined, isHere: boolean): TlsMode {
  if (asked === undefined) return isHere ? 'disable' : 'verify-full';
  const mode = tlsModes.find((known) => known === asked);
  if (mode === undefined)
    throw usage(
      `--url or PGSSLMODE has sslmode=${asked}; allowed are ${tlsModes.join(', ')}`,
      'prefer and allow fall back to plain text without a word, so they are not taken',
    );
  return mode;
}

function readFirstLine(): string {
  const line = fs.readFileSync(0, 'utf8').split('\n')[0]?.trim() ?? '';
  if (line === '') throw usage('--url - found no line on standard input');
  return line;
}

/** `host:port:database:user:password` with `*` and backslash escapes; libpq ignores a file that others can read, and so do we. */
function fromPasswordFile(
  where: { readonly host: string; readonly port: number; readonly dbname: string; readonly username: string },
  passfile: string | undefined,
): string | undefined {
  const file = passfile ?? path.join(os.homedir(), '.pgpass');
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
