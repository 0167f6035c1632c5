import { snapshotReach } from '../../canary/reach.ts';
import { HoldfastError } from '../../errors.ts';
import type { CheckContext, CheckReport, CheckResult } from '../engine.ts';
import { type CanaryFindings, checkCanary } from './check-canary.ts';
import { checkForeignKeys } from './check-foreign-keys.ts';
import type { PostgresConnection } from './connection.ts';
import type { Settings } from './options.ts';
import { displayName, quoteName } from './quote.ts';
import { type CheckScope, holdsCanary, leftOut, sampledTables, scopeOf } from './check-scope.ts';
import { Session } from './session.ts';

/** What one check may take. */
const checkSeconds = 600;

/**
 * Content checks on restored data; each gives a result, none throws for data that is wrong. A restore of some tables is
 * checked as far as these go; the report names what that leaves out.
 */
export async function checkPostgres(
  context: CheckContext<PostgresConnection>,
  settings: Settings,
): Promise<CheckReport> {
  const answerSeconds = Math.max(settings.idleSeconds, checkSeconds + 30);
  const session = await Session.connect(context.connection, { signal: context.signal, answerSeconds });
  const scope = scopeOf(context);
  const { canary } = context.manifest;
  let canaryFindings: CanaryFindings | undefined;
  try {
    const checks: [string, () => Promise<Omit<CheckResult, 'name'>>][] = [
      ['row counts', () => checkCounts(session, scope)],
      ['foreign keys', () => checkForeignKeys(session, context, scope.names)],
      ['sampled rows', () => checkSamples(session, scope)],
    ];
    if (canary !== undefined && holdsCanary(scope, canary)) {
      checks.push([
        'canary',
        async () => {
          canaryFindings = await checkCanary(session, canary, context.canaryKey);
          return canaryFindings.check;
        },
      ]);
    }
    if (context.only === undefined) {
      for (const { name, sql } of context.assertions) checks.push([name, () => checkAssertion(session, sql)]);
    }
    const results: CheckResult[] = [];
    for (const [name, check] of checks) results.push({ name, ...(await inReadOnly(session, check)) });
    return {
      checks: results,
      notChecked: [...leftOut(context, scope), ...(canaryFindings?.notChecked ?? [])],
      recoveredTo: canaryFindings?.recoveredTo ?? snapshotReach(context.manifest),
    };
  } finally {
    await session.close();
  }
}

async function inReadOnly(
  session: Session,
  check: () => Promise<Omit<CheckResult, 'name'>>,
): Promise<Omit<CheckResult, 'name'>> {
  await session.query('BEGIN READ ONLY');
  await session.query(`SET LOCAL statement_timeout TO '${checkSeconds}s'`);
  try {
    return await check();
  } catch (error) {
    // An answer of the server is a result; a server that is gone, or a job that was stopped, is none.
    if (
      error instanceof HoldfastError &&
      error.detail?.['sqlState'] !== undefined &&
      error.code !== 'SOURCE_UNREACHABLE'
    ) {
      return { ok: false, detail: error.message };
    }
    throw error;
  } finally {
    await session.query('ROLLBACK').catch(() => undefined);
  }
}

async function checkCounts(session: Session, scope: CheckScope): Promise<Omit<CheckResult, 'name'>> {
  const byName = new Map(scope.tables.map((entry) => [displayName(entry.table), entry.table]));
  const wrong: string[] = await wrongRoots(session, scope);
  for (const expected of scope.counts) {
    const table = byName.get(expected.name);
    if (table === undefined) {
      wrong.push(`${expected.name} is not among the items`);
      continue;
    }
    const { rows } = await session.one<{ rows: string }>(
      `SELECT count(*)::text AS rows FROM ONLY ${quoteName(table)}`,
    );
    if (Number(rows) !== expected.rows)
      wrong.push(`${expected.name} has ${rows} rows instead of ${expected.rows}`);
  }
  const detail =
    wrong.length === 0
      ? `${scope.counts.length} tables have the rows that were counted in the source`
      : wrong.slice(0, 10).join('; ');
  return { ok: wrong.length === 0, detail };
}

/** Rows that went in through a partitioned table are counted there: which partition has them depends on the server. */
async function wrongRoots(session: Session, { tables }: CheckScope): Promise<string[]> {
  const expected = new Map<string, { readonly sqlName: string; rows: number }>();
  for (const { item, detail } of tables) {
    if (detail.loadInto === undefined) continue;
    const root = expected.get(displayName(detail.loadInto)) ?? {
      sqlName: quoteName(detail.loadInto),
      rows: 0,
    };
    root.rows += item.rows ?? 0;
    expected.set(displayName(detail.loadInto), root);
  }
  const wrong: string[] = [];
  for (const [name, root] of expected) {
    const { rows } = await session.one<{ rows: string }>(
      `SELECT count(*)::text AS rows FROM ${root.sqlName}`,
    );
    if (Number(rows) !== root.rows) wrong.push(`${name} has ${rows} rows instead of ${root.rows}`);
  }
  return wrong;
}

const sampledRows = 20;

/** Reads whole rows, values stored outside included, from every table up to a limit, biggest first. */
async function checkSamples(session: Session, scope: CheckScope): Promise<Omit<CheckResult, 'name'>> {
  const rowsOf = new Map<string, number>();
  const tables = scope.tables.filter((entry) => entry.detail.loadInto === undefined);
  for (const { table, item } of tables)
    rowsOf.set(displayName(table), (rowsOf.get(displayName(table)) ?? 0) + (item.rows ?? 0));
  const distinct = [
    ...new Map(tables.map((entry) => [displayName(entry.table), entry.table])).values(),
  ].slice(0, sampledTables);
  let read = 0;
  const empty: string[] = [];
  for (const table of distinct) {
    const expected = rowsOf.get(displayName(table)) ?? 0;
    if (expected === 0) continue;
    const { rows } = await session.one<{ rows: number }>(
      `SELECT count(sampled.text)::int AS rows FROM (SELECT pg_catalog.length(t::text) AS text FROM ONLY ${quoteName(table)} t LIMIT ${sampledRows}) sampled`,
    );
    if (rows === 0) empty.push(displayName(table));
    read += rows;
  }
  if (empty.length > 0) return { ok: false, detail: `no rows in ${empty.slice(0, 10).join(', ')}` };
  return { ok: true, detail: `${read} rows of ${distinct.length} tables were read in full` };
}

async function checkAssertion(session: Session, sql: string): Promise<Omit<CheckResult, 'name'>> {
  // The person wrote it for the search path that the database gives its users.
  await session.query('SET LOCAL search_path TO DEFAULT');
  const rows = await session.single(sql);
  const value = rows.length === 1 && rows[0]?.length === 1 ? rows[0][0] : undefined;
  if (value === true) return { ok: true, detail: 'holds' };
  if (value === false) return { ok: false, detail: 'does not hold' };
  return {
    ok: false,
    detail: `must give a single boolean, gave ${rows.length} rows${rows.length === 1 ? ` with ${rows[0]?.length} columns` : ''}`,
  };
}
