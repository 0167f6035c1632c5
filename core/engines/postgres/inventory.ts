import { holdsBytes } from './byte-text.ts';
import type { QualifiedName } from './quote.ts';
import type { Session } from './session.ts';

/** `r` table, `p` partitioned, `m` materialised view, `S` sequence, `f` foreign table. */
export type RelationKind = 'r' | 'p' | 'm' | 'S' | 'f';

/** A relation by its number in the source, which pg_dump's archive knows too. */
export interface NumberedName extends QualifiedName {
  readonly oid: number;
}

/** One relation as the snapshot sees it. */
export interface Relation extends NumberedName {
  readonly kind: RelationKind;
  /** p permanent, u unlogged. */
  readonly persistence: string;
  readonly isHeap: boolean;
  /** Rows of the main fork, without indexes and values stored outside. */
  readonly mainBytes: number;
  readonly tableBytes: number;
  /** Columns that a copy carries, in order: neither dropped nor generated. */
  readonly columns: readonly string[];
  /** The partitioned tables that it is a partition of, nearest first. */
  readonly partitionOf: readonly NumberedName[];
  /** Rows must go in through this table: hash partitions of an enum depend on numbers that a restore changes. */
  readonly loadInto?: QualifiedName;
  readonly extension?: string;
  /** False for a table that came to the extension later, by an update or by ALTER EXTENSION … ADD TABLE. */
  readonly createdWithExtension: boolean;
  /** Set when the extension marks the table's rows as the user's: a WHERE clause, or empty for all rows. */
  readonly extensionCondition?: string;
  readonly inSystemSchema: boolean;
  readonly readable: boolean;
  readonly hiddenByRowSecurity: boolean;
  /** False when rows were rewritten or truncated after the snapshot was taken. */
  readonly unchanged: boolean;
}

interface RelationRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  readonly persistence: string;
  readonly is_heap: boolean;
  readonly main_bytes: string | null;
  readonly table_bytes: string | null;
  readonly columns: string[] | null;
  readonly partition_of: NumberedName[] | null;
  readonly load_into: QualifiedName | null;
  readonly extension: string | null;
  readonly with_extension: boolean | null;
  readonly extension_condition: string | null;
  readonly in_system_schema: boolean;
  readonly readable: boolean | null;
  readonly hidden: boolean | null;
  readonly unchanged: boolean | null;
}

const userSchema = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;

const extensionJoin = `
  left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
    and d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::regclass
  left join pg_catalog.pg_extension e on e.oid = d.refobjid`;

/** Tables whose rows are read, so that they must be locked: those of an extension only where it says that rows are the user's. */
export const lockableTablesSql = `
  select c.oid::text as oid, n.nspname as schema, c.relname as name,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT') as readable
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace ${extensionJoin}
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${userSchema}
    and (e.oid is null or c.oid = any (e.extconfig))
  order by c.oid`;

const relationsSql = `
  select c.oid::text as oid, n.nspname as schema, c.relname as name, c.relkind as kind, c.relpersistence as persistence,
    coalesce(am.amname = 'heap', false) as is_heap,
    case when c.relkind = 'r' then pg_catalog.pg_relation_size(c.oid) end as main_bytes,
    case when c.relkind = 'r' and (e.oid is null or c.oid = any (e.extconfig)) then pg_catalog.pg_table_size(c.oid) end as table_bytes,
    (select json_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
    (select json_agg(json_build_object('schema', pn.nspname, 'name', pc.relname, 'oid', pc.oid::bigint) order by above.n)
      from pg_catalog.pg_partition_ancestors(c.oid) with ordinality as above(relid, n) join pg_catalog.pg_class pc on pc.oid = above.relid
      join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace where c.relispartition and above.relid <> c.oid) as partition_of,
    (select json_build_object('schema', rn.nspname, 'name', rc.relname)
      from pg_catalog.pg_class rc join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
      where c.relispartition and rc.oid = pg_catalog.pg_partition_root(c.oid) and exists (
        select from pg_catalog.pg_partition_ancestors(c.oid) ancestor
        join pg_catalog.pg_partitioned_table p on p.partrelid = ancestor.relid
        join pg_catalog.pg_opclass o on o.oid = any (p.partclass)
        where p.partstrat = 'h' and o.opcname = 'enum_ops')) as load_into,
    e.extname as extension,
    -- What CREATE EXTENSION made has one transaction: that of the extension's own entry, which no later command changes.
    (select bool_or(own.xmin = d.xmin) from pg_catalog.pg_depend own
      where own.classid = 'pg_catalog.pg_extension'::regclass and own.objid = e.oid) as with_extension,
    case when c.oid = any (e.extconfig) then coalesce(e.extcondition[array_position(e.extconfig, c.oid)], '') end as extension_condition,
    not (${userSchema}) as in_system_schema,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') and case when c.relkind = 'S'
      then pg_catalog.has_sequence_privilege(c.oid, 'SELECT') else pg_catalog.has_table_privilege(c.oid, 'SELECT') end as readable,
    c.relrowsecurity and pg_catalog.row_security_active(c.oid) as hidden,
    c.relkind <> 'r' or pg_catalog.pg_relation_filenode(c.oid) = c.relfilenode as unchanged
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_am am on am.oid = c.relam ${extensionJoin}
  where c.relkind in ('r', 'p', 'm', 'S', 'f') and c.relpersistence <> 't' and c.oid >= 16384
    and n.nspname !~ '^pg_(temp|toast)'
  order by c.oid`;

/** Every relation that holds rows or state, as the session's snapshot sees it. */
export async function readRelations(session: Session): Promise<Relation[]> {
  const rows = await session.query<RelationRow>(relationsSql);
  return rows.map((row) => ({
    oid: Number(row.oid),
    schema: row.schema,
    name: row.name,
    kind: row.kind,
    persistence: row.persistence,
    isHeap: row.is_heap,
    mainBytes: Number(row.main_bytes ?? 0),
    tableBytes: Number(row.table_bytes ?? 0),
    columns: row.columns ?? [],
    partitionOf: row.partition_of ?? [],
    ...(row.load_into === null ? {} : { loadInto: row.load_into }),
    ...(row.extension === null ? {} : { extension: row.extension }),
    createdWithExtension: row.with_extension === true,
    ...(row.extension_condition === null ? {} : { extensionCondition: row.extension_condition }),
    inSystemSchema: row.in_system_schema,
    readable: row.readable === true,
    hiddenByRowSecurity: row.hidden === true,
    unchanged: row.unchanged === true,
  }));
}

/** True for tables whose rows are items of the backup. */
export function isCopied(relation: Relation, onStandby: boolean): boolean {
  return relation.kind === 'r' && whyNotCovered(relation, onStandby) === undefined;
}

/** True where the manifest cannot name it as it is (see byte-text.ts). */
export function isNamedInBytes({ schema, name, columns, partitionOf }: Relation): boolean {
  return [schema, name, ...columns, ...partitionOf.flatMap((parent) => [parent.schema, parent.name])].some(
    holdsBytes,
  );
}

/** True for a table with rows that an extension owns and did not bring along: one that was joined to it by hand does not come back. */
export function mayBeLost(relation: Relation): boolean {
  return (
    relation.kind === 'r' &&
    !relation.inSystemSchema &&
    relation.extension !== undefined &&
    relation.extensionCondition === undefined &&
    !relation.createdWithExtension &&
    relation.mainBytes > 0
  );
}

/** Why a relation is left out, or `undefined` when an item covers it. Materialised views are covered by the schema, which fills them again. */
export function whyNotCovered(relation: Relation, onStandby: boolean): string | undefined {
  if (relation.inSystemSchema) return 'is in a system schema, which the server makes itself';
  if (relation.kind === 'f')
    return 'is a foreign table: its definition is kept, its rows are on another server';
  if (
    relation.extension !== undefined &&
    relation.extensionCondition === undefined &&
    relation.kind !== 'p'
  ) {
    return `belongs to the extension ${relation.extension}: as in pg_dump, it comes back only as the extension's script makes it`;
  }
  if (relation.persistence === 'u' && onStandby) {
    return 'is unlogged, and a standby server cannot read it; its definition is kept';
  }
  return undefined;
}
