import { HoldfastError } from '../../errors.ts';
import type { PostgresConnection } from './connection.ts';
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
    `the target database ${connection.dbname} holds ${total} objects: ${shown}${total > found.length ? ', …' : ''}`,
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
