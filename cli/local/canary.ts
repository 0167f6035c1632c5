import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CanaryKey, canaryKey } from '../../core/canary/canary.ts';
import {
  installCanary,
  openCanaryWriter,
  readCanaryStatus,
  removeCanary,
} from '../../core/engines/postgres/canary-table.ts';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../core/errors.ts';
import { parseDuration } from '../../core/plan/duration.ts';
import { createKeyFile, type DerivedKeys, readCanarySecret, readKeyFile } from '../../core/vault/key-file.ts';
import { describeRemoval, reportStatus, requireSchemaName } from '../canary-report.ts';
import { type CommandContext, type CommonOptions, runCommand } from '../run-command.ts';
import { describeConnection, readConnection } from './connection.ts';
import { defaultKeyFile, requireSource } from './vault-place.ts';

/** The role that writes rows where no plan names another. */
const writer = 'holdfast_canary';

export interface LocalCanaryOptions extends CommonOptions {
  readonly url: string;
}

/** Each source has a key of its own, by the name that its backups have in the vault. */
export interface LocalCanaryKeyOptions extends LocalCanaryOptions {
  readonly source: string;
  readonly keyFile?: string;
}

/** `holdfast local canary install` */
export async function localCanaryInstall(
  options: LocalCanaryKeyOptions & { readonly schema: string },
): Promise<void> {
  await runCommand(options, async ({ signal, warn }) => {
    const schema = requireSchemaName(options.schema);
    const source = requireSource(options.source);
    const connection = readConnection(options.url, process.env);
    const file = keyFileOf(options);
    if (await createKeyFile(file))
      warn(
        `made the key file ${file}; the vault of this database must use the same one: keep a copy away from this host`,
      );
    const password = passwordOf(await readKeyFile(file));
    await installCanary({ connection, signal }, { schema, writer, login: { password } });
    const { host, port, dbname } = connection;
    const write = `holdfast local canary write --source ${source} --url postgres://${host}:${port}/${dbname} --every 60s`;
    return {
      json: { installed: true, source, schema, writer },
      text: `installed ${schema}.canary and the role ${writer} in ${describeConnection(connection)}\nnext, as a service of this host: ${write}`,
    };
  });
}

/** `holdfast local canary remove` */
export async function localCanaryRemove(options: LocalCanaryOptions): Promise<void> {
  await runCommand(options, async ({ signal }) => {
    const connection = readConnection(options.url, process.env);
    const removed = await removeCanary({ connection, signal }, writer);
    return { json: removed, text: describeRemoval(removed, describeConnection(connection)) };
  });
}

/** `holdfast local canary status` */
export async function localCanaryStatus(
  options: LocalCanaryKeyOptions & { readonly every: string },
): Promise<void> {
  await runCommand(options, async ({ signal }) => {
    const everySeconds = parseEvery(options.every);
    const connection = readConnection(options.url, process.env);
    const key = await readKey(options);
    const status = await readCanaryStatus({ connection, signal }, key);
    return reportStatus({ status, everySeconds, now: new Date() });
  });
}

/** `holdfast local canary write`: one row, or one after another until it is stopped. */
export async function localCanaryWrite(
  options: LocalCanaryKeyOptions & { readonly every?: string },
): Promise<void> {
  await runCommand(options, async (command) => {
    const everySeconds = options.every === undefined ? undefined : parseEvery(options.every);
    const key = await readKey(options);
    const given = readConnection(options.url, { ...process.env, PGUSER: process.env['PGUSER'] ?? writer });
    const connection =
      given.username === writer && given.password === undefined
        ? { ...given, password: passwordOf(await readKeyFile(keyFileOf(options))) }
        : given;
    if (everySeconds === undefined) return writeOnce({ connection, signal: command.signal }, key);
    return writeUntilStopped({ connection, everySeconds }, key, command);
  });
}

async function writeOnce(
  place: { readonly connection: PostgresConnection; readonly signal: AbortSignal },
  key: CanaryKey,
) {
  const rows = await openCanaryWriter(place, key);
  try {
    const { seq, writtenAt } = await rows.write(new Date());
    return { json: { seq, writtenAt }, text: `wrote canary number ${seq} of ${writtenAt.toISOString()}` };
  } finally {
    await rows.close();
  }
}

/** A database that is away for a while is what canaries are for: it is told once, and written to again when it is back. */
async function writeUntilStopped(
  { connection, everySeconds }: { readonly connection: PostgresConnection; readonly everySeconds: number },
  key: CanaryKey,
  { signal, progress, warn }: CommandContext,
) {
  let written = 0;
  let isAway = false;
  while (!signal.aborted) {
    const begun = Date.now();
    try {
      await writeOnce({ connection, signal }, key);
      if (isAway) progress.say('writing again');
      isAway = false;
      written += 1;
      progress.update({ doing: `${written} canaries written, one every ${everySeconds} s` });
    } catch (error) {
      if (signal.aborted) break;
      // What will not mend itself ends it, before anybody believes that it writes.
      if (written === 0) throw error;
      if (!isAway) warn(error instanceof Error ? error.message : String(error));
      isAway = true;
    }
    const left = Math.max(0, everySeconds * 1000 - (Date.now() - begun));
    await sleep(left, undefined, { signal }).catch(() => undefined);
  }
  return { json: { written }, text: `wrote ${written} canaries` };
}

function parseEvery(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined && seconds >= 1 && seconds <= 3600) return seconds;
  throw new HoldfastError('USAGE', `--every is ${JSON.stringify(text)}; allowed are 1s to 1h`);
}

async function readKey(options: LocalCanaryKeyOptions): Promise<CanaryKey> {
  return canaryKey(await readCanarySecret(keyFileOf(options), requireSource(options.source)));
}

function keyFileOf({ keyFile }: Pick<LocalCanaryKeyOptions, 'keyFile'>): string {
  return path.resolve(keyFile ?? defaultKeyFile(process.env));
}

function passwordOf({ canaryWriter }: DerivedKeys): string {
  return Buffer.from(canaryWriter).toString('base64url');
}
