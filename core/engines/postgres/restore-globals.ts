import { isHoldfastError } from '../../errors.ts';
import type { Globals } from './globals.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import type { Session } from './session.ts';

/** Managed services make roles of their own, which nobody else may make and which make no sense elsewhere; each has a role that tells it. */
const services = [
  { name: 'Amazon RDS', prefix: 'rds', marks: ['rds_superuser'] },
  { name: 'Cloud SQL', prefix: 'cloudsql', marks: ['cloudsqlsuperuser'] },
  { name: 'AlloyDB', prefix: 'alloydb', marks: ['alloydbsuperuser'] },
  { name: 'Azure Database for PostgreSQL', prefix: 'azure', marks: ['azure_pg_admin', 'azure_superuser'] },
];

/**
 * Creates roles that are missing and gives new ones their memberships and settings. A role that exists is not touched,
 * and no role gets a password: backups hold none. Returns what a person has to do.
 */
export async function createMissingRoles(session: Session, globals: Globals): Promise<string[]> {
  const warnings: string[] = [];
  const existing = new Set(
    (await session.query<{ name: string }>('select rolname as name from pg_catalog.pg_roles')).map(
      (row) => row.name,
    ),
  );
  const { superuser, major } = await session.one<{ superuser: boolean; major: number }>(
    `select current_setting('is_superuser') = 'on' as superuser, current_setting('server_version_num')::int / 10000 as major`,
  );
  const created = new Set<string>();
  for (const role of globals.roles) {
    if (existing.has(role.name)) continue;
    const service = serviceOf(role.name, [...existing, ...globals.roles.map(({ name }) => name)]);
    if (service !== undefined) {
      warnings.push(
        `role ${role.name} was left out: ${service} makes the roles whose names begin like this; what it owned belongs to the restoring user`,
      );
      continue;
    }
    const error = await attempt(session, createRoleSql(role, superuser));
    if (error !== undefined) {
      warnings.push(`role ${role.name} could not be created: ${error}`);
      continue;
    }
    created.add(role.name);
    if (role.login)
      warnings.push(`role ${role.name} was created without a password: set one before it can log in`);
    if (!superuser) {
      if (role.superuser || role.replication || role.bypassRls)
        warnings.push(
          `role ${role.name} lacks SUPERUSER, REPLICATION or BYPASSRLS, which only a superuser can give`,
        );
      await attempt(session, `GRANT ${quoteIdentifier(role.name)} TO CURRENT_USER`);
    }
    if (role.comment === null) continue;
    const comment = `COMMENT ON ROLE ${quoteIdentifier(role.name)} IS ${quoteLiteral(role.comment)}`;
    const commentError = await attempt(session, comment);
    if (commentError !== undefined) warnings.push(`comment of role ${role.name}: ${commentError}`);
  }
  for (const membership of globals.memberships) {
    if (!created.has(membership.member) && !created.has(membership.role)) continue;
    const error = await attempt(session, grantRoleSql(membership, major));
    if (error !== undefined)
      warnings.push(`${membership.member} could not be made a member of ${membership.role}: ${error}`);
  }
  for (const setting of globals.settings) {
    if (setting.role === null || setting.inDatabase || !created.has(setting.role)) continue;
    const error = await attempt(
      session,
      `ALTER ROLE ${quoteIdentifier(setting.role)} SET ${settingSql(setting)}`,
    );
    if (error !== undefined) warnings.push(`setting ${setting.name} of role ${setting.role}: ${error}`);
  }
  return warnings;
}

/** The service whose own role this is, if source or target are run by it; on one's own server the name means nothing. */
function serviceOf(role: string, roles: readonly string[]): string | undefined {
  return services.find(
    ({ prefix, marks }) => role.startsWith(prefix) && marks.some((mark) => roles.includes(mark)),
  )?.name;
}

/** Settings, comment and grants of the database; last, because a setting may well be default_transaction_read_only. */
export async function restoreDatabaseProperties(session: Session, globals: Globals): Promise<string[]> {
  const warnings: string[] = [];
  const { name } = await session.one<{ name: string }>('select current_database() as name');
  const database = quoteIdentifier(name);
  const statements: string[] = [];
  if (globals.database.comment !== null)
    statements.push(`COMMENT ON DATABASE ${database} IS ${quoteLiteral(globals.database.comment)}`);
  if (globals.database.connectionLimit >= 0)
    statements.push(`ALTER DATABASE ${database} CONNECTION LIMIT ${globals.database.connectionLimit}`);
  if (globals.database.grants !== null) {
    statements.push(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    for (const grant of globals.database.grants) {
      statements.push(
        `GRANT ${grant.privilege} ON DATABASE ${database} TO ${grant.grantee === null ? 'PUBLIC' : quoteIdentifier(grant.grantee)}${grant.grantable ? ' WITH GRANT OPTION' : ''}`,
      );
    }
  }
  for (const setting of globals.settings.filter((entry) => entry.inDatabase)) {
    const whom =
      setting.role === null
        ? `DATABASE ${database}`
        : `ROLE ${quoteIdentifier(setting.role)} IN DATABASE ${database}`;
    statements.push(`ALTER ${whom} SET ${settingSql(setting)}`);
  }
  for (const statement of statements) {
    const error = await attempt(session, statement);
    if (error !== undefined) warnings.push(`${statement}: ${error}`);
  }
  return [...warnings, ...(await disabledSubscriptions(session))];
}

/** A restored subscription does not connect: it would take changes away from the database that it was backed up from. */
async function disabledSubscriptions(session: Session): Promise<string[]> {
  const rows = await session.query<{ name: string }>(
    `select subname as name from pg_catalog.pg_subscription
     where subdbid = (select oid from pg_catalog.pg_database where datname = current_database()) and not subenabled order by 1`,
  );
  return rows.map(
    ({ name }) =>
      `subscription ${name} is disabled: see that nothing else uses its slot, then ALTER SUBSCRIPTION ${quoteIdentifier(name)} ENABLE and REFRESH PUBLICATION`,
  );
}

/** Tablespaces of the source's server that the target's server has not. */
export async function missingTablespaces(session: Session, globals: Globals): Promise<string[]> {
  const existing = await session.query<{ name: string }>(
    'select spcname as name from pg_catalog.pg_tablespace',
  );
  const names = new Set(existing.map((row) => row.name));
  return globals.tablespaces.filter((name) => !names.has(name));
}

async function attempt(session: Session, sql: string): Promise<string | undefined> {
  try {
    await session.query(sql);
    return undefined;
  } catch (error) {
    // Answers of the server are for the operator's list; a server that is gone ends the restore.
    if (
      isHoldfastError(error) &&
      error.detail?.['sqlState'] !== undefined &&
      error.code !== 'SOURCE_UNREACHABLE'
    )
      return error.message;
    throw error;
  }
}

function createRoleSql(role: Globals['roles'][number], asSuperuser: boolean): string {
  const flags: [boolean, string][] = [
    [role.inherit, 'INHERIT'],
    [role.createRole, 'CREATEROLE'],
    [role.createDb, 'CREATEDB'],
    [role.login, 'LOGIN'],
  ];
  if (asSuperuser)
    flags.push(
      [role.superuser, 'SUPERUSER'],
      [role.replication, 'REPLICATION'],
      [role.bypassRls, 'BYPASSRLS'],
    );
  const options = flags.map(([on, word]) => (on ? word : `NO${word}`));
  options.push(`CONNECTION LIMIT ${role.connectionLimit}`);
  if (role.validUntil !== null) options.push(`VALID UNTIL ${quoteLiteral(role.validUntil)}`);
  return `CREATE ROLE ${quoteIdentifier(role.name)} WITH ${options.join(' ')}`;
}

function grantRoleSql(membership: Globals['memberships'][number], major: number): string {
  const grant = `GRANT ${quoteIdentifier(membership.role)} TO ${quoteIdentifier(membership.member)}`;
  if (major < 16) return membership.admin ? `${grant} WITH ADMIN OPTION` : grant;
  const options = [`ADMIN ${membership.admin}`];
  if (membership.inherit !== null) options.push(`INHERIT ${membership.inherit}`);
  if (membership.set !== null) options.push(`SET ${membership.set}`);
  return `${grant} WITH ${options.join(', ')}`;
}

/** These settings are stored as a list of quoted identifiers; all others are one literal. */
const listSettings = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

function settingSql(setting: { readonly name: string; readonly value: string }): string {
  const name = setting.name.split('.').map(quoteIdentifier).join('.');
  if (!listSettings.has(setting.name.toLowerCase())) return `${name} TO ${quoteLiteral(setting.value)}`;
  const entries = setting.value.match(/"(?:[^"]|"")*"|[^",\s]+/g) ?? [];
  const values = entries.map((entry) =>
    quoteLiteral(entry.startsWith('"') ? entry.slice(1, -1).replaceAll('""', '"') : entry),
  );
  return `${name} TO ${values.length === 0 ? "''" : values.join(', ')}`;
}
