import { HoldfastError } from '../../errors.ts';
import type { RestoreContext } from '../engine.ts';
import { type LaneJob, runInLanes } from '../lanes.ts';
import { BackupProgress } from './backup-progress.ts';
import type { PostgresConnection } from './connection.ts';
import { copyInSmall, itemsPerBatch, smallItemBytes } from './restore-batch.ts';
import { copyIn, type CopyIn, type CopyInAccess } from './restore-copy.ts';
import { copyTableStatements, type RestoreItems, type TableItem } from './restore-items.ts';
import { createObjects, describeObjects, writePages } from './restore-large-objects.ts';

interface Work {
  readonly copy: CopyIn;
  /** What the server must take; unknown for what is no table. */
  readonly rows?: number | undefined;
  /** Before compression. */
  readonly bytes?: number | undefined;
  readonly isTable: boolean;
  /** Number of the table in the source. */
  readonly table?: number;
}

export interface RestoredRows {
  readonly items: number;
  readonly rows: number;
}

/** Brings rows and large objects in, several at a time, the biggest first. */
export class RowRestore {
  readonly #context: RestoreContext<PostgresConnection>;
  readonly #access: CopyInAccess;
  readonly #items: RestoreItems;
  readonly #progress: BackupProgress;
  readonly #afterRows: (table: number) => readonly LaneJob[];
  readonly #itemsLeft = new Map<number, number>();
  #done = 0;
  #rows = 0;

  constructor(
    context: RestoreContext<PostgresConnection>,
    access: CopyInAccess,
    work: {
      readonly items: RestoreItems;
      /** Work that waits for the rows of one table only; asked once, when they are in. */
      readonly afterRows: (table: number) => readonly LaneJob[];
    },
  ) {
    const { items } = work;
    this.#context = context;
    this.#access = access;
    this.#items = items;
    this.#afterRows = work.afterRows;
    for (const { detail } of items.tables)
      this.#itemsLeft.set(detail.oid, (this.#itemsLeft.get(detail.oid) ?? 0) + 1);
    const bytes = items.tables.reduce((sum, entry) => sum + (entry.item.bytes ?? 0), 0);
    const lists = items.largeObjectList === undefined ? 0 : 2;
    this.#progress = new BackupProgress(
      items.tables.length + items.largeObjects.length + lists,
      bytes,
      context.onProgress,
    );
  }

  /** @throws COUNT_MISMATCH, DECOMPRESS_FAILED, DISK_FULL, TOOL_FAILED and what `read` throws */
  async run(): Promise<RestoredRows> {
    const { largeObjectList: list, largeObjects, tables } = this.#items;
    if (list !== undefined)
      await this.#copy(
        { copy: { name: list.name, statements: createObjects }, isTable: false },
        this.#access.signal,
      );
    // Tables of extensions may point to each other with keys that are there from the start: in the order of the source's making, one after the other.
    const extensionTables = tables
      .filter((entry) => entry.detail.extension !== undefined)
      .toSorted((a, b) => a.detail.oid - b.detail.oid);
    for (const entry of extensionTables) await this.#copy(tableWork(entry), this.#access.signal);
    const works = [
      ...tables.filter((entry) => entry.detail.extension === undefined).map(tableWork),
      ...largeObjects.map(({ item, pageBytes }) => ({
        copy: { name: item.name, statements: writePages(pageBytes) },
        isTable: false,
      })),
    ];
    await this.#parallel([
      ...works.filter((work) => !isSmall(work)).map((work) => [work]),
      ...chunks(works.filter(isSmall), itemsPerBatch),
    ]);
    if (list !== undefined)
      await this.#copy(
        { copy: { name: list.name, statements: describeObjects }, isTable: false },
        this.#access.signal,
      );
    return { items: this.#done, rows: this.#rows };
  }

  async #parallel(queue: readonly (readonly Work[])[]): Promise<void> {
    const jobs = queue.map((works): LaneJob => {
      const [only] = works;
      const single = works.length === 1 ? only : undefined;
      return {
        // Two copies into one table wait for each other whenever it grows, and cost the server a sixth more.
        ...(single?.table === undefined ? {} : { group: single.table }),
        run: async (signal) => {
          if (single === undefined) await this.#copyTogether(works, signal);
          else await this.#copy(single, signal);
          return works.flatMap(({ table }) => this.#afterRowsOf(table));
        },
      };
    });
    await runInLanes(jobs, {
      lanes: this.#context.connections,
      signal: this.#access.signal,
      abortedError: () => new HoldfastError('JOB_ABORTED', 'the restore was told to stop'),
    });
  }

  /** What may be done now that another item of the table is in: nothing until it was the last one. */
  #afterRowsOf(table: number | undefined): readonly LaneJob[] {
    if (table === undefined) return [];
    const left = (this.#itemsLeft.get(table) ?? 1) - 1;
    this.#itemsLeft.set(table, left);
    return left === 0 ? this.#afterRows(table) : [];
  }

  async #copy(work: Work, signal: AbortSignal): Promise<void> {
    this.#progress.itemStarted(work.copy.name);
    const rows = await copyIn(
      { ...this.#access, signal },
      work.copy,
      await this.#context.read(work.copy.name),
    );
    this.#finish(work, rows);
  }

  async #copyTogether(works: readonly Work[], signal: AbortSignal): Promise<void> {
    const copies = works.map((work) => work.copy);
    const rows = await copyInSmall({ ...this.#access, signal }, copies, this.#context.read);
    for (const [index, work] of works.entries()) this.#finish(work, rows[index] ?? 0);
  }

  #finish({ copy, rows: expected, bytes, isTable }: Work, rows: number): void {
    if (expected !== undefined && rows !== expected) {
      throw new HoldfastError(
        'COUNT_MISMATCH',
        `${copy.name} should have ${expected} rows, but the server took ${rows}`,
      );
    }
    this.#done += 1;
    if (isTable) this.#rows += rows;
    this.#progress.itemDone(copy.name, { rows: isTable ? rows : 0, bytes: bytes ?? 0 });
  }
}

function isSmall(work: Work): boolean {
  return work.isTable && work.bytes !== undefined && work.bytes <= smallItemBytes;
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  );
}

function tableWork(entry: TableItem): Work {
  const { item } = entry;
  return {
    copy: { name: item.name, statements: copyTableStatements(entry) },
    rows: item.rows,
    bytes: item.bytes,
    isTable: true,
    table: entry.detail.oid,
  };
}
