import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';

/** Parameters of libpq that mean something here. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS */
const keywords = [
  'host',
  'port',
  'dbname',
  'user',
  'password',
  'passfile',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'options',
  'target_session_attrs',
  'service',
] as const;

export type Keyword = (typeof keywords)[number];
export type Conninfo = Partial<Record<Keyword, string>>;

/** Taken and left alone: Holdfast sets these itself, or they change nothing that a backup shows. */
const ignored = new Set([
  'application_name',
  'fallback_application_name',
  'client_encoding',
  'connect_timeout',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
  'sslcompression',
  'sslsni',
]);

/** The same from the environment. https://www.postgresql.org/docs/current/libpq-envars.html */
const variables: Readonly<Record<string, Keyword>> = {
  PGHOST: 'host',
  PGPORT: 'port',
  PGDATABASE: 'dbname',
  PGUSER: 'user',
  PGPASSWORD: 'password',
  PGPASSFILE: 'passfile',
  PGSSLMODE: 'sslmode',
  PGSSLROOTCERT: 'sslrootcert',
  PGSSLCERT: 'sslcert',
  PGSSLKEY: 'sslkey',
  PGOPTIONS: 'options',
  PGTARGETSESSIONATTRS: 'target_session_attrs',
  PGSERVICE: 'service',
};

const scheme = /^postgres(?:ql)?:\/\//;

/** A piece of a password stands where something else belongs; no message may repeat anything from such a text. */
const literalHint =
  'it looks like postgres://user@host:5432/database; : / @ ? % and # in a name or password are written as %3A %2F %40 %3F %25 and %23';

/**
 * What a connection string says, in either form of libpq, and where it says nothing the service file and the environment,
 * in libpq's order. @throws USAGE; no message repeats a value
 */
export function readConninfo(text: string, environment: NodeJS.ProcessEnv): Conninfo {
  const given = scheme.test(text) ? parseUri(text.replace(scheme, '')) : parseKeywords(text);
  const fromEnvironment: Conninfo = {};
  for (const [variable, keyword] of Object.entries(variables)) {
    const value = environment[variable];
    if (value !== undefined && value !== '') fromEnvironment[keyword] = value;
  }
  const service = given.service ?? fromEnvironment.service;
  return {
    ...fromEnvironment,
    ...(service === undefined ? {} : readService(service, environment)),
    ...given,
  };
}

/** `[user[:password]@][host[:port][,…]][/dbname][?keyword=value&…]`, cut as `conninfo_uri_parse_options` cuts it. */
function parseUri(rest: string): Conninfo {
  const head = /^[^/]*/.exec(rest)?.[0] ?? '';
  const at = head.indexOf('@');
  const [user = '', ...password] = at < 0 ? [] : head.slice(0, at).split(':');
  const [, servers = '', dbname = '', query = ''] =
    /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest.slice(at + 1)) ?? [];
  // No host and no database is written with @ or #: it is the rest of a password that is not encoded.
  if (/[@#\s]/.test(servers) || /[@#]/.test(dbname) || (at < 0 && query.includes('@')))
    throw usage('--url is no PostgreSQL URL: an @ or # stands where none belongs', literalHint);
  const info: Conninfo = {};
  const set = (keyword: Keyword, value: string) => {
    if (value !== '') info[keyword] = decoded(value);
  };
  const list = servers.split(',').map(splitServer);
  if (list.some(({ host }) => host !== '')) set('host', list.map(({ host }) => host).join(','));
  if (list.some(({ port }) => port !== '')) set('port', list.map(({ port }) => port).join(','));
  set('user', user);
  set('password', password.join(':'));
  set('dbname', dbname);
  for (const pair of query.split('&').filter((one) => one !== '')) {
    const equals = pair.indexOf('=');
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals));
    const value = decoded(equals < 0 ? '' : pair.slice(equals + 1));
    // JDBC's form, which libpq takes too.
    if (name === 'ssl' && value === 'true') info.sslmode ??= 'require';
    else if (isKnown(name)) info[name] = value;
  }
  return info;
}

function splitServer(server: string): { readonly host: string; readonly port: string } {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/s.exec(server) ?? [];
  return { host: bracketed ?? plain, port };
}

/** `keyword = value …`, values in single quotes where they hold spaces, backslash before what is meant literally. */
function parseKeywords(text: string): Conninfo {
  const info: Conninfo = {};
  const pair = /\s*(\w+)\s*=\s*(?:'((?:\\.|[^'\\])*)'|((?!')(?:\\.|[^\s\\])*))(?=\s|$)/sy;
  while (pair.lastIndex < text.trimEnd().length) {
    const match = pair.exec(text);
    if (match === null)
      throw usage(
        '--url is neither a PostgreSQL URL nor a list of keyword=value',
        `${literalHint}; or like host=… port=… dbname=… user=…`,
      );
    const [, name = '', quoted, plain = ''] = match;
    if (isKnown(name)) info[name] = (quoted ?? plain).replaceAll(/\\(.)/gs, '$1');
  }
  return info;
}

function isKnown(name: string): name is Keyword {
  if (ignored.has(name)) return false;
  if ((keywords as readonly string[]).includes(name)) return true;
  throw usage(
    `--url has the parameter ${/^[a-z_]{1,40}$/.test(name) ? name : 'of an unknown name'}; allowed are ${keywords.join(', ')}`,
  );
}

/** A section of the service file: `PGSERVICEFILE`, `~/.pg_service.conf`, then `PGSYSCONFDIR`. */
function readService(name: string, environment: NodeJS.ProcessEnv): Conninfo {
  const files = [
    environment['PGSERVICEFILE'] ?? path.join(os.homedir(), '.pg_service.conf'),
    ...(environment['PGSYSCONFDIR'] === undefined
      ? []
      : [path.join(environment['PGSYSCONFDIR'], 'pg_service.conf')]),
  ];
  for (const file of files.filter((one) => fs.existsSync(one))) {
    const lines = fs.readFileSync(file, 'utf8').split('\n');
    const from = lines.findIndex((line) => line.trim() === `[${name}]`);
    if (from < 0) continue;
    const info: Conninfo = {};
    for (const line of lines.slice(from + 1)) {
      if (line.trim().startsWith('[')) break;
      const [, key, value = ''] = /^\s*(\w+)\s*=(.*)$/.exec(line) ?? [];
      if (key !== undefined && isKnown(key)) info[key] = value.trim();
    }
    return info;
  }
  throw usage(`the service ${JSON.stringify(name)} stands in none of ${files.join(', ')}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw usage('--url has a % that begins no escape', 'write a literal % as %25');
  }
}

export function usage(message: string, hint?: string): HoldfastError {
  return new HoldfastError('USAGE', message, hint === undefined ? {} : { hint });
}
