import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { HoldfastError } from '../../errors.ts';
import type { PostgresConnection } from './connection.ts';
import { PasswordFile } from './password-file.ts';
import { quoteConninfo } from './quote.ts';

/** What PostgreSQL's own programs need to connect: the password only in a file of mode 600 that `dispose` deletes. */
export interface LibpqAccess {
  readonly env: Readonly<Record<string, string>>;
  /** For `--dbname`: the database and keepalives, so that a dead peer is noticed; no secret. */
  readonly conninfo: string;
  /** A private directory that lives as long as the access. */
  readonly directory: string;
  dispose(): Promise<void>;
}

export interface LibpqOptions {
  readonly searchPath: string;
  /** Client encoding of the programs. @default UTF8 */
  readonly encoding?: string;
  readonly temporaryDirectory?: string;
  /** @default holdfast */
  readonly applicationName?: string;
}

export async function openLibpq(connection: PostgresConnection, options: LibpqOptions): Promise<LibpqAccess> {
  const parent = options.temporaryDirectory ?? os.tmpdir();
  await removeStale(parent);
  const directory = await mkdtemp(path.join(parent, `${directoryPrefix}${process.pid}-`));
  try {
    const rootCertificateFile = await rootCertificates(connection, directory);
    const passwordFile = await PasswordFile.write(path.join(directory, 'pgpass'), connection);
    return {
      env: {
        PATH: options.searchPath,
        // libpq must not find certificates, passwords or services of the person who runs this.
        HOME: directory,
        LANG: 'C.UTF-8',
        TZ: 'UTC',
        PGHOST: connection.host,
        PGPORT: String(connection.port),
        PGUSER: connection.username,
        PGPASSFILE: passwordFile.path,
        PGSSLMODE: connection.tls,
        PGSSLROOTCERT: rootCertificateFile,
        PGSSLCERT: connection.certFile ?? path.join(directory, 'no-client-certificate'),
        PGSSLKEY: connection.keyFile ?? path.join(directory, 'no-client-key'),
        ...(connection.options === undefined ? {} : { PGOPTIONS: connection.options }),
        PGGSSENCMODE: 'disable',
        PGAPPNAME: options.applicationName ?? 'holdfast',
        PGCONNECT_TIMEOUT: '30',
        PGCLIENTENCODING: options.encoding ?? 'UTF8',
      },
      conninfo: conninfoOf(connection),
      directory,
      dispose: async () => {
        await passwordFile.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function conninfoOf({ dbname, shortLivedPassword }: PostgresConnection): string {
  const keepalives = 'keepalives_idle=30 keepalives_interval=10 keepalives_count=6';
  // pg_restore keeps the password of its first connection for all later ones. An empty one here stands after that and makes
  // libpq read the file again, which by then holds a newer one.
  const reread = shortLivedPassword === undefined ? '' : ` password=''`;
  return `dbname=${quoteConninfo(dbname)} ${keepalives}${reread}`;
}

const directoryPrefix = 'holdfast-pg-';

/** A process that was killed outright could not delete its password file: the next one does. */
async function removeStale(parent: string): Promise<void> {
  for (const entry of await readdir(parent)) {
    const pid = new RegExp(`^${directoryPrefix}(\\d+)-`).exec(entry)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    // Another user's is not ours to delete, and another of our processes may be faster.
    await rm(path.join(parent, entry), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

async function rootCertificates(connection: PostgresConnection, directory: string): Promise<string> {
  if (connection.tls === 'disable' || connection.tls === 'require')
    return path.join(directory, 'no-authorities');
  if (connection.caFile !== undefined) {
    if (!existsSync(connection.caFile)) {
      throw new HoldfastError(
        'SOURCE_TLS',
        `the file of trusted authorities ${connection.caFile} does not exist`,
      );
    }
    return connection.caFile;
  }
  // `sslrootcert=system` needs libpq 16: write out what Node trusts, so that all programs and the driver agree.
  const file = path.join(directory, 'authorities.pem');
  await writeFile(file, tls.getCACertificates('default').join('\n'), { mode: 0o600 });
  return file;
}
