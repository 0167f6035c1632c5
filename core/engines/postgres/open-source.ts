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

/** Tried at least so often, and for at least so long, before a source that changes all the time is given up. */
const leastAttempts = 8;
const leastSeconds = 120;
/** A schema change is over or not in the way after this long; what a new attempt costs is far more. */
const pauseMs = 50;
/** The leader has every lock that pg_dump asks for, so that only a schema change that waits for the leader can keep it waiting. */
const dumpLockWaitMs = 100;

/**
 * Opens the source, again from the start when tables changed while it did. Schema changes that follow each other closely
 * leave short gaps only, so that many short attempts get in where a few patient ones do not.
 * @throws SOURCE_CHANGED, SOURCE_* , TOOL_MISSING
 */
export async function openSource(options: OpenSourceOptions): Promise<OpenSource> {
  const until = performance.now() + leastSeconds * 1000;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryOpen(options);
    } catch (error) {
      const isOver = attempt >= leastAttempts && performance.now() >= until;
      if (!isHoldfastError(error, 'SOURCE_CHANGED') || isOver || options.signal.aborted) throw error;
      options.context.log.info('tables changed while the snapshot was taken, trying again', {
        attempt,
        reason: error.message,
      });
      await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => undefined);
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
    requireReadableRows(snapshot);
    requireReadableSequences(coveredSequences(snapshot));
    const readers = await startReaders(
      { context, access, tools, settings, server, snapshot, leader, openSession, signal: innerSignal },
      inner,
    );
    // Everybody is in: the password file has done its duty.
    await access.dispose();
    await settings.onStep('ready');
    return { server, tools, snapshot, leader, applicationName, close, ...readers };
  } catch (error) {
    await close();
    throw error;
  }
}

interface ReaderOptions {
  readonly context: BackupContext<PostgresConnection>;
  readonly access: LibpqAccess;
  readonly tools: Tools;
  readonly settings: Settings;
  readonly server: ServerFacts;
  readonly snapshot: Snapshot;
  readonly leader: Session;
  readonly openSession: () => Promise<Session>;
  readonly signal: AbortSignal;
}

type Readers = Pick<OpenSource, 'schemaDump' | 'tables' | 'parts' | 'watcher' | 'counter' | 'workers'>;

/**
 * Starts pg_dump and then the other sessions. pg_dump goes first, has the machine to itself and does not wait long: until it
 * has its locks, a schema change that waits for the leader's stands in its way, and waits for as long as the leader does.
 * After a failure pg_dump is waited for, so that nothing of a failed attempt is left.
 */
async function startReaders(options: ReaderOptions, inner: AbortController): Promise<Readers> {
  const { access, tools, server, snapshot, signal } = options;
  const dumping = startSchemaDump({
    pgDump: tools.path('pg_dump'),
    env: access.env,
    conninfo: access.conninfo,
    snapshotId: snapshot.id,
    lockWaitMs: dumpLockWaitMs,
    signal,
  });
  try {
    const schemaDump = await dumping;
    return { schemaDump, ...(await openReaders(options)) };
  } catch (error) {
    inner.abort();
    const [dump] = await Promise.allSettled([dumping]);
    if (dump.status === 'fulfilled') await dump.value.done.catch(() => undefined);
    throw explainLocks(error, snapshot.locked, server);
  }
}

async function openReaders(options: ReaderOptions): Promise<Omit<Readers, 'schemaDump'>> {
  const { context, openSession, server, snapshot } = options;
  const { tables, parts } = await listWork(options);
  const openWorker = async () =>
    CopyWorker.start({
      session: await openSession(),
      clientEncoding: server.clientEncoding,
      snapshotId: snapshot.id,
    });
  const workerCount = Math.max(1, Math.min(context.connections, parts.length));
  const [watcher, counter] = [await openSession(), await openSession()];
  await counter.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  await counter.query(`SET TRANSACTION SNAPSHOT '${snapshot.id}'`);
  const starting = Array.from({ length: workerCount }, openWorker);
  await Promise.allSettled(starting);
  return { tables, parts, watcher, counter, workers: await Promise.all(starting) };
}

async function listWork({
  context,
  leader,
  server,
  settings,
  snapshot,
}: ReaderOptions): Promise<Pick<Readers, 'tables' | 'parts'>> {
  const limits = {
    connections: context.connections,
    partBytes: settings.partBytes,
    blockBytes: server.blockBytes,
    // Rows as they are: some encodings have bytes that are no character of UTF-8. Names and definitions have none.
    ...(server.encoding === server.clientEncoding ? {} : { encoding: server.encoding }),
  };
  const tables = copiedTables(snapshot);
  const whole = await tablesWithoutPlan(leader, tableParts(tables, limits));
  const largeObjects = await withoutKeepingLocks(leader, () => largeObjectParts(leader, limits));
  return { tables, parts: biggestFirst([...largeObjects, ...tableParts(tables, { ...limits, whole })]) };
}

function copiedTables({ relations, onStandby }: Snapshot): Relation[] {
  return relations.filter((relation) => isCopied(relation, onStandby));
}

function requireReadableRows(snapshot: Snapshot): void {
  const hidden = copiedTables(snapshot).filter((table) => table.hiddenByRowSecurity);
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
