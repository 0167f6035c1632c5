import * as z from 'zod';
import { HoldfastError } from '../../errors.ts';
import type { Manifest, ManifestItem } from '../../vault/manifest.ts';
import { displayName, type QualifiedName, quoteIdentifier, quoteLiteral, quoteName } from './quote.ts';

const nameSchema = z.strictObject({ schema: z.string(), name: z.string() });

const tableDetailSchema = z.strictObject({
  schema: z.string(),
  table: z.string(),
  oid: z.number(),
  columns: z.array(z.string()),
  encoding: z.string().optional(),
  part: z.number().optional(),
  parts: z.number().optional(),
  partitionOf: z.array(nameSchema.extend({ oid: z.number() })).optional(),
  loadInto: nameSchema.optional(),
  extension: z.string().optional(),
});

const pagesDetailSchema = z.strictObject({
  from: z.number(),
  to: z.number(),
  pageBytes: z.number().int().positive(),
});

/** One item that holds rows of a table. */
export interface TableItem {
  readonly item: ManifestItem;
  readonly table: QualifiedName;
  readonly detail: z.infer<typeof tableDetailSchema>;
  readonly storedBytes: number;
}

/** The manifest's items by what they are. */
export interface RestoreItems {
  readonly tables: readonly TableItem[];
  readonly largeObjects: readonly { readonly item: ManifestItem; readonly pageBytes: number }[];
  readonly largeObjectList: ManifestItem | undefined;
}

/** @throws MANIFEST_INVALID for an item that this version cannot restore: better none than a part of the data */
export function readItems(manifest: Manifest): RestoreItems {
  const tables: TableItem[] = [];
  const largeObjects: { item: ManifestItem; pageBytes: number }[] = [];
  let largeObjectList: ManifestItem | undefined;
  const sizes = new Map<string, number>();
  for (const item of manifest.items) sizes.set(item.name, (sizes.get(item.name) ?? 0) + item.storedBytes);
  for (const item of manifest.items) {
    if ((item.segment ?? 1) !== 1) continue;
    switch (item.kind) {
      case 'table': {
        const detail = parseDetail(tableDetailSchema, item);
        tables.push({
          item,
          detail,
          table: { schema: detail.schema, name: detail.table },
          storedBytes: sizes.get(item.name) ?? 0,
        });
        break;
      }
      case 'large-objects':
        largeObjects.push({ item, pageBytes: parseDetail(pagesDetailSchema, item).pageBytes });
        break;
      case 'large-object-list':
        largeObjectList = item;
        break;
      case 'schema':
      case 'globals':
      case 'sequences':
        break;
      default:
        throw new HoldfastError(
          'MANIFEST_INVALID',
          `item ${item.name} is of kind ${item.kind}, which this version cannot restore`,
        );
    }
  }
  return { tables: tables.toSorted((a, b) => b.storedBytes - a.storedBytes), largeObjects, largeObjectList };
}

function parseDetail<T>(schema: z.ZodType<T>, item: ManifestItem): T {
  const parsed = schema.safeParse(item.detail);
  if (parsed.success) return parsed.data;
  throw new HoldfastError(
    'MANIFEST_INVALID',
    `item ${item.name} lacks what its restore needs: ${z.prettifyError(parsed.error)}`,
  );
}

/** The statements that take a table's rows in: all of them at once, or those of one part among several. */
export function copyTableStatements(entry: TableItem, isAll: boolean): string[] {
  const { detail, table } = entry;
  const target = detail.loadInto ?? table;
  const columns = detail.columns.length === 0 ? '' : ` (${detail.columns.map(quoteIdentifier).join(', ')})`;
  const whole = isAll && detail.extension === undefined && detail.loadInto === undefined;
  const options = [
    // Emptied in the same transaction, a table takes frozen rows: no vacuum has to write them all again later.
    ...(whole ? ['FREEZE'] : []),
    ...(detail.encoding === undefined ? [] : [`ENCODING ${quoteLiteral(detail.encoding)}`]),
  ];
  return [
    'BEGIN',
    ...(whole ? [`TRUNCATE ONLY ${quoteName(target)}`] : []),
    `COPY ${quoteName(target)}${columns} FROM STDIN${options.length === 0 ? '' : ` WITH (${options.join(', ')})`}`,
    'COMMIT',
  ];
}

/** Tables that a person asked for. */
export interface Selection {
  readonly items: readonly TableItem[];
  /** Numbers of the tables, and of the partitioned tables above them that were asked for. */
  readonly oids: ReadonlySet<number>;
  readonly names: readonly QualifiedName[];
}

/** Finds tables by name, with all partitions of a partitioned one. @throws ITEM_NOT_FOUND naming all that are missing */
export function selectTables(tables: readonly TableItem[], only: readonly string[]): Selection {
  const chosen = new Set<TableItem>();
  const names = new Map<number, QualifiedName>();
  const missing: string[] = [];
  for (const wanted of only) {
    const before = chosen.size;
    for (const entry of tables) {
      const line = [{ ...entry.table, oid: entry.detail.oid }, ...(entry.detail.partitionOf ?? [])];
      const at = line.findIndex((name) => isCalled(name, wanted));
      if (at === -1) continue;
      chosen.add(entry);
      for (const { oid, schema, name } of line.slice(0, at + 1)) names.set(oid, { schema, name });
    }
    if (chosen.size === before && !tables.some((entry) => chosen.has(entry) && isCalled(entry.table, wanted)))
      missing.push(wanted);
  }
  if (missing.length > 0) {
    throw new HoldfastError('ITEM_NOT_FOUND', `the recovery point has no table ${missing.join(', ')}`, {
      hint: `tables are named schema.table; it holds ${someOf(tables)}`,
    });
  }
  return {
    items: tables.filter((entry) => chosen.has(entry)),
    oids: new Set(names.keys()),
    names: [...names.values()],
  };
}

/** A big table is stored in parts and named once. */
function someOf(tables: readonly TableItem[]): string {
  const names = [...new Set(tables.map(({ table }) => displayName(table)))];
  if (names.length === 0) return 'no table';
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`;
}

function isCalled(name: QualifiedName, wanted: string): boolean {
  return displayName(name) === wanted || `${name.schema}.${name.name}` === wanted;
}
