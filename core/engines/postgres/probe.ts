import { isHoldfastError } from '../../errors.ts';
import type { ProbeFinding, ProbeReport } from '../engine.ts';
import { subscriptionsNotCovered } from './backup-facts.ts';
import type { PostgresConnection } from './connection.ts';
import { listNotCovered } from './coverage.ts';
import { isCopied, readRelations, type Relation } from './inventory.ts';
import type { Settings } from './options.ts';
import { displayName } from './quote.ts';
import { readServer, supportedMajors, type ServerFacts } from './server.ts';
import { Session } from './session.ts';
import { findTools } from './tools.ts';

/** Leader, watcher, counter, pg_dump and two copies. */
const connectionsNeeded = 6;

/** Says what a backup would meet, and changes nothing. @throws SOURCE_UNREACHABLE, SOURCE_CREDENTIALS, SOURCE_TLS */
export async function probePostgres(
  connection: PostgresConnection,
  settings: Settings,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const session = await Session.connect(connection, { signal, answerSeconds: settings.idleSeconds });
  try {
    await session.query(`SET lock_timeout TO '10s'`);
    const server = await readServer(session);
    const { standby, bytes } = await session.one<{ standby: boolean; bytes: string }>(
      `select pg_catalog.pg_is_in_recovery() as standby, pg_catalog.pg_database_size(current_database())::text as bytes`,
    );
    const relations = await readRelations(session);
    const findings = [
      ...versionFindings(server),
      ...(await toolFindings(server, settings)),
      ...(await tlsFindings(session, connection)),
      ...privilegeFindings(relations, standby),
      ...(await largeObjectFindings(session)),
      ...(await serverFindings(session, standby)),
    ];
    const notCovered = [
      ...listNotCovered(relations, standby),
      ...(await subscriptionsNotCovered(session, server.isSuperuser)),
      { name: 'passwords of roles', reason: 'hashes are never stored: roles come back without a password' },
    ];
    return {
      ok: !findings.some((finding) => finding.severity === 'error'),
      version: server.version,
      sizeBytes: Number(bytes),
      findings,
      notCovered,
    };
  } finally {
    await session.close();
  }
}

function versionFindings(server: ServerFacts): ProbeFinding[] {
  if (supportedMajors.includes(server.major)) return [];
  return [
    {
      severity: 'error',
      message: `PostgreSQL ${server.version} is not supported`,
      hint: `supported are ${supportedMajors.join(', ')}`,
    },
  ];
}

async function toolFindings(server: ServerFacts, settings: Settings): Promise<ProbeFinding[]> {
  try {
    const tools = await findTools(server.major, ['pg_dump', 'pg_restore'], settings);
    return [
      {
        severity: 'info',
        message: `pg_dump ${tools.versions['pg_dump']} will be used`,
      },
    ];
  } catch (error) {
    if (!isHoldfastError(error, 'TOOL_MISSING')) throw error;
    return [
      {
        severity: 'error',
        message: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      },
    ];
  }
}

async function tlsFindings(session: Session, connection: PostgresConnection): Promise<ProbeFinding[]> {
  const [row] = await session.query<{ version: string }>(
    'select version from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid() and ssl',
  );
  if (row === undefined) {
    return [
      {
        severity: 'warning',
        message: 'the connection is not encrypted',
        hint: 'set tls: verify-full in the plan, with the authorities of your server',
      },
    ];
  }
  if (connection.tls === 'require') {
    return [
      {
        severity: 'warning',
        message: `${row.version} is used, but the server's certificate is not checked`,
        hint: 'set tls: verify-full in the plan',
      },
    ];
  }
  return [{ severity: 'info', message: `${row.version} is used, certificate checked (${connection.tls})` }];
}

function privilegeFindings(relations: readonly Relation[], standby: boolean): ProbeFinding[] {
  const findings: ProbeFinding[] = [];
  const tables = relations.filter((relation) => isCopied(relation, standby));
  const unreadable = tables.filter((table) => !table.readable);
  if (unreadable.length > 0) {
    findings.push({
      severity: 'error',
      message: `the backup user may not read ${listed(unreadable)}`,
      hint: 'GRANT pg_read_all_data TO the backup user',
    });
  }
  const sequences = relations.filter(
    (relation) => relation.kind === 'S' && relation.extension === undefined && !relation.readable,
  );
  if (sequences.length > 0) {
    findings.push({
      severity: 'error',
      message: `the backup user may not read the sequences ${listed(sequences)}`,
      hint: 'GRANT pg_read_all_data TO the backup user',
    });
  }
  const hidden = tables.filter((table) => table.hiddenByRowSecurity);
  if (hidden.length > 0) {
    findings.push({
      severity: 'error',
      message: `row security hides rows of ${listed(hidden)}`,
      hint: 'ALTER ROLE the backup user BYPASSRLS (on RDS the master user may do this)',
    });
  }
  if (findings.length === 0)
    findings.push({ severity: 'info', message: `all ${tables.length} tables can be read` });
  return findings;
}

async function largeObjectFindings(session: Session): Promise<ProbeFinding[]> {
  const { some, readable } = await session.one<{ some: boolean; readable: boolean }>(
    `select exists (select from pg_catalog.pg_largeobject_metadata) as some, pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') as readable`,
  );
  if (!some || readable) return [];
  return [
    {
      severity: 'error',
      message: 'the backup user may not read large objects',
      hint: 'GRANT pg_read_all_data TO the backup user',
    },
  ];
}

async function serverFindings(session: Session, standby: boolean): Promise<ProbeFinding[]> {
  const findings: ProbeFinding[] = [];
  const { free, feedback } = await session.one<{ free: number; feedback: string }>(
    `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - (select count(*)::int from pg_catalog.pg_stat_activity where backend_type = 'client backend' or backend_type is null) as free,
       current_setting('hot_standby_feedback') as feedback`,
  );
  if (free < connectionsNeeded) {
    findings.push({
      severity: 'warning',
      message: `only ${free} connections are free, a backup with two streams needs ${connectionsNeeded}`,
      hint: 'raise max_connections or set connections: 1',
    });
  }
  if (standby) {
    findings.push({
      severity: feedback === 'on' ? 'info' : 'warning',
      message: `the server is a standby${feedback === 'on' ? '' : ' and may cancel long reads'}`,
      ...(feedback === 'on'
        ? {}
        : { hint: 'set hot_standby_feedback = on, or raise max_standby_streaming_delay' }),
    });
  }
  return findings;
}

function listed(relations: readonly Relation[]): string {
  const shown = relations.slice(0, 5).map(displayName).join(', ');
  return relations.length > 5 ? `${shown} and ${relations.length - 5} more` : shown;
}
