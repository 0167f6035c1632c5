import { HoldfastError } from '../../errors.ts';
import type { ManifestItem } from '../../vault/manifest.ts';
import type { RestoreContext } from '../engine.ts';
import { type LaneJob, runInLanes } from '../lanes.ts';
import { BackupProgress } from './backup-progress.ts';
import type { PostgresConnection } from './connection.ts';
import { copyIn, textOf } from './restore-copy.ts';
import { type LostRows, refusalOf } from './restore-faults.ts';
import { bigTableBytes, type EarlyJobs } from './restore-early.ts';
import { copyTableStatements, type RestoreItems, type TableItem } from './restore-items.ts';
import { displayName } from './quote.ts';
import { createObjects, describeObjects, writePages } from './restore-large-objects.ts';
import type { Session } from './session.ts';

/** One COPY, which takes in the items one after the other. */
interface Work {
  readonly name: string;
  readonly statements: readonly string[];
  readonly items: readonly ManifestItem[];
  /** Number of the table in the source; missing for what is no table. */
  readonly table?: number;
}

export interface RowRestoreOptions {
  readonly items: RestoreItems;
  readonly signal: AbortSignal;
  /** A session that is ready for copies; at most `connections` are asked for. */
  readonly openSession: () => Promise<Session>;
  /** Told of each table once, when all its rows are in. */
  readonly early: EarlyJobs;
  /** Told of what the server refused; everything else comes in all the same. */
  readonly onLost: (lost: LostRows) => void;
}

export interface RestoredRows {
  readonly items: number;
  readonly rows: number;
}

/** Brings rows and large objects in, several at a time, the biggest first. */
export class RowRestore {
  readonly #context: RestoreContext<PostgresConnection>;
  readonly #options: RowRestoreOptions;
  readonly #items: RestoreItems;
  readonly #progress: BackupProgress;
  readonly #sessions: Session[] = [];
  readonly #idle: Session[] = [];
  readonly #worksLeft = new Map<number, number>();
  #done = 0;
  #rows = 0;

  constructor(context: RestoreContext<PostgresConnection>, options: RowRestoreOptions) {
    const { items } = options;
    this.#context = context;
    this.#options = options;
    this.#items = items;
    const bytes = items.tables.reduce((sum, entry) => sum + (entry.item.bytes ?? 0), 0);
    const lists = items.largeObjectList === undefined ? 0 : 2;
    this.#progress = new BackupProgress(
      items.tables.length + items.largeObjects.length + lists,
      bytes,
      context.onProgress,
    );
  }

  /** @throws COUNT_MISMATCH, DECOMPRESS_FAILED, DISK_FULL, SOURCE_UNREACHABLE and what `read` throws */
  async run(): Promise<RestoredRows> {
    try {
      await this.#copyAll();
      return { items: this.#done, rows: this.#rows };
    } finally {
      await Promise.all(this.#sessions.map((session) => session.close()));
    }
  }

  async #copyAll(): Promise<void> {
    const { signal } = this.#options;
    const { largeObjectList: list, largeObjects, tables } = this.#items;
    if (list !== undefined) await this.#copy(listWork(list, createObjects), signal);
    // Tables of extensions may point to each other with keys that are there from the start: in the order of the source's making, one after the other.
    const extensionTables = tables
      .filter((entry) => entry.detail.extension !== undefined)
      .toSorted((a, b) => a.detail.oid - b.detail.oid);
    for (const entry of extensionTables) await this.#copy(tableWork([entry], 1), signal);
    await this.#parallel([
      ...tableWorks(
        tables.filter((entry) => entry.detail.extension === undefined),
        this.#context.connections,
      ),
      ...largeObjects.map(({ item, pageBytes }): Work => ({
        name: item.name,
        statements: writePages(pageBytes),
        items: [item],
      })),
    ]);
    if (list !== undefined) await this.#copy(listWork(list, describeObjects), signal);
  }

  async #parallel(works: readonly Work[]): Promise<void> {
    for (const { table } of works)
      if (table !== undefined) this.#worksLeft.set(table, (this.#worksLeft.get(table) ?? 0) + 1);
    const jobs = works.map((work): LaneJob => ({
      // Two copies into one table wait for each other whenever it grows, and cost the server a sixth more.
      ...(work.table === undefined ? {} : { group: work.table }),
      run: async (signal) => {
        await this.#copy(work, signal);
        return this.#afterRowsOf(work.table);
      },
    }));
    await runInLanes(jobs, {
      lanes: this.#context.connections,
      signal: this.#options.signal,
      abortedError: () => new HoldfastError('JOB_ABORTED', 'the restore was told to stop'),
    });
  }

  /** What may be done now that more of the table is in: nothing until that was the last of it. */
  #afterRowsOf(table: number | undefined): readonly LaneJob[] {
    if (table === undefined) return [];
    const left = (this.#worksLeft.get(table) ?? 1) - 1;
    this.#worksLeft.set(table, left);
    return left === 0 ? this.#options.early.rowsAreIn(table) : [];
  }

  async #copy(work: Work, signal: AbortSignal): Promise<void> {
    const session = this.#idle.pop() ?? (await this.#open());
    const stop = () => session.destroy();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const rows = await copyIn(session, work, this.#textOf(work));
      if (work.table !== undefined) this.#requireRows(work, rows);
      this.#idle.push(session);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#lose(work, error);
      await session.close();
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** @throws the error where it is no answer of the server to this work */
  #lose({ name, items, table }: Work, error: unknown): void {
    const refusal = refusalOf(error);
    for (const item of items) this.#progress.itemDone(item.name, { rows: 0, bytes: item.bytes ?? 0 });
    const rows = table === undefined ? undefined : rowsOf(items);
    // A table without rows loses none; that it is not there is a fault of its own.
    if (rows !== 0) this.#options.onLost({ name, ...(rows !== undefined && { rows }), ...refusal });
  }

  async *#textOf({ items, table }: Work): AsyncGenerator<Buffer> {
    for (const item of items) {
      this.#progress.itemStarted(item.name);
      yield* textOf(item.name, await this.#context.read(item.name));
      this.#done += 1;
      const rows = table === undefined ? 0 : (item.rows ?? 0);
      this.#progress.itemDone(item.name, { rows, bytes: item.bytes ?? 0 });
    }
  }

  async #open(): Promise<Session> {
    const session = await this.#options.openSession();
    this.#sessions.push(session);
    return session;
  }

  #requireRows({ name, items }: Work, rows: number): void {
    const expected = rowsOf(items);
    if (rows !== expected) {
      throw new HoldfastError(
        'COUNT_MISMATCH',
        `${name} should have ${expected} rows, but the server took ${rows}`,
      );
    }
    this.#rows += rows;
  }
}

function rowsOf(items: readonly ManifestItem[]): number {
  return items.reduce((sum, item) => sum + (item.rows ?? 0), 0);
}

function listWork(list: ManifestItem, statements: readonly string[]): Work {
  return { name: list.name, statements, items: [list] };
}

/**
 * The copies that bring tables in. All parts of a table go into one, which can freeze its rows: nothing has to write them
 * all again later. Only a table that would keep one connection at work long after the others are done comes in by several;
 * its indexes, about half of the work, are left to the others, hence more than an equal share. The biggest begin, except on
 * the last connection: small tables go before the rest there, because foreign keys of big ones point to them.
 */
function tableWorks(entries: readonly TableItem[], connections: number): Work[] {
  const tables = [...Map.groupBy(entries, ({ detail }) => detail.oid).values()]
    .map((items) => items.toSorted((a, b) => (a.detail.part ?? 1) - (b.detail.part ?? 1)))
    .toSorted((a, b) => storedBytesOf(b) - storedBytesOf(a));
  const most = (1.5 * storedBytesOf(entries)) / connections;
  const isSmall = (items: readonly TableItem[]) =>
    items.reduce((sum, { item }) => sum + (item.bytes ?? 0), 0) < bigTableBytes;
  const small = tables.filter(isSmall);
  const big = tables.filter((items) => !isSmall(items));
  const others = Math.max(1, connections - 1);
  return [...big.slice(0, others), ...small, ...big.slice(others)].flatMap((items) =>
    storedBytesOf(items) <= most
      ? [tableWork(items, 1)]
      : items.map((item) => tableWork([item], items.length)),
  );
}

function storedBytesOf(entries: readonly TableItem[]): number {
  return entries.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
}

/** One of `count` copies of a table. */
function tableWork(entries: readonly TableItem[], count: number): Work {
  const [first] = entries;
  if (first === undefined) throw new HoldfastError('INTERNAL', 'a copy of nothing');
  return {
    name: count === 1 ? displayName(first.table) : first.item.name,
    statements: copyTableStatements(first, count === 1),
    items: entries.map(({ item }) => item),
    table: first.detail.oid,
  };
}
