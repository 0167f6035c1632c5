import * as z from 'zod';
import { plural } from '../../plural.ts';
import { HoldfastError } from '../../errors.ts';
import type { Manifest } from '../../vault/manifest.ts';
import type { PostgresConnection } from './connection.ts';
import { quoteIdentifier } from './quote.ts';
import type { ServerFacts } from './server.ts';
import type { Session } from './session.ts';

/** What a fresh database does not have: anything a user made, but no members of extensions, which restores leave alone. */
const contentSql = `
  with ours as (
    select 'pg_catalog.pg_class'::regclass as classid, c.oid, case c.relkind when 'v' then 'view' when 'S' then 'sequence' when 'm' then 'materialised view'
        when 'f' then 'foreign table' when 'c' then 'type' else 'table' end as kind, n.nspname, c.relname as name
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and c.relpersistence <> 't'
    union all
    select 'pg_catalog.pg_proc'::regclass, p.oid, 'function', n.nspname, p.proname from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid, 'type', n.nspname, t.typname from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      where t.typtype in ('d', 'e', 'r')
    union all
    select 'pg_catalog.pg_namespace'::regclass, n.oid, 'schema', n.nspname, n.nspname from pg_catalog.pg_namespace n where n.nspname <> 'public'
    union all
    select 'pg_catalog.pg_event_trigger'::regclass, t.oid, 'event trigger', '', t.evtname from pg_catalog.pg_event_trigger t
    union all
    select 'pg_catalog.pg_publication'::regclass, p.oid, 'publication', '', p.pubname from pg_catalog.pg_publication p
    union all
    select 'pg_catalog.pg_largeobject_metadata'::regclass, l.oid, 'large object', '', l.oid::text from pg_catalog.pg_largeobject_metadata l
  )
  select kind, case when nspname in ('', name) then name else nspname || '.' || name end as name, count(*) over ()::text as total
  from ours where oid >= 16384 and nspname !~ '^pg_' and nspname <> 'information_schema'
    and not exists (select from pg_catalog.pg_depend d where d.classid = ours.classid and d.objid = ours.oid and d.deptype = 'e')
  order by kind = 'table' desc, kind, name limit 5`;

/** @throws TARGET_NOT_EMPTY, naming what is in the way and what to do */
export async function requireEmpty(session: Session, connection: PostgresConnection): Promise<void> {
  const found = await session.query<{ kind: string; name: string; total: string }>(contentSql);
  if (found.length === 0) return;
  const total = Number(found[0]?.total);
  const shown = found.map((row) => `${row.kind} ${row.name}`).join(', ');
  throw new HoldfastError(
    'TARGET_NOT_EMPTY',
    `the target database ${connection.dbname} holds ${plural(total, 'object')}: ${shown}${total > found.length ? ', …' : ''}`,
    {
      hint: `make a new database, for example CREATE DATABASE "${connection.dbname.replaceAll('"', '""')}_restored" TEMPLATE template0, and restore into that`,
      detail: { database: connection.dbname, objects: total },
    },
  );
}

/** @throws TARGET_TOO_OLD */
export function requireMajor(target: ServerFacts, sourceVersion: string): void {
  const sourceMajor = Number.parseInt(sourceVersion, 10);
  if (target.major >= sourceMajor) return;
  throw new HoldfastError(
    'TARGET_TOO_OLD',
    `the target runs PostgreSQL ${target.version}, the backup is from ${sourceVersion}`,
    {
      hint: `restore into PostgreSQL ${sourceMajor} or newer`,
    },
  );
}

const sourceDatabase = z.object({ database: z.object({ encoding: z.string() }) });

/**
 * Text is converted only where nothing can get lost: UTF8 has every character of the others, but none of SQL_ASCII, which
 * holds bytes of no known encoding. Anything else would stop a restore in its middle, or change bytes without a word.
 * @throws TARGET_ENCODING
 */
export function requireEncoding(
  target: Pick<ServerFacts, 'encoding'>,
  manifest: Pick<Manifest, 'billOfMaterials'>,
  connection: Pick<PostgresConnection, 'dbname'>,
): void {
  const encoding = sourceDatabase.safeParse(manifest.billOfMaterials).data?.database.encoding;
  if (encoding === undefined || target.encoding === encoding) return;
  if (target.encoding === 'UTF8' && encoding !== 'SQL_ASCII') return;
  throw new HoldfastError(
    'TARGET_ENCODING',
    `the target database ${connection.dbname} is in ${target.encoding}, the backup is from ${encoding}`,
    {
      hint: `make a new database in the same encoding, for example CREATE DATABASE ${quoteIdentifier(`${connection.dbname}_restored`)} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0, and restore into that`,
    },
  );
}
