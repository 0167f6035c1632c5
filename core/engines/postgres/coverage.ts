import { HoldfastError } from '../../errors.ts';
import type { Manifest } from '../../vault/manifest.ts';
import { type Relation, whyNotCovered } from './inventory.ts';
import type { Settings } from './options.ts';
import { attempt } from './planning.ts';
import { displayName, quoteName } from './quote.ts';
import type { Session } from './session.ts';

/** Relations that no item holds, each with the reason. */
export function listNotCovered(relations: readonly Relation[], onStandby: boolean): Manifest['notCovered'] {
  return relations.flatMap((relation) => {
    const reason = whyNotCovered(relation, onStandby);
    return reason === undefined ? [] : [{ name: displayName(relation), reason }];
  });
}

export interface Stored {
  /** Rows stored per table, all parts together. */
  readonly tableRows: ReadonlyMap<number, number>;
  readonly sequences: ReadonlySet<string>;
  readonly schema: boolean;
}

/** Every relation of the snapshot is stored or has a reason not to be. @throws COVERAGE_INCOMPLETE */
export function requireCoverage(
  relations: readonly Relation[],
  stored: Stored,
  notCovered: Manifest['notCovered'],
): void {
  const excused = new Set(notCovered.map((entry) => entry.name));
  const missing = relations
    .filter((relation) => !excused.has(displayName(relation)) && !isStored(relation, stored))
    .map(displayName);
  if (missing.length > 0) {
    throw new HoldfastError(
      'COVERAGE_INCOMPLETE',
      `${missing.length} relations are neither stored nor excused: ${missing.slice(0, 5).join(', ')}`,
      {
        detail: { missing: missing.slice(0, 100) },
      },
    );
  }
}

function isStored(relation: Relation, stored: Stored): boolean {
  switch (relation.kind) {
    case 'r':
      return stored.tableRows.has(relation.oid);
    case 'S':
      return stored.sequences.has(displayName(relation));
    case 'p':
    case 'm':
    case 'f':
      return stored.schema;
  }
}

/**
 * Tables to count by SQL: the smallest, as many as fit into half of what may be read, then others spread evenly over the
 * rest by size, so that big tables have their turn too.
 */
export function chooseCounted(tables: readonly Relation[], budgetBytes: number): Relation[] {
  const bySize = tables.toSorted((a, b) => a.mainBytes - b.mainBytes);
  const chosen: Relation[] = [];
  let spent = 0;
  for (const table of bySize) {
    if (spent + table.mainBytes > budgetBytes / 2 || chosen.length >= 500) break;
    chosen.push(table);
    spent += table.mainBytes;
  }
  const rest = bySize.slice(chosen.length);
  const step = Math.max(1, Math.floor(rest.length / 20));
  for (let at = rest.length - 1; at >= 0; at -= step) {
    const table = rest[at];
    if (table === undefined || spent + table.mainBytes > budgetBytes) continue;
    chosen.push(table);
    spent += table.mainBytes;
  }
  return chosen;
}

const countSeconds = 20;
/** Cancelled by the statement's or the lock's time limit. */
const tookTooLong = new Set<unknown>(['57014', '55P03']);

export interface Counted {
  /** Rows by the table's number. */
  readonly rows: ReadonlyMap<number, number>;
  /** Tables that no query can read (see `tablesWithoutPlan`), each with the server's reason. */
  readonly refused: readonly { readonly table: string; readonly reason: string }[];
}

/** Counts in the same snapshot, on a connection that copies nothing. A table whose count takes too long or is refused is left out. */
export async function countIndependently(
  session: Session,
  tables: readonly Relation[],
  settings: Settings,
): Promise<Counted> {
  const counts = new Map<number, number>();
  const refused: { table: string; reason: string }[] = [];
  const until = performance.now() + countSeconds * 1000;
  for (const table of chooseCounted(tables, settings.countBytes)) {
    const left = Math.ceil(until - performance.now());
    if (left <= 0) break;
    const condition = table.extensionCondition ?? '';
    const counted = await attempt(session, left, () =>
      session.one<{ rows: string }>(
        `SELECT count(*)::text AS rows FROM ONLY ${quoteName(table)} ${condition}`,
      ),
    );
    if ('result' in counted) counts.set(table.oid, Number(counted.result.rows));
    else if (!tookTooLong.has(counted.refused.detail?.['sqlState']))
      refused.push({ table: displayName(table), reason: counted.refused.message });
  }
  return { rows: counts, refused };
}

/** @throws COUNT_MISMATCH */
export function requireSameCounts(
  tables: readonly Relation[],
  counted: ReadonlyMap<number, number>,
  stored: Stored,
): Manifest['independentCounts'] {
  const result: Manifest['independentCounts'] = [];
  for (const table of tables) {
    const rows = counted.get(table.oid);
    if (rows === undefined) continue;
    const copied = stored.tableRows.get(table.oid);
    if (copied !== rows) {
      throw new HoldfastError(
        'COUNT_MISMATCH',
        `${displayName(table)} has ${rows} rows in the snapshot, but ${copied ?? 'none'} were stored`,
      );
    }
    // Of an extension's table only the user's rows are stored, and rows of an enum's hash partitions move among them in a
    // restore: such counts say nothing on the other side.
    if (table.extension === undefined && table.loadInto === undefined)
      result.push({ name: displayName(table), rows });
  }
  return result;
}
