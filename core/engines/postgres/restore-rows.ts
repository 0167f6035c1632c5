import { HoldfastError } from '../../errors.ts';
import type { RestoreContext } from '../engine.ts';
import { FailFast } from '../fail-fast.ts';
import { BackupProgress } from './backup-progress.ts';
import type { PostgresConnection } from './connection.ts';
import { copyIn, type CopyIn, type CopyInAccess } from './restore-copy.ts';
import { copyTableStatements, type RestoreItems, type TableItem } from './restore-items.ts';
import { createObjects, describeObjects, writePages } from './restore-large-objects.ts';

interface Work {
  readonly copy: CopyIn;
  /** What the server must take; unknown for what is no table. */
  readonly rows?: number | undefined;
  readonly isTable: boolean;
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
  #done = 0;
  #rows = 0;

  constructor(context: RestoreContext<PostgresConnection>, access: CopyInAccess, items: RestoreItems) {
    this.#context = context;
    this.#access = access;
    this.#items = items;
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
    await this.#parallel([
      ...tables.filter((entry) => entry.detail.extension === undefined).map(tableWork),
      ...largeObjects.map(({ item, pageBytes }) => ({
        copy: { name: item.name, statements: writePages(pageBytes) },
        isTable: false,
      })),
    ]);
    if (list !== undefined)
      await this.#copy(
        { copy: { name: list.name, statements: describeObjects }, isTable: false },
        this.#access.signal,
      );
    return { items: this.#done, rows: this.#rows };
  }

  async #parallel(queue: Work[]): Promise<void> {
    const lanes = new FailFast(
      this.#access.signal,
      () => new HoldfastError('JOB_ABORTED', 'the restore was told to stop'),
    );
    for (let lane = 0; lane < Math.max(1, this.#context.connections); lane += 1) {
      lanes.run(async () => {
        for (let next = queue.shift(); next !== undefined && !lanes.signal.aborted; next = queue.shift()) {
          await this.#copy(next, lanes.signal);
        }
      });
    }
    await lanes.settle();
    lanes.close();
  }

  async #copy({ copy, rows: expected, isTable }: Work, signal: AbortSignal): Promise<void> {
    this.#progress.itemStarted(copy.name);
    const rows = await copyIn({ ...this.#access, signal }, copy, await this.#context.read(copy.name));
    if (expected !== undefined && rows !== expected) {
      throw new HoldfastError(
        'COUNT_MISMATCH',
        `${copy.name} should have ${expected} rows, but the server took ${rows}`,
      );
    }
    this.#done += 1;
    if (isTable) this.#rows += rows;
    const item = this.#context.manifest.items.find((entry) => entry.name === copy.name);
    this.#progress.itemDone(copy.name, { rows: isTable ? rows : 0, bytes: item?.bytes ?? 0 });
  }
}

function tableWork(entry: TableItem): Work {
  return {
    copy: { name: entry.item.name, statements: copyTableStatements(entry) },
    rows: entry.item.rows,
    isTable: true,
  };
}
