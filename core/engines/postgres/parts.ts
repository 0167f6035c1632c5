import type { ManifestItem } from '../../vault/manifest.ts';
import type { Relation } from './inventory.ts';
import { displayName, quoteIdentifier, quoteLiteral, quoteName } from './quote.ts';

/** One piece of work of a backup: what one COPY reads and one item stores. A plain list, so that several tasks could share it. */
export interface Part {
  readonly name: string;
  readonly kind: 'table' | 'large-objects' | 'large-object-list';
  /** COPY … TO STDOUT, without the semicolon. */
  readonly copySql: string;
  /** Of storage; what the list is sorted by. */
  readonly estimatedBytes: number;
  /** An independent count of what the COPY must give, where one is known beforehand. */
  readonly expectedRows?: number;
  /** Set for tables. */
  readonly relation?: Relation;
  readonly detail: NonNullable<ManifestItem['detail']>;
}

export interface PartLimits {
  readonly connections: number;
  readonly partBytes: number;
  readonly blockBytes: number;
  /** Encoding that rows are copied in, where it is not the clients'. */
  readonly encoding?: string;
  /** Numbers of tables that no query can read, only COPY of the whole table. @default none */
  readonly whole?: ReadonlySet<number>;
}

/** Cutting finer than this costs more in starts than it gains in balance. */
const smallestPart = 32 * 1024 ** 2;
/** Parts per connection when one table holds most bytes: the last one to finish leaves the others idle for a quarter of their share at most. */
const partsPerConnection = 4;

/** Cuts tables into parts, biggest first. */
export function tableParts(relations: readonly Relation[], limits: PartLimits): Part[] {
  const total = relations.reduce((sum, relation) => sum + relation.tableBytes, 0);
  const fair = total / (limits.connections * partsPerConnection);
  const target =
    limits.connections === 1
      ? limits.partBytes
      : Math.min(limits.partBytes, Math.max(fair, Math.min(smallestPart, limits.partBytes)));
  return biggestFirst(relations.flatMap((relation) => cut(relation, target, limits)));
}

export function biggestFirst(parts: readonly Part[]): Part[] {
  return parts.toSorted((a, b) => b.estimatedBytes - a.estimatedBytes);
}

function cut(relation: Relation, target: number, { blockBytes, encoding, whole }: PartLimits): Part[] {
  const blocks = Math.ceil(relation.mainBytes / blockBytes);
  const mayCut = relation.isHeap && relation.extension === undefined && whole?.has(relation.oid) !== true;
  const wanted = mayCut ? Math.ceil(relation.tableBytes / target) : 1;
  const count = Math.max(1, Math.min(wanted, blocks));
  if (count === 1) return [tablePart(relation, undefined, encoding)];
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((blocks * index) / count);
    // Open-ended: rows of the snapshot may stand in blocks that were added after the size was read.
    const to = index === count - 1 ? undefined : Math.floor((blocks * (index + 1)) / count);
    return tablePart(relation, { number: index + 1, count, from, to }, encoding);
  });
}

interface BlockRange {
  readonly number: number;
  readonly count: number;
  readonly from: number;
  readonly to: number | undefined;
}

function tablePart(relation: Relation, range: BlockRange | undefined, encoding: string | undefined): Part {
  const base = displayName(relation);
  return {
    name: range === undefined ? base : `${base}#${range.number}`,
    kind: 'table',
    copySql:
      copyOutSql(relation, range) +
      (encoding === undefined ? '' : ` WITH (ENCODING ${quoteLiteral(encoding)})`),
    estimatedBytes: Math.round(relation.tableBytes / (range?.count ?? 1)),
    relation,
    detail: {
      schema: relation.schema,
      table: relation.name,
      oid: relation.oid,
      columns: [...relation.columns],
      ...(encoding === undefined ? {} : { encoding }),
      ...(range === undefined ? {} : { part: range.number, parts: range.count }),
      ...(relation.partitionOf.length === 0
        ? {}
        : { partitionOf: relation.partitionOf.map((parent) => ({ ...parent })) }),
      ...(relation.loadInto === undefined
        ? {}
        : { loadInto: { schema: relation.loadInto.schema, name: relation.loadInto.name } }),
      ...(relation.extension === undefined ? {} : { extension: relation.extension }),
    },
  };
}

function copyOutSql(relation: Relation, range: BlockRange | undefined): string {
  const columns = relation.columns.map(quoteIdentifier).join(', ');
  const condition = relation.extensionCondition?.trim() ?? '';
  if (range === undefined && condition === '') {
    return `COPY ${quoteName(relation)}${columns === '' ? '' : ` (${columns})`} TO STDOUT`;
  }
  return `COPY (SELECT ${columns} FROM ONLY ${quoteName(relation)} ${range === undefined ? condition : rangeCondition(range)}) TO STDOUT`;
}

function rangeCondition(range: BlockRange): string {
  const from = `ctid >= '(${range.from},0)'`;
  return range.to === undefined ? `WHERE ${from}` : `WHERE ${from} AND ctid < '(${range.to},0)'`;
}
