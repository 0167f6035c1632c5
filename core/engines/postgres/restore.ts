import { HoldfastError, isHoldfastError } from '../../errors.ts';
import type { Manifest } from '../../vault/manifest.ts';
import { decompressStream } from '../../vault/compress.ts';
import type { RestoreContext, RestoreOutcome } from '../engine.ts';
import { FailFast } from '../fail-fast.ts';
import { textOfBytes } from './byte-text.ts';
import { globalsItem, schemaItem, sequencesItem } from './backup.ts';
import type { PostgresConnection } from './connection.ts';
import { type Globals, globalsSchema } from './globals.ts';
import { type LibpqAccess, openLibpq } from './libpq.ts';
import type { Settings } from './options.ts';
import { SchemaArchive } from './restore-archive.ts';
import { createMissingRoles, missingTablespaces, restoreDatabaseProperties } from './restore-globals.ts';
import { prepareCopies } from './restore-copy.ts';
import { earlyEntries, EarlyJobs } from './restore-early.ts';
import { FaultLog } from './restore-faults.ts';
import {
  readItems,
  type RestoreItems,
  type Selection,
  selectTables,
  type TableItem,
} from './restore-items.ts';
import { planAll, planTables, type SchemaPlan } from './restore-plan.ts';
import { RowRestore } from './restore-rows.ts';
import { analyzeTables } from './restore-statistics.ts';
import { requireEmpty, requireEncoding, requireMajor } from './restore-target.ts';
import type { TocEntry } from './restore-toc.ts';
import { existingSequences, type SequenceState, sequencesSchema, writeSequences } from './sequences.ts';
import { displayName, quoteName } from './quote.ts';
import { readServer } from './server.ts';
import { Session } from './session.ts';
import { findTools, type Tools } from './tools.ts';

/** Rebuilds a database, or some of its tables, in the order: definitions, rows in parallel, sequences, indexes and constraints. */
export async function restorePostgres(
  context: RestoreContext<PostgresConnection>,
  settings: Settings,
): Promise<RestoreOutcome> {
  const scope = new FailFast(
    context.signal,
    () => new HoldfastError('JOB_ABORTED', 'the restore was told to stop'),
  );
  const items = readItems(context.manifest);
  const selection = context.only === undefined ? undefined : selectTables(items.tables, context.only);
  let session: Session | undefined;
  let libpq: LibpqAccess | undefined;
  try {
    const connect = (onWarning?: (message: string) => void) =>
      Session.connect(context.connection, {
        signal: scope.signal,
        answerSeconds: settings.idleSeconds,
        ...(onWarning === undefined ? {} : { onWarning }),
      });
    session = await connect();
    const target = await readServer(session);
    requireMajor(target, context.manifest.engine.version);
    requireEncoding(target, context.manifest, context.connection);
    if (selection === undefined) await requireEmpty(session, context.connection);
    const tools = await findTools(target.major, ['pg_restore'], settings);
    const encoding = clientEncodingOf(context.manifest);
    libpq = await openLibpq(context.connection, { searchPath: settings.searchPath, encoding });
    return await new Restore({
      context,
      signal: scope.signal,
      session,
      connect,
      tools,
      libpq,
      encoding,
      items,
      selection,
    }).run();
  } catch (error) {
    scope.fail(error);
    scope.throwIfFailed();
    throw error;
  } finally {
    await session?.close();
    await libpq?.dispose();
    scope.close();
  }
}

/** What the client programs of the backup spoke: UTF8, or SQL_ASCII for a database that knows no encoding. */
function clientEncodingOf(manifest: Manifest): string {
  const schema = manifest.items.find((item) => item.name === schemaItem);
  return schema?.detail?.['clientEncoding'] === 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
}

/** Definitions, globals and sequences belong to every restore; of the rows only those of the chosen tables do. */
export function itemsForTables(manifest: Manifest, only: readonly string[]): string[] {
  const { items } = selectTables(readItems(manifest).tables, only);
  return [schemaItem, globalsItem, sequencesItem, ...items.map(({ item }) => item.name)];
}

interface RestoreParts {
  readonly context: RestoreContext<PostgresConnection>;
  readonly signal: AbortSignal;
  readonly session: Session;
  readonly connect: (onWarning?: (message: string) => void) => Promise<Session>;
  readonly tools: Tools;
  readonly libpq: LibpqAccess;
  /** Of the archive and of rows that name none. */
  readonly encoding: string;
  readonly items: RestoreItems;
  /** Missing for a whole restore. */
  readonly selection: Selection | undefined;
}

interface Definitions {
  readonly archive: SchemaArchive;
  readonly plan: SchemaPlan;
  readonly extraArgs: readonly string[];
}

interface Prepared extends Definitions {
  /** Of the plan's post-data, what is made while rows still come in. */
  readonly early: EarlyJobs;
  readonly globals: Globals;
  /** Those that the restore makes; others keep their state. */
  readonly sequences: readonly SequenceState[];
}

class Restore {
  readonly #parts: RestoreParts;
  readonly #phases: { name: string; seconds: number }[] = [];
  readonly #faults: FaultLog;

  constructor(parts: RestoreParts) {
    this.#parts = parts;
    this.#faults = new FaultLog(parts.session, parts.context.log);
  }

  async run(): Promise<RestoreOutcome> {
    const { session, selection } = this.#parts;
    const prepared = await this.#phase('prepare', () => this.#prepare());
    await this.#phase('definitions', () => this.#restoreDefinitions(prepared));
    const restored = await this.#phase('rows', () => this.#restoreRows(prepared));
    await this.#phase('sequences', () => this.#restoreSequences(prepared));
    await this.#phase('indexes and constraints', () => this.#restorePostData(prepared));
    if (selection === undefined) {
      this.#faults.warn(
        await this.#phase('database settings', () => restoreDatabaseProperties(session, prepared.globals)),
      );
    }
    await this.#phase('statistics', () => this.#gatherStatistics());
    // Copies commit without waiting for the disk; this commit waits, and with it everything before.
    await session.query('SET default_transaction_read_only TO off; SET synchronous_commit TO on');
    await session.query('SELECT pg_catalog.pg_current_xact_id()');
    this.#faults.throwIfRowsAreMissing();
    const { warnings, faults } = this.#faults;
    return { items: restored.items + 3, rows: restored.rows, phases: this.#phases, warnings, faults };
  }

  async #prepare(): Promise<Prepared> {
    const { context, tools, libpq, signal, session, selection } = this.#parts;
    const archive = await SchemaArchive.open(await context.read(schemaItem), {
      pgRestore: tools.path('pg_restore'),
      env: { ...libpq.env, PGOPTIONS: await buildOptions(session) },
      conninfo: libpq.conninfo,
      directory: libpq.directory,
      ...(this.#parts.encoding === 'SQL_ASCII' && { decode: textOfBytes }),
      signal,
    });
    const globals = globalsSchema.parse(await this.#readJson(globalsItem));
    // Planned before anything is made: a table that stands in the way must find the target untouched.
    const plan = selection === undefined ? planAll(archive) : await planTables(archive, selection, session);
    this.#faults.warn(plan.warnings);
    const sequences = await this.#sequencesToSet(plan);
    this.#faults.warn(await createMissingRoles(session, globals));
    const missing = await missingTablespaces(session, globals);
    if (missing.length > 0)
      this.#faults.warn([
        `the target has no tablespace ${missing.join(', ')}: everything goes to the database's default one`,
      ]);
    const definitions = { archive, plan, extraArgs: missing.length > 0 ? ['--no-tablespaces'] : [] };
    const early = new EarlyJobs(earlyEntries(plan, this.#tables), (entry, idleLanes) =>
      this.#makeEarly(entry, idleLanes, definitions),
    );
    return { ...definitions, early, globals, sequences };
  }

  async #restoreDefinitions({ archive, plan, extraArgs }: Prepared): Promise<void> {
    const required = { entries: plan.required, jobs: 1, extraArgs: [...extraArgs, '--no-owner'] };
    await this.#faults.take(await archive.run('required', required), { mayExist: true });
    await this.#faults.take(await archive.run('pre-data', { entries: plan.preData, jobs: 1, extraArgs }));
  }

  async #restorePostData({ archive, plan, early, extraArgs }: Prepared): Promise<void> {
    const { errors, notices } = await archive.run('post-data', {
      // By what was made, not by what was meant to be: nothing can fall between the two.
      entries: plan.postData.filter((entry) => !early.isMade(entry)),
      jobs: Math.max(1, this.#parts.context.connections),
      extraArgs,
    });
    // An index that is the replica identity, or that its table is clustered on, takes a second, firmer lock: two jobs at
    // one table may wait for each other, and the server ends one of them.
    const ended = new Set(
      errors.filter(({ entry, message }) => entry !== undefined && /deadlock/i.test(message)),
    );
    const entries = [...ended].flatMap(({ entry }) => entry ?? []);
    await this.#faults.take({ errors: errors.filter((error) => !ended.has(error)), notices });
    await this.#faults.take(await archive.run('post-data-again', { entries, jobs: 1, extraArgs }));
  }

  /** A sequence that could not be made has no place for its state, which is data: without it numbers come twice. */
  async #restoreSequences({ sequences }: Prepared): Promise<void> {
    const { session } = this.#parts;
    const existing = await existingSequences(session, sequences);
    for (const sequence of sequences) {
      if (existing.has(sequence)) continue;
      this.#faults.lose({ name: displayName(sequence), message: 'the target has no such sequence' });
    }
    await writeSequences(session, [...existing]);
  }

  /** One entry of post-data by itself. What no other connection has a use for, the server may put into a parallel build. */
  async #makeEarly(entry: TocEntry, workers: number, { archive, extraArgs }: Definitions): Promise<void> {
    const options = {
      entries: [entry],
      jobs: 1,
      extraArgs,
      serverOptions: `-c max_parallel_maintenance_workers=${workers}`,
    };
    await this.#faults.take(await archive.run(`early-${entry.id}`, options));
  }

  get #tables(): readonly TableItem[] {
    return this.#parts.selection?.items ?? this.#parts.items.tables;
  }

  async #restoreRows({ early }: Prepared): Promise<{ readonly items: number; readonly rows: number }> {
    const { context, connect, encoding, signal, items, selection } = this.#parts;
    const openSession = async () => {
      const session = await connect((warning) => this.#faults.warn([warning]));
      await prepareCopies(session, encoding);
      return session;
    };
    const wanted =
      selection === undefined
        ? items
        : { tables: selection.items, largeObjects: [], largeObjectList: undefined };
    const onLost: FaultLog['lose'] = (lost) => this.#faults.lose(lost);
    return new RowRestore(context, { items: wanted, signal, openSession, early, onLost }).run();
  }

  async #gatherStatistics(): Promise<void> {
    const { context, session, connect, selection, signal } = this.#parts;
    const others: Session[] = [];
    try {
      while (others.length + 1 < context.connections) others.push(await connect());
      const only = selection === undefined ? {} : { only: selection.names };
      this.#faults.warn(await analyzeTables([session, ...others], { ...only, signal }));
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
  }

  async #sequencesToSet({ sequences }: SchemaPlan): Promise<SequenceState[]> {
    const states = sequencesSchema.parse(await this.#readJson(sequencesItem));
    if (sequences === undefined) return states;
    const names = new Set(sequences.map(quoteName));
    const wanted = states.filter((state) => names.has(quoteName(state)));
    const existing = await existingSequences(this.#parts.session, wanted);
    return wanted.filter((state) => !existing.has(state));
  }

  async #readJson(name: string): Promise<unknown> {
    const chunks: Buffer[] = [];
    const stream = decompressStream(await this.#parts.context.read(name), 'zst');
    try {
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
    } catch (error) {
      if (isHoldfastError(error)) throw error;
      throw new HoldfastError('DECOMPRESS_FAILED', `${name} cannot be read`, { cause: error });
    }
  }

  async #phase<T>(name: string, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    const result = await work();
    this.#phases.push({ name, seconds: Math.round(performance.now() - from) / 1000 });
    return result;
  }
}

/** Memory for index builds: more than the server's careful default, never more than its own cache. */
async function buildOptions(session: Session): Promise<string> {
  const { megabytes } = await session.one<{ megabytes: number }>(`
    select greatest((select setting::bigint / 1024 from pg_catalog.pg_settings where name = 'maintenance_work_mem'),
      least(256, (select setting::bigint * 8 / 1024 from pg_catalog.pg_settings where name = 'shared_buffers')))::int as megabytes`);
  return `-c maintenance_work_mem=${megabytes}MB -c synchronous_commit=off -c default_transaction_read_only=off`;
}
