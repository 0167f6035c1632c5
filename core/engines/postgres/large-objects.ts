import { HoldfastError } from '../../errors.ts';
import type { Part, PartLimits } from './parts.ts';
import type { Session } from './session.ts';

export const largeObjectListName = '@large-object-list';

/** One row per object: number, owner, grants as JSON (null: the default), comment. */
const listSql = `COPY (SELECT m.oid, pg_catalog.pg_get_userbyid(m.lomowner),
  CASE WHEN m.lomacl IS NOT NULL THEN coalesce((SELECT json_agg(json_build_object(
    'grantee', CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee) END,
    'privilege', a.privilege_type, 'grantable', a.is_grantable)) FROM pg_catalog.aclexplode(m.lomacl) a), '[]') END,
  pg_catalog.obj_description(m.oid, 'pg_largeobject')
  FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid) TO STDOUT`;

/**
 * Large objects as parts of the one list: their pages are read by COPY like rows, so their size does not matter and no
 * round trip per object is needed. Owners, grants and comments are one more item.
 */
export async function largeObjectParts(session: Session, limits: PartLimits): Promise<Part[]> {
  const { count, bytes, readable } = await session.one<{ count: string; bytes: string; readable: boolean }>(`
    select (select count(*) from pg_catalog.pg_largeobject_metadata)::text as count,
      pg_catalog.pg_relation_size('pg_catalog.pg_largeobject')::text as bytes,
      pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') as readable`);
  if (count === '0') return [];
  if (!readable) {
    throw new HoldfastError('SOURCE_PRIVILEGES', `the backup user may not read the ${count} large objects`, {
      hint: 'GRANT pg_read_all_data TO the backup user, or GRANT SELECT ON pg_catalog.pg_largeobject',
    });
  }
  const target = limits.connections === 1 ? limits.partBytes : Math.min(limits.partBytes, 256 * 1024 ** 2);
  const parts = Math.min(Number(count), Math.ceil(Number(bytes) / target) || 1);
  const ranges = await session.query<{ from: string; to: string }>(
    `select min(oid)::text as from, max(oid)::text as to from (
       select oid, ntile($1::int) over (order by oid) as part from pg_catalog.pg_largeobject_metadata) numbered
     group by part order by part`,
    [parts],
  );
  const list: Part = {
    name: largeObjectListName,
    kind: 'large-object-list',
    copySql: listSql,
    estimatedBytes: 0,
    expectedRows: Number(count),
    detail: {},
  };
  return [
    list,
    ...ranges.map((range, index) =>
      rangePart(range, index + 1, { bytes: Number(bytes) / ranges.length, blockBytes: limits.blockBytes }),
    ),
  ];
}

interface PartSize {
  readonly bytes: number;
  readonly blockBytes: number;
}

function rangePart(range: { from: string; to: string }, number: number, size: PartSize): Part {
  return {
    name: `@large-objects#${number}`,
    kind: 'large-objects',
    copySql: `COPY (SELECT loid, pageno, data FROM pg_catalog.pg_largeobject
      WHERE loid >= ${Number(range.from)} AND loid <= ${Number(range.to)} ORDER BY loid, pageno) TO STDOUT`,
    estimatedBytes: size.bytes,
    // A page holds a quarter of a block; the restore turns page numbers into offsets.
    detail: { from: Number(range.from), to: Number(range.to), pageBytes: size.blockBytes / 4 },
  };
}
