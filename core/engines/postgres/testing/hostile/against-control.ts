import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { isHoldfastError } from '../../../../errors.ts';
import type { RestoreFault } from '../../../engine.ts';
import { speakByteText, textOfBytes } from '../../byte-text.ts';
import type { PostgresConnection } from '../../connection.ts';
import type { DriverConnection } from '../../driver-connection.ts';
import { displayName, quoteIdentifier } from '../../quote.ts';
import type { LostRows } from '../../restore-faults.ts';
import { describeEntry, readTableOfContents, type TocEntry } from '../../restore-toc.ts';
import { clientEnvironment, normalizedDump } from '../compare.ts';
import type { Harness } from '../harness.ts';
import { type HostileSchema, hostileSchema } from './schema.ts';

/** How a hostile source came back by us, beside how it came back by `pg_dump -Fc | pg_restore`. */
export interface Comparison {
  /** Statements that the source's server took, of all. */
  readonly accepted: number;
  readonly statements: number;
  /** Faults and lost items that both named. */
  readonly faults: number;
  /** Empty when both came to the same. */
  readonly differences: readonly string[];
}

interface Restored {
  readonly dump: string;
  readonly faults: ReadonlySet<string>;
  /** Tables and sequences whose contents were refused. */
  readonly lost: ReadonlySet<string>;
}

interface OursRestored extends Restored {
  /** Tables without rows: we do not say that they lost any, the control does when they are not there. */
  readonly empty: ReadonlySet<string>;
}

/** Makes the source of some seeds, brings it back in both ways and compares catalogue, rows and what was named. */
export async function compareWithControl(harness: Harness, seeds: readonly number[]): Promise<Comparison> {
  const schema = hostileSchema(seeds);
  const made: PostgresConnection[] = [];
  const database = async (name: string) => {
    const connection = await createDatabase(
      harness,
      `${name}_${seeds[0]}_${randomBytes(3).toString('hex')}`,
      schema,
    );
    made.push(connection);
    return connection;
  };
  try {
    const source = await database('source');
    const accepted = await fill(source, schema);
    const control = await byControl(harness, schema, [source, await database('control')]);
    const ours = await byUs(harness, source, await database('ours'));
    const differences = [
      ...differencesOf('fault', ours.faults, control.faults),
      ...differencesOf(
        'lost rows',
        ours.lost,
        new Set([...control.lost].filter((name) => !ours.empty.has(name))),
      ),
      ...differencesOf('line of a dump', linesOf(ours.dump), linesOf(control.dump)),
      ...(ours.dump === control.dump ? [] : ['the dumps differ']),
    ];
    const faults = control.faults.size + control.lost.size;
    return { accepted, statements: schema.statements.length, faults, differences };
  } finally {
    const names = made.map(({ dbname }) => `DROP DATABASE IF EXISTS ${quoteIdentifier(dbname)} WITH (FORCE)`);
    await asAdmin(harness, names);
  }
}

async function createDatabase(
  harness: Harness,
  name: string,
  { encoding }: HostileSchema,
): Promise<PostgresConnection> {
  await asAdmin(harness, [
    `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`,
  ]);
  return harness.server.connectionTo(name);
}

async function asAdmin(harness: Harness, statements: readonly string[]): Promise<void> {
  await withClient(harness.server.connection, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

async function withClient<T>(to: PostgresConnection, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, username: user, password = '', dbname: database } = to;
  const client = new pg.Client({ host, port, user, password, database });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function fill(source: PostgresConnection, { statements, encoding }: HostileSchema): Promise<number> {
  return withClient(source, async (client) => {
    let accepted = 0;
    if (encoding === 'SQL_ASCII') {
      await client.query("SET client_encoding TO 'SQL_ASCII'");
      speakByteText((client as unknown as { readonly connection: DriverConnection }).connection);
    }
    for (const statement of ["SET statement_timeout = '10s'", ...statements]) {
      await client.query(statement).then(
        () => (accepted += 1),
        () => undefined,
      );
    }
    return accepted - 1;
  });
}

async function byControl(
  harness: Harness,
  { encoding }: HostileSchema,
  [source, target]: readonly [PostgresConnection, PostgresConnection],
): Promise<Restored> {
  // As ours: names of another encoding are compared in UTF-8.
  const spoken = encoding === 'SQL_ASCII' ? encoding : 'UTF8';
  const file = path.join(os.tmpdir(), `holdfast-control-${target.dbname}.dump`);
  try {
    await run(harness, ['pg_dump', '-Fc', '-Z0', '--no-sync', '-E', spoken, '-f', file], source);
    const { stderr } = await run(harness, ['pg_restore', '--verbose', '-d', target.dbname, file], target, 1);
    const entries = new Map(
      readTableOfContents(await readFile(file), textOfBytes).map((entry) => [entry.id, entry]),
    );
    const failed = failedEntries(stderr).flatMap((id) => entries.get(id) ?? []);
    const isRows = ({ kind }: TocEntry) => kind === 'TABLE DATA' || kind === 'SEQUENCE SET';
    return {
      dump: await dumpOf(harness, target),
      faults: new Set(failed.filter((entry) => !isRows(entry)).map(describeEntry)),
      lost: new Set(failed.filter(isRows).map(({ schema, tag }) => displayName({ schema, name: tag }))),
    };
  } finally {
    await rm(file, { force: true });
  }
}

/** With one connection and --verbose an error follows the entry that it is about, named once. */
function failedEntries(stderr: string): number[] {
  return [...stderr.matchAll(/^pg_restore: from TOC entry (\d+);/gm)].map(([, id]) => Number(id));
}

async function byUs(
  harness: Harness,
  source: PostgresConnection,
  target: PostgresConnection,
): Promise<OursRestored> {
  const backup = await harness.backup(source);
  try {
    const { faults, lost } = await harness
      .restore(target, backup)
      .then((outcome): { faults: readonly RestoreFault[]; lost: readonly LostRows[] } => ({
        faults: outcome.faults,
        lost: [],
      }))
      .catch((error: unknown) => {
        if (!isHoldfastError(error, 'ROWS_NOT_RESTORED')) throw error;
        return error.detail as unknown as { faults: readonly RestoreFault[]; lost: readonly LostRows[] };
      });
    const empty = backup.store.items.filter(({ kind, rows }) => kind === 'table' && rows === 0);
    return {
      dump: await dumpOf(harness, target),
      faults: new Set(faults.map(({ object }) => object)),
      lost: new Set(lost.map(({ name }) => name)),
      empty: new Set(empty.map(({ name }) => name)),
    };
  } finally {
    await backup.store.delete();
  }
}

function dumpOf(harness: Harness, connection: PostgresConnection): Promise<string> {
  return normalizedDump(harness.bin, connection, 'latin1').catch(
    (error: Error) => `cannot be dumped: ${error.message}`,
  );
}

function linesOf(dump: string): ReadonlySet<string> {
  return new Set(dump.split('\n'));
}

function differencesOf(what: string, ours: ReadonlySet<string>, control: ReadonlySet<string>): string[] {
  return [
    ...[...ours].filter((each) => !control.has(each)).map((each) => `${what} only by us: ${each}`),
    ...[...control].filter((each) => !ours.has(each)).map((each) => `${what} only by the control: ${each}`),
  ];
}

function run(
  harness: Harness,
  [program = '', ...args]: readonly string[],
  connection: PostgresConnection,
  mayEndWith = 0,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const options = { env: clientEnvironment(connection), maxBuffer: 1024 ** 3 };
    execFile(path.join(harness.bin, program), args, options, (error, stdout, stderr) => {
      if (error !== null && error.code !== mayEndWith)
        reject(new Error(`${program}: ${stderr.slice(-2000)}`));
      else resolve({ stdout, stderr });
    });
  });
}
