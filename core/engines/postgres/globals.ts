import * as z from 'zod';
import type { Session } from './session.ts';

const settingSchema = z.strictObject({
  role: z.string().nullable(),
  inDatabase: z.boolean(),
  name: z.string(),
  value: z.string(),
});

const grantSchema = z.strictObject({
  grantee: z.string().nullable(),
  privilege: z.string(),
  grantable: z.boolean(),
});

/** What stands beside the database in its server, as far as the database needs it. Never a password or its hash. */
export const globalsSchema = z.strictObject({
  roles: z.array(
    z.strictObject({
      name: z.string(),
      superuser: z.boolean(),
      inherit: z.boolean(),
      createRole: z.boolean(),
      createDb: z.boolean(),
      login: z.boolean(),
      replication: z.boolean(),
      bypassRls: z.boolean(),
      connectionLimit: z.number(),
      validUntil: z.string().nullable(),
      comment: z.string().nullable(),
    }),
  ),
  memberships: z.array(
    z.strictObject({
      role: z.string(),
      member: z.string(),
      admin: z.boolean(),
      inherit: z.boolean().nullable(),
      set: z.boolean().nullable(),
    }),
  ),
  settings: z.array(settingSchema),
  database: z.strictObject({
    name: z.string(),
    owner: z.string(),
    encoding: z.string(),
    collate: z.string(),
    ctype: z.string(),
    comment: z.string().nullable(),
    connectionLimit: z.number(),
    grants: z.array(grantSchema).nullable(),
  }),
  tablespaces: z.array(z.string()),
});
export type Globals = z.infer<typeof globalsSchema>;

/** Reads roles, memberships, settings and the database's own properties; works without superuser. */
export async function readGlobals(session: Session, major: number): Promise<Globals> {
  const roles = await session.query<Globals['roles'][number]>(`
    select rolname as name, rolsuper as superuser, rolinherit as inherit, rolcreaterole as "createRole", rolcreatedb as "createDb",
      rolcanlogin as login, rolreplication as replication, rolbypassrls as "bypassRls", rolconnlimit as "connectionLimit",
      rolvaliduntil::text as "validUntil", pg_catalog.shobj_description(oid, 'pg_authid') as comment
    from pg_catalog.pg_roles where rolname !~ '^pg_' order by rolname`);
  const options =
    major >= 16
      ? 'm.inherit_option as inherit, m.set_option as set'
      : 'null::boolean as inherit, null::boolean as set';
  const memberships = await session.query<Globals['memberships'][number]>(`
    select distinct r.rolname as role, u.rolname as member, m.admin_option as admin, ${options}
    from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid join pg_catalog.pg_roles u on u.oid = m.member
    where u.rolname !~ '^pg_' order by 1, 2`);
  const settings = await session.query<Globals['settings'][number]>(`
    select r.rolname as role, s.setdatabase <> 0 as "inDatabase", split_part(entry, '=', 1) as name,
      substr(entry, strpos(entry, '=') + 1) as value
    from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole
      cross join unnest(s.setconfig) with ordinality as u(entry, n)
    where s.setdatabase = 0 or s.setdatabase = (select oid from pg_catalog.pg_database where datname = current_database())
    order by s.setdatabase, 1 nulls first, u.n`);
  const database = await session.one<Globals['database']>(`
    select d.datname as name, pg_catalog.pg_get_userbyid(d.datdba) as owner, pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
      d.datcollate as collate, d.datctype as ctype, pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
      d.datconnlimit as "connectionLimit",
      case when d.datacl is not null then coalesce((select json_agg(json_build_object(
        'grantee', case when a.grantee = 0 then null else pg_catalog.pg_get_userbyid(a.grantee) end,
        'privilege', a.privilege_type, 'grantable', a.is_grantable)) from pg_catalog.aclexplode(d.datacl) a), '[]') end as grants
    from pg_catalog.pg_database d where d.datname = current_database()`);
  // Only those that this database uses: a target that lacks another loses nothing by it.
  const tablespaces = await session.query<{ name: string }>(
    `select spcname as name from pg_catalog.pg_tablespace t where spcname !~ '^pg_'
       and exists (select from pg_catalog.pg_class c where c.reltablespace = t.oid) order by 1`,
  );
  return { roles, memberships, settings, database, tablespaces: tablespaces.map((row) => row.name) };
}
