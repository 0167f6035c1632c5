import type { TableItem } from './restore-items.ts';
import { isKind, type TocEntry } from './restore-toc.ts';

/** A table whose rows come to less has its indexes built with everybody else's: starting pg_restore for it would cost more. */
const bigTableBytes = 32 * 1024 ** 2;

const pgClass = 1259;

/**
 * Indexes and keys that need nothing but their own table, by the table's number in the source: they can be built as soon
 * as its rows are in, while others are still coming. Foreign keys, triggers and what joins tables wait for all rows.
 */
export function indexesOfBigTables(
  plan: { readonly preData: readonly TocEntry[]; readonly postData: readonly TocEntry[] },
  tables: readonly TableItem[],
): Map<number, TocEntry[]> {
  const bytes = new Map<number, number>();
  for (const { detail, item } of tables)
    bytes.set(detail.oid, (bytes.get(detail.oid) ?? 0) + (item.bytes ?? 0));
  const bigTables = new Map<number, number>();
  for (const entry of plan.preData) {
    if (
      entry.catalogOid === pgClass &&
      isKind(entry, 'TABLE') &&
      (bytes.get(entry.oid) ?? 0) >= bigTableBytes
    )
      bigTables.set(entry.id, entry.oid);
  }
  const later = new Set(plan.postData.map((entry) => entry.id));
  const found = new Map<number, TocEntry[]>();
  for (const entry of plan.postData) {
    const isIndex = isKind(entry, 'INDEX') && !isKind(entry, 'INDEX ATTACH');
    if (!isIndex && !isKind(entry, 'CONSTRAINT')) continue;
    // An index names its table once for itself and once for each expression.
    const [table, ...others] = new Set(entry.dependsOn.flatMap((id) => bigTables.get(id) ?? []));
    if (table === undefined || others.length > 0 || entry.dependsOn.some((id) => later.has(id))) continue;
    found.set(table, [...(found.get(table) ?? []), entry]);
  }
  return found;
}
