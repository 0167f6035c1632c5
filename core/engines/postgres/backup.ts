import { Readable } from 'node:stream';
import { HoldfastError } from '../../errors.ts';
import { byteTextFeature, type ManifestItem } from '../../vault/manifest.ts';
import type { ItemInput } from '../../vault/vault.ts';
import { compressStream } from '../../vault/compress.ts';
import type { BackupContext, BackupOutcome } from '../engine.ts';
import { FailFast } from '../fail-fast.ts';
import { BackupProgress } from './backup-progress.ts';
import { watchBackup } from './backup-watch.ts';
import type { PostgresConnection } from './connection.ts';
import { CopyWorker } from './copy-worker.ts';
import {
  type Counted,
  countIndependently,
  listNotCovered,
  requireCoverage,
  requireSameCounts,
} from './coverage.ts';
import { readGlobals } from './globals.ts';
import { isNamedInBytes, mayBeLost } from './inventory.ts';
import { type OpenSource, openSource } from './open-source.ts';
import { readFacts } from './backup-facts.ts';
import type { Settings } from './options.ts';
import type { Part } from './parts.ts';
import { explainLocks, withoutKeepingLocks } from './locks.ts';
import { displayName } from './quote.ts';
import { coveredSequences, readSequences } from './sequences.ts';

export const schemaItem = '@schema';
export const globalsItem = '@globals';
export const sequencesItem = '@sequences';

/** Streams one consistent state of a database into `context.store`. */
export async function backupPostgres(
  context: BackupContext<PostgresConnection>,
  settings: Settings,
): Promise<BackupOutcome> {
  const scope = new FailFast(
    context.signal,
    () => new HoldfastError('JOB_ABORTED', 'the backup was told to stop'),
  );
  let source: OpenSource | undefined;
  try {
    source = await openSource({ context, settings, signal: scope.signal });
    return await new Backup(context, settings, { source, scope }).run();
  } catch (error) {
    scope.fail(error);
    if (source === undefined) throw scope.failure;
    throw explainLocks(scope.failure, source.snapshot.locked, source.server);
  } finally {
    await source?.close();
    scope.close();
  }
}

class Backup {
  readonly #context: BackupContext<PostgresConnection>;
  readonly #settings: Settings;
  readonly #source: OpenSource;
  readonly #scope: FailFast;
  readonly #progress: BackupProgress;
  readonly #tableRows = new Map<number, number>();
  readonly #sequences = new Set<string>();
  readonly #forLeader: Part[] = [];
  #schemaStored = false;

  constructor(
    context: BackupContext<PostgresConnection>,
    settings: Settings,
    running: { readonly source: OpenSource; readonly scope: FailFast },
  ) {
    this.#context = context;
    this.#settings = settings;
    this.#source = running.source;
    this.#scope = running.scope;
    const { parts } = running.source;
    this.#progress = new BackupProgress(
      parts.length + 3,
      parts.reduce((sum, part) => sum + part.estimatedBytes, 0),
      context.onProgress,
    );
  }

  async run(): Promise<BackupOutcome> {
    const { snapshot, tables, counter, leader, server, workers } = this.#source;
    const watching = new AbortController();
    this.#scope.run(() => this.#watch(AbortSignal.any([this.#scope.signal, watching.signal])));
    let counts: Counted = { rows: new Map(), refused: [] };
    const queue = [...this.#source.parts];
    const leading = async () => {
      const globals = await withoutKeepingLocks(leader, () => readGlobals(leader, server.major));
      await this.#storeJson(globalsItem, 'globals', globals);
      await this.#storeSequences();
    };
    const working = [leading(), ...workers.map((worker) => this.#work(worker, queue))];
    const copying = [
      this.#storeSchema(),
      ...working,
      Promise.all(working).then(() => this.#workAsLeader()),
      (async () => void (counts = await countIndependently(counter, tables, this.#settings)))(),
    ];
    // Each in the scope: the first failure ends the others, which hold the source's locks.
    for (const task of copying) this.#scope.run(() => task);
    await Promise.allSettled(copying);
    this.#warn(counts);
    const facts = this.#scope.signal.aborted ? undefined : await readFacts(this.#source);
    watching.abort();
    await this.#scope.settle();
    if (facts === undefined)
      throw new HoldfastError('INTERNAL', 'the backup ended without facts of its source');
    const stored = { tableRows: this.#tableRows, sequences: this.#sequences, schema: this.#schemaStored };
    const notCovered = [...listNotCovered(snapshot.relations, snapshot.onStandby), ...facts.notCovered];
    requireCoverage(snapshot.relations, stored, notCovered);
    const independentCounts = requireSameCounts(tables, counts.rows, stored);
    await Promise.all(workers.map((worker) => worker.end()));
    this.#progress.finish();
    const features = snapshot.relations.some(isNamedInBytes) ? { features: [byteTextFeature] } : {};
    return { ...facts.outcome, notCovered, independentCounts, ...features };
  }

  #warn({ refused }: Counted): void {
    const { log } = this.#context;
    for (const { table, reason } of refused)
      log.warn('a table was stored, but could not be counted independently', { table, reason });
    for (const relation of this.#source.snapshot.relations.filter(mayBeLost))
      log.warn(
        'a table is not in the backup, because it belongs to an extension that may not create it again; ALTER EXTENSION … DROP TABLE makes it a table of the database, which is kept',
        { table: displayName(relation), extension: relation.extension },
      );
  }

  #watch(signal: AbortSignal): Promise<void> {
    const { watcher, applicationName } = this.#source;
    return watchBackup(watcher, {
      applicationName,
      settings: this.#settings,
      context: this.#context,
      signal,
      onCopyProgress: (rows, bytes) => this.#progress.running(rows, bytes),
    });
  }

  async #work(worker: CopyWorker, queue: Part[]): Promise<void> {
    for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
      if (this.#scope.signal.aborted) return;
      const { relation } = part;
      if (!(await worker.tryLock(relation === undefined ? [] : [relation]))) {
        this.#forLeader.push(part);
        continue;
      }
      const copy = worker.copy(part.name, part.copySql);
      // Rows are rows of tables: pages of large objects would only blur the totals.
      const done =
        relation === undefined
          ? copy.done.then(({ bytes }) => (bytes === undefined ? {} : { bytes }))
          : copy.done;
      done.catch(() => undefined);
      await this.#store({
        name: part.name,
        kind: part.kind,
        compression: 'zst',
        body: copy.body,
        done,
        detail: part.detail,
      });
      const counts = await copy.done;
      if (part.expectedRows !== undefined && counts.rows !== part.expectedRows) {
        throw new HoldfastError(
          'COUNT_MISMATCH',
          `${part.name} should hold ${part.expectedRows} entries, but ${counts.rows} were stored`,
        );
      }
      if (relation !== undefined) {
        this.#tableRows.set(relation.oid, (this.#tableRows.get(relation.oid) ?? 0) + (counts.rows ?? 0));
      }
      this.#progress.itemDone(part.name, await done);
    }
    await worker.tryLock([]);
  }

  /** Parts that only the leader can copy: it holds all locks, so that no schema change that waits stands before it. */
  async #workAsLeader(): Promise<void> {
    if (this.#forLeader.length === 0 || this.#scope.signal.aborted) return;
    const { leader: session, server } = this.#source;
    const { clientEncoding } = server;
    await this.#work(await CopyWorker.start({ session, clientEncoding }), this.#forLeader);
  }

  async #store(item: ItemInput): Promise<ManifestItem[]> {
    this.#progress.itemStarted(item.name);
    return this.#context.store(item);
  }

  async #storeSchema(): Promise<void> {
    const { body, done } = this.#source.schemaDump;
    await this.#store({
      name: schemaItem,
      kind: 'schema',
      compression: 'zst',
      body,
      done,
      detail: { clientEncoding: this.#source.server.clientEncoding },
    });
    this.#progress.itemDone(schemaItem, await done);
    this.#schemaStored = true;
  }

  async #storeSequences(): Promise<void> {
    const { leader, snapshot, server } = this.#source;
    const states = await readSequences(leader, coveredSequences(snapshot), server.major);
    await this.#storeJson(sequencesItem, 'sequences', states);
    for (const state of states) this.#sequences.add(displayName(state));
  }

  async #storeJson(name: string, kind: string, value: unknown): Promise<void> {
    const text = Buffer.from(JSON.stringify(value));
    const counts = { bytes: text.length };
    await this.#store({
      name,
      kind,
      compression: 'zst',
      body: compressStream(Readable.from([text])).stream,
      done: Promise.resolve(counts),
    });
    this.#progress.itemDone(name, counts);
  }
}
