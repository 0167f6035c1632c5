import { once } from 'node:events';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import { decompressStream } from '../compressor.ts';
import type { RestoreContext, RestoreOutcome } from '../engine.ts';
import { FailFast } from '../fail-fast.ts';
import { globalsItem, schemaItem, sequencesItem } from './backup.ts';
import { BackupProgress } from './backup-progress.ts';
import type { PostgresConnection } from './connection.ts';
import { type Globals, globalsSchema } from './globals.ts';
import { type LibpqAccess, openLibpq } from './libpq.ts';
import type { Settings } from './options.ts';
import { displayName } from './quote.ts';
import { type ArchiveOptions, SchemaArchive } from './restore-archive.ts';
import { copyIn, type CopyIn, type CopyInAccess } from './restore-copy.ts';
import { createMissingRoles, restoreDatabaseProperties } from './restore-globals.ts';
import { copyTableStatements, readItems, type RestoreItems, selectTables } from './restore-items.ts';
import { createObjects, describeObjects, writePages } from './restore-large-objects.ts';
import { requireEmpty, requireMajor } from './restore-target.ts';
import { planAll, planTables, type SchemaPlan } from './restore-plan.ts';
import { type SequenceState, sequencesSchema, writeSequences } from './sequences.ts';
import { readServer, type ServerFacts } from './server.ts';
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
  const tables = context.only === undefined ? items.tables : selectTables(items.tables, context.only);
  let session: Session | undefined;
  let libpq: LibpqAccess | undefined;
  try {
    session = await Session.connect(context.connection, {
      signal: scope.signal,
      answerSeconds: settings.idleSeconds,
    });
    const target = await readServer(session);
    requireMajor(target, context.manifest.engine.version);
    if (context.only === undefined) await requireEmpty(session, context.connection);
    const tools = await findTools(target.major, ['pg_restore', 'psql'], settings);
    const schema = context.manifest.items.find((item) => item.name === schemaItem);
    const encoding = schema?.detail?.['clientEncoding'];
    libpq = await openLibpq(context.connection, {
      searchPath: settings.searchPath,
      ...(typeof encoding === 'string' ? { encoding } : {}),
    });
    return await new Restore({
      context,
      settings,
      scope,
      session,
      target,
      tools,
      libpq,
      items: { ...items, tables },
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

interface RestoreParts {
  readonly context: RestoreContext<PostgresConnection>;
  readonly settings: Settings;
  readonly scope: FailFast;
  readonly session: Session;
  readonly target: ServerFacts;
  readonly tools: Tools;
  readonly libpq: LibpqAccess;
  readonly items: RestoreItems;
}

class Restore {
  readonly #parts: RestoreParts;
  readonly #access: CopyInAccess;
  readonly #progress: BackupProgress;
  readonly #phases: { name: string; seconds: number }[] = [];
  readonly #warnings: string[] = [];
  #rows = 0;
  #items = 0;

  constructor(parts: RestoreParts) {
    this.#parts = parts;
    const { libpq, tools, scope } = parts;
    this.#access = {
      psql: tools.path('psql'),
      env: libpq.env,
      conninfo: libpq.conninfo,
      compressor: tools.compressor,
      signal: scope.signal,
    };
    const { tables, largeObjects } = parts.items;
    const bytes = tables.reduce((sum, entry) => sum + (entry.item.bytes ?? 0), 0);
    this.#progress = new BackupProgress(
      tables.length + largeObjects.length + 3,
      bytes,
      parts.context.onProgress,
    );
  }

  async run(): Promise<RestoreOutcome> {
    const { context, session } = this.#parts;
    const whole = context.only === undefined;
    const plan = await this.#phase('prepare', () => this.#prepare());
    const globals = await this.#phase('roles', () => this.#createRoles());
    await this.#phase('definitions', () => this.#restoreDefinitions(plan));
    await this.#phase('rows', () => this.#restoreRows(whole));
    await this.#phase('sequences', () => this.#restoreSequences(plan));
    await this.#phase('indexes and constraints', () => this.#restorePostData(plan));
    if (whole)
      this.#warnings.push(
        ...(await this.#phase('database settings', () => restoreDatabaseProperties(session, globals))),
      );
    // Copies commit without waiting for the disk; this commit waits, and with it everything before.
    await session.query('SET default_transaction_read_only TO off; SET synchronous_commit TO on');
    await session.query('SELECT pg_catalog.pg_current_xact_id()');
    return {
      items: this.#items,
      rows: this.#rows,
      phases: this.#phases,
      warnings: [...new Set([...plan.warnings, ...this.#warnings])],
    };
  }

  async #prepare(): Promise<{
    readonly archive: SchemaArchive;
    readonly plan: SchemaPlan;
    readonly warnings: readonly string[];
  }> {
    const { context, tools, libpq, scope, session, items } = this.#parts;
    const env = { ...libpq.env, PGOPTIONS: await this.#buildOptions() };
    const options: ArchiveOptions = {
      pgRestore: tools.path('pg_restore'),
      env,
      conninfo: libpq.conninfo,
      directory: libpq.directory,
      signal: scope.signal,
    };
    const archive = await SchemaArchive.open(await context.read(schemaItem), options);
    this.#items += 1;
    const plan =
      context.only === undefined
        ? planAll(archive)
        : await planTables(
            archive,
            items.tables.map((entry) => entry.table),
            session,
          );
    return { archive, plan, warnings: plan.warnings };
  }

  /** Memory for index builds: more than the server's careful default, never more than its own cache. */
  async #buildOptions(): Promise<string> {
    const { megabytes } = await this.#parts.session.one<{ megabytes: number }>(`
      select greatest((select setting::bigint / 1024 from pg_catalog.pg_settings where name = 'maintenance_work_mem'),
        least(256, (select setting::bigint * 8 / 1024 from pg_catalog.pg_settings where name = 'shared_buffers')))::int as megabytes`);
    return `-c maintenance_work_mem=${megabytes}MB -c synchronous_commit=off -c default_transaction_read_only=off`;
  }

  async #createRoles(): Promise<Globals> {
    const globals = globalsSchema.parse(await this.#readJson(globalsItem));
    this.#warnings.push(...(await createMissingRoles(this.#parts.session, globals)));
    return globals;
  }

  async #restoreDefinitions({
    archive,
    plan,
  }: {
    readonly archive: SchemaArchive;
    readonly plan: SchemaPlan;
  }): Promise<void> {
    this.#warnings.push(
      ...(await archive.run('pre-data', {
        entries: plan.preData,
        jobs: 1,
        isTolerable: plan.isTolerable,
        extraArgs: await this.#tablespaceArgs(),
      })),
    );
  }

  async #restorePostData({
    archive,
    plan,
  }: {
    readonly archive: SchemaArchive;
    readonly plan: SchemaPlan;
  }): Promise<void> {
    const jobs = Math.max(1, this.#parts.context.connections);
    this.#warnings.push(
      ...(await archive.run('post-data', {
        entries: plan.postData,
        jobs,
        isTolerable: plan.isTolerable,
        extraArgs: await this.#tablespaceArgs(),
      })),
    );
  }

  async #tablespaceArgs(): Promise<string[]> {
    return [];
  }

  async #restoreRows(whole: boolean): Promise<void> {
    const { items, context, scope } = this.#parts;
    const { largeObjectList } = items;
    if (whole && largeObjectList !== undefined)
      await this.#copy({ name: largeObjectList.name, statements: createObjects });
    const queue: { readonly copy: CopyIn; readonly rows?: number | undefined; readonly counts: boolean }[] =
      items.tables.map((entry) => ({
        copy: { name: entry.item.name, statements: copyTableStatements(entry) },
        rows: entry.item.rows,
        counts: true,
      }));
    if (whole)
      queue.push(
        ...items.largeObjects.map(({ item, pageBytes }) => ({
          copy: { name: item.name, statements: writePages(pageBytes) },
          counts: false,
        })),
      );
    const copying = new FailFast(
      scope.signal,
      () => new HoldfastError('JOB_ABORTED', 'the restore was told to stop'),
    );
    for (let lane = 0; lane < Math.max(1, context.connections); lane += 1) {
      copying.run(async () => {
        for (let next = queue.shift(); next !== undefined && !copying.signal.aborted; next = queue.shift()) {
          const rows = await this.#copy(next.copy, copying.signal);
          if (next.counts) this.#requireRows(next.copy.name, rows, next.rows);
        }
      });
    }
    await copying.settle();
    if (whole && largeObjectList !== undefined)
      await this.#copy({ name: largeObjectList.name, statements: describeObjects });
  }

  async #copy(copy: CopyIn, signal = this.#parts.scope.signal): Promise<number> {
    this.#progress.itemStarted(copy.name);
    const rows = await copyIn({ ...this.#access, signal }, copy, await this.#parts.context.read(copy.name));
    this.#items += 1;
    const item = this.#parts.context.manifest.items.find((entry) => entry.name === copy.name);
    this.#progress.itemDone(copy.name, { rows: item?.kind === 'table' ? rows : 0, bytes: item?.bytes ?? 0 });
    return rows;
  }

  #requireRows(name: string, rows: number, expected: number | undefined): void {
    if (expected !== undefined && rows !== expected) {
      throw new HoldfastError(
        'COUNT_MISMATCH',
        `${name} should have ${expected} rows, but the server took ${rows}`,
      );
    }
    this.#rows += rows;
  }

  async #restoreSequences({ plan }: { readonly plan: SchemaPlan }): Promise<void> {
    const states: SequenceState[] = sequencesSchema.parse(await this.#readJson(sequencesItem));
    const wanted =
      plan.sequences === undefined
        ? states
        : states.filter((state) => plan.sequences?.has(displayName(state)));
    await writeSequences(this.#parts.session, wanted);
  }

  async #readJson(name: string): Promise<unknown> {
    const chunks: Buffer[] = [];
    const stream = await this.#parts.context.read(name);
    const output = decompressStream(stream);
    const failed = once(stream, 'error').then(([error]) => Promise.reject(error as Error));
    failed.catch(() => undefined);
    const reading = (async () => {
      for await (const chunk of output) chunks.push(chunk as Buffer);
    })();
    try {
      await Promise.race([reading, failed]);
      this.#items += 1;
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
    } catch (error) {
      if (isHoldfastError(error)) throw error;
      throw new HoldfastError('DECOMPRESS_FAILED', `${name} cannot be read`, { cause: error });
    }
  }

  async #phase<T>(name: string, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    this.#parts.scope.throwIfFailed();
    const result = await work();
    this.#phases.push({ name, seconds: Math.round(performance.now() - from) / 1000 });
    return result;
  }
}
