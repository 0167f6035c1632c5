import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import type { BackupContext } from '../engine.ts';
import type { PostgresConnection } from './connection.ts';
import { CopyWorker } from './copy-worker.ts';
import { isCopied, type Relation } from './inventory.ts';
import { largeObjectParts } from './large-objects.ts';
import { type LibpqAccess, openLibpq } from './libpq.ts';
import type { Settings } from './options.ts';
import { explainLocks, withoutKeepingLocks } from './locks.ts';
import { biggestFirst, type Part, tableParts } from './parts.ts';
import { tablesWithoutPlan } from './planning.ts';
import { displayName } from './quote.ts';
import { type SchemaDump, startSchemaDump } from './schema.ts';
import { Session } from './session.ts';
import { coveredSequences, requireReadableSequences } from './sequences.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { findTools, type Tools } from './tools.ts';
import { readServer, requireSupported, type ServerFacts } from './server.ts';

/** Everything that reads one snapshot, opened and holding its locks: nothing a schema change does from here on can make it miss rows. */
export interface OpenSource {
  readonly server: ServerFacts;
  readonly tools: Tools;
  readonly snapshot: Snapshot;
  readonly leader: Session;
  /** Sees the same snapshot, on a connection of its own. */
  readonly counter: Session;
  /** Sees the present, in no transaction. */
  readonly watcher: Session;
  readonly workers: readonly CopyWorker[];
  readonly schemaDump: SchemaDump;
  readonly tables: readonly Relation[];
  readonly parts: readonly Part[];
  readonly applicationName: string;
  close(): Promise<void>;
}

export interface OpenSourceOptions {
  readonly context: BackupContext<PostgresConnection>;
  readonly settings: Settings;
  readonly signal: AbortSignal;
}

const attempts = 8;

/** Opens the source, again from the start when tables changed while it did. @throws SOURCE_CHANGED, SOURCE_* , TOOL_MISSING */
export async function openSource(options: OpenSourceOptions): Promise<OpenSource> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryOpen(options);
    } catch (error) {
      if (!isHoldfastError(error, 'SOURCE_CHANGED') || attempt === attempts || options.signal.aborted)
        throw error;
      options.context.log.info('tables changed while the snapshot was taken, trying again', {
        attempt,
        reason: error.message,
      });
      await sleep(50 * 2 ** attempt, undefined, { signal: options.signal }).catch(() => undefined);
    }
  }
}

async function tryOpen({ context, settings, signal }: OpenSourceOptions): Promise<OpenSource> {
  const cleanups: (() => Promise<unknown>)[] = [];
  const inner = new AbortController();
  const innerSignal = AbortSignal.any([signal, inner.signal]);
  const applicationName = `holdfast-${randomBytes(6).toString('hex')}`;
  const close = async () => {
    inner.abort();
    for (const cleanup of cleanups.toReversed()) await cleanup();
  };
  const openSession = async () => {
    const session = await Session.connect(context.connection, {
      signal: innerSignal,
      answerSeconds: settings.idleSeconds,
      applicationName,
    });
    cleanups.push(() => session.close());
    return session;
  };
  try {
    const leader = await openSession();
    const server = await readServer(leader);
    requireSupported(server);
    const tools = await findTools(server.major, ['pg_dump'], settings);
    const access = await openLibpq(context.connection, {
      searchPath: settings.searchPath,
      encoding: server.clientEncoding,
      applicationName,
    });
    cleanups.push(() => access.dispose());
    const snapshot = await takeSnapshot(leader, server, settings);
    const work = await listWork(leader, snapshot, { context, settings, server });
    const [watcher, counter] = [await openSession(), await openSession()];
    await counter.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    await counter.query(`SET TRANSACTION SNAPSHOT '${snapshot.id}'`);
    const children = await startReaders(
      { access, tools, settings, server, snapshot, ...work, openSession, signal: innerSignal },
      inner,
    );
    // Everybody is in: the password file has done its duty.
    await access.dispose();
    await settings.onStep('ready');
    return {
      server,
      tools,
      snapshot,
      leader,
      counter,
      watcher,
      applicationName,
      close,
      ...work,
      ...children,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Work {
  readonly tables: readonly Relation[];
  readonly parts: readonly Part[];
  readonly workerCount: number;
}

interface WorkOptions {
  readonly context: BackupContext<PostgresConnection>;
  readonly settings: Settings;
  readonly server: ServerFacts;
}

async function listWork(
  leader: Session,
  snapshot: Snapshot,
  { context, settings, server }: WorkOptions,
): Promise<Work> {
  const limits = {
    connections: context.connections,
    partBytes: settings.partBytes,
    blockBytes: server.blockBytes,
    // Rows as they are: some encodings have bytes that are no character of UTF-8. Names and definitions have none.
    ...(server.encoding === server.clientEncoding ? {} : { encoding: server.encoding }),
  };
  const tables = snapshot.relations.filter((relation) => isCopied(relation, snapshot.onStandby));
  requireReadableRows(tables);
  requireReadableSequences(coveredSequences(snapshot));
  const withoutPlan = await tablesWithoutPlan(leader, tableParts(tables, limits));
  for (const [oid, reason] of withoutPlan)
    context.log.warn('a big table is copied in one piece, because no query can be planned for it', {
      table: tables.filter((table) => table.oid === oid).map(displayName),
      reason,
    });
  const parts = biggestFirst([
    ...(await withoutKeepingLocks(leader, () => largeObjectParts(leader, limits))),
    ...tableParts(tables, { ...limits, whole: new Set(withoutPlan.keys()) }),
  ]);
  return {
    tables,
    parts,
    workerCount: Math.max(1, Math.min(context.connections, parts.length)),
  };
}

interface ReaderOptions extends Work {
  readonly access: LibpqAccess;
  readonly tools: Tools;
  readonly settings: Settings;
  readonly server: ServerFacts;
  readonly snapshot: Snapshot;
  readonly openSession: () => Promise<Session>;
  readonly signal: AbortSignal;
}

/** Starts pg_dump and the workers. On a failure the others are told to stop and waited for, so that nothing of a failed attempt is left. */
async function startReaders(
  options: ReaderOptions,
  inner: AbortController,
): Promise<{ readonly schemaDump: SchemaDump; readonly workers: readonly CopyWorker[] }> {
  const { access, tools, settings, server, snapshot, signal } = options;
  const starting = Array.from({ length: options.workerCount }, async () =>
    CopyWorker.start({
      session: await options.openSession(),
      clientEncoding: server.clientEncoding,
      snapshotId: snapshot.id,
    }),
  );
  const dumping = startSchemaDump({
    pgDump: tools.path('pg_dump'),
    env: access.env,
    conninfo: access.conninfo,
    snapshotId: snapshot.id,
    lockWaitSeconds: Math.min(10, settings.lockWaitSeconds),
    signal,
  });
  try {
    const [schemaDump, ...workers] = await Promise.all([dumping, ...starting]);
    return { schemaDump, workers };
  } catch (error) {
    inner.abort();
    await Promise.allSettled([dumping, ...starting]);
    throw explainLocks(error, snapshot.lockedTables, server);
  }
}

function requireReadableRows(tables: readonly Relation[]): void {
  const hidden = tables.filter((table) => table.hiddenByRowSecurity);
  if (hidden.length === 0) return;
  throw new HoldfastError(
    'SOURCE_PRIVILEGES',
    `row security hides rows of ${hidden.map(displayName).slice(0, 5).join(', ')} from the backup user`,
    {
      hint: 'ALTER ROLE the backup user BYPASSRLS (on RDS the master user may do this)',
      detail: { tables: hidden.map(displayName) },
    },
  );
}
