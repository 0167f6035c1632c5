import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseDocument } from 'yaml';
import { parsePostgresUrl } from '../../../cli/local/connection.ts';
import type { PostgresConnection } from '../../../core/engines/postgres/connection.ts';
import { createPostgresEngine } from '../../../core/engines/postgres/postgres-engine.ts';
import { Session } from '../../../core/engines/postgres/session.ts';
import { HoldfastError, isHoldfastError } from '../../../core/errors.ts';
import { postgresBinDirectory, type PostgresMajor } from '../../postgres/postgres-server.ts';
import type { Drill } from '../drill-context.ts';
import { sayBytes } from '../report/words.ts';

const projectRoot = path.resolve(import.meta.dirname, '../../..');
/** What every drill promises; with a database of somebody's own only names and TLS differ. */
export const examplePlan = path.join(projectRoot, 'examples/drill.yaml');

/** The drill's plan for somebody else's database, written into `folder`: its TLS mode, none of the shop's checks. */
export function planFileFor(source: PostgresConnection | undefined, folder: string): string {
  if (source === undefined) return examplePlan;
  const document = parseDocument(fs.readFileSync(examplePlan, 'utf8'));
  // A plan of another content has another name: what is built for it is kept under that.
  document.set('name', `drill-${source.tls}`);
  document.deleteIn(['sources', 'shop-db', 'checks']);
  // Nothing is installed in it.
  document.deleteIn(['sources', 'shop-db', 'canary']);
  document.setIn(['sources', 'shop-db', 'connection', 'tls'], source.tls);
  const file = path.join(folder, 'holdfast.yaml');
  fs.writeFileSync(file, document.toString());
  return file;
}

/** Looks at the database that is to be protected, before anything is built for it. Reads only. */
export async function lookAtSource(drill: Drill, url: string): Promise<void> {
  const { state, options } = drill;
  const connection = parsePostgresUrl(url, process.env);
  state.own = connection;
  await drill.step('look at your database', 'here', async (display) => {
    display.update(`connecting to ${connection.host}:${connection.port}`);
    const { signal } = options;
    // The first look tells the major, whose programs the second one needs.
    const { version } = await createPostgresEngine()
      .probe(connection, { signal })
      .catch((error: unknown) => {
        throw aboutUrl(error, connection);
      });
    await fetchPrograms(version);
    const engine = createPostgresEngine({
      binDirectory: (major) => postgresBinDirectory(major as PostgresMajor),
    });
    const report = await engine.probe(connection, { signal });
    const errors = report.findings.filter(({ severity }) => severity === 'error');
    if (!report.ok || errors.length > 0) {
      const [first] = errors;
      throw new HoldfastError(
        'SOURCE_PRIVILEGES',
        errors.map(({ message }) => message).join('; ') || 'the database cannot be backed up',
        first?.hint === undefined ? {} : { hint: first.hint },
      );
    }
    await refuseEmpty(connection, signal);
    state.sourceServer = `PostgreSQL ${report.version}`;
    state.sourceBytes = report.sizeBytes;
    const left = report.notCovered.map(({ name, reason }) => `${name}: ${reason}`);
    return [`${state.sourceServer}, ${sayBytes(report.sizeBytes)}; it will only be read`, ...left].join('; ');
  });
}

/** Nothing would be restored and every check would hold: that proves nothing, so it must not be green. */
async function refuseEmpty(connection: PostgresConnection, signal: AbortSignal): Promise<void> {
  const session = await Session.connect(connection, { signal, answerSeconds: 30 });
  try {
    const { tables, others } = await session.one<{ tables: number; others: string }>(
      `select (select count(*)::int from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)') as tables,
       (select coalesce(pg_catalog.string_agg(datname, ', ' order by datname), 'none') from pg_catalog.pg_database
         where datallowconn and not datistemplate and datname <> pg_catalog.current_database()) as others`,
    );
    if (tables > 0) return;
    throw new HoldfastError(
      'USAGE',
      `the database ${connection.dbname} has no table: a drill of it proves nothing`,
      {
        hint: `is it the right one? other databases of this server: ${others}`,
      },
    );
  } finally {
    await session.close();
  }
}

/** The engine speaks of the secret that a plan names; here it is the URL that somebody typed. */
function aboutUrl(error: unknown, { host, port }: PostgresConnection): unknown {
  if (!(error instanceof Error)) return error;
  const hint =
    'are user, password, host, port and database in --source right, and does the server let this machine in?';
  if (!isHoldfastError(error))
    return new HoldfastError('SOURCE_UNREACHABLE', `cannot talk to ${host}:${port}: ${error.message}`, {
      cause: error,
      hint,
    });
  const mistyped = error.code === 'SOURCE_CREDENTIALS' || error.code === 'SOURCE_UNREACHABLE';
  return mistyped ? new HoldfastError(error.code, error.message, { cause: error, hint }) : error;
}

/** A dump needs the client programs of the source's major, a restore test a scratch server of it. */
async function fetchPrograms(version: string): Promise<void> {
  const major = Number.parseInt(version, 10);
  if (fs.existsSync(path.join(projectRoot, '.cache/postgres', String(major), 'bin/postgres'))) return;
  await promisify(execFile)(process.execPath, [path.join(projectRoot, 'scripts/setup.mjs'), '--tests']);
}
