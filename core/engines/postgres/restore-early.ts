import type { LaneJob } from '../lanes.ts';
import type { TableItem } from './restore-items.ts';
import type { TocEntry } from './restore-toc.ts';

/** A table whose rows come to less has its indexes built with everybody else's: starting pg_restore for it would cost more. */
export const bigTableBytes = 32 * 1024 ** 2;

const pgClass = 1259;

/** Post-data that is made while rows of other tables still come in. */
export interface EarlyEntry {
  readonly entry: TocEntry;
  /** Numbers in the source of the tables whose rows must be in. */
  readonly tables: ReadonlySet<number>;
  /** Ids of the early entries that must have been made. */
  readonly after: ReadonlySet<number>;
  /** Its lock lets no other entry work on the same tables meanwhile. */
  readonly isExclusive: boolean;
}

type Plan = { readonly preData: readonly TocEntry[]; readonly postData: readonly TocEntry[] };

/**
 * Indexes and keys of big tables that need nothing but their own table, and foreign keys of big tables together with the
 * keys that they point to. Triggers, indexes of partitioned tables and everything else wait for all rows.
 */
export function earlyEntries(plan: Plan, tables: readonly TableItem[]): EarlyEntry[] {
  const bytes = new Map<number, number>();
  for (const { detail, item } of tables)
    bytes.set(detail.oid, (bytes.get(detail.oid) ?? 0) + (item.bytes ?? 0));
  // Rows that come in through a partitioned table may land in any partition.
  const moving = new Set(
    tables.filter(({ detail }) => detail.loadInto !== undefined).map(({ detail }) => detail.oid),
  );
  const byEntry = new Map<number, number>();
  for (const entry of plan.preData) {
    if (
      entry.catalogOid === pgClass &&
      entry.kind === 'TABLE' &&
      bytes.has(entry.oid) &&
      !moving.has(entry.oid)
    )
      byEntry.set(entry.id, entry.oid);
  }
  const tablesOf = (entry: TocEntry) => new Set(entry.dependsOn.flatMap((id) => byEntry.get(id) ?? []));
  const isBig = (table: number) => (bytes.get(table) ?? 0) >= bigTableBytes;
  const later = new Map(plan.postData.map((entry) => [entry.id, entry]));
  // An index names its table once for itself and once for each expression.
  const own = plan.postData.filter(
    (entry) =>
      isIndexOrKey(entry) && tablesOf(entry).size === 1 && !entry.dependsOn.some((id) => later.has(id)),
  );
  const ownIds = new Set(own.map(({ id }) => id));
  const keys = plan.postData.filter(
    (entry) =>
      entry.kind === 'FK CONSTRAINT' &&
      [...tablesOf(entry)].some(isBig) &&
      entry.dependsOn.every((id) => byEntry.has(id) || ownIds.has(id)),
  );
  const wanted = new Set(keys.flatMap(({ dependsOn }) => dependsOn));
  const early = [...own.filter((entry) => wanted.has(entry.id) || [...tablesOf(entry)].some(isBig)), ...keys];
  return early.map((entry) => ({
    entry,
    tables: tablesOf(entry),
    after: new Set(entry.dependsOn.filter((id) => ownIds.has(id))),
    isExclusive: entry.kind !== 'INDEX',
  }));
}

function isIndexOrKey(entry: TocEntry): boolean {
  return entry.kind === 'INDEX' || entry.kind === 'CONSTRAINT';
}

/** Hands early entries out as jobs, each once, as soon as what they need is there. */
export class EarlyJobs {
  readonly #waiting: Set<EarlyEntry>;
  readonly #make: (entry: TocEntry, idleLanes: number) => Promise<void>;
  readonly #filled = new Set<number>();
  readonly #made = new Set<number>();

  constructor(entries: readonly EarlyEntry[], make: (entry: TocEntry, idleLanes: number) => Promise<void>) {
    this.#waiting = new Set(entries);
    this.#make = make;
  }

  isMade(entry: TocEntry): boolean {
    return this.#made.has(entry.id);
  }

  /** What may be made now that all rows of a table are in. */
  rowsAreIn(table: number): LaneJob[] {
    this.#filled.add(table);
    return this.#ready();
  }

  #ready(): LaneJob[] {
    const ready = [...this.#waiting].filter(
      ({ tables, after }) =>
        [...tables].every((table) => this.#filled.has(table)) && [...after].every((id) => this.#made.has(id)),
    );
    return ready.map((early): LaneJob => {
      this.#waiting.delete(early);
      return {
        locks: { tables: early.tables, isExclusive: early.isExclusive },
        run: async (_signal, idleLanes) => {
          await this.#make(early.entry, idleLanes);
          this.#made.add(early.entry.id);
          return this.#ready();
        },
      };
    });
  }
}
