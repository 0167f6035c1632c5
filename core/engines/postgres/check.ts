import { snapshotReach } from '../../canary/reach.ts';
import { HoldfastError } from '../../errors.ts';
import type { CheckContext, CheckReport, CheckResult } from '../engine.ts';
import { type CanaryFindings, checkCanary } from './check-canary.ts';
import { findCanarySchema } from './canary.ts';
import { checkForeignKeys } from './check-foreign-keys.ts';
import type { PostgresConnection } from './connection.ts';
import type { Settings } from './options.ts';
import { plural } from '../../plural.ts';
import { readIfPlanned, sayUnplanned } from './planning.ts';
import { displayName, quoteName } from './quote.ts';
import {
  type Checked,
  type CheckScope,
  holdsCanary,
  leftOut,
  sampledTables,
  scopeOf,
} from './check-scope.ts';
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
    const checks: [string, () => Promise<Checked>][] = [
      ['row counts', () => checkCounts(session, scope)],
      ['foreign keys', () => checkForeignKeys(session, context, scope.names)],
      ['sampled rows', () => checkSamples(session, scope)],
    ];
    if (canary !== undefined && holdsCanary(scope, canary)) {
      checks.push([
        'canary',
        async () => {
          canaryFindings = await checkCanary(session, context.manifest, context.canaryKey);
          return canaryFindings.check;
        },
      ]);
    }
    if (context.only === undefined) {
      for (const { name, sql } of context.assertions) checks.push([name, () => checkAssertion(session, sql)]);
    }
    const results: CheckResult[] = [];
    const notChecked = leftOut(context, scope, await findCanarySchema(session));
    for (const [name, check] of checks) {
      const { ok, detail, notChecked: unread = [] } = await inReadOnly(session, check);
      results.push({ name, ok, detail });
      notChecked.push(...unread);
    }
    return {
      checks: results,
      notChecked: [...notChecked, ...(canaryFindings?.notChecked ?? [])],
      recoveredTo: canaryFindings?.recoveredTo ?? snapshotReach(context.manifest),
    };
  } finally {
    await session.close();
  }
}

async function inReadOnly(session: Session, check: () => Promise<Checked>): Promise<Checked> {
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

async function checkCounts(session: Session, scope: CheckScope): Promise<Checked> {
  const byName = new Map(scope.tables.map((entry) => [displayName(entry.table), entry.table]));
  const wrong: string[] = [];
  const counts: Count[] = rootCounts(scope);
  for (const { name, rows } of scope.counts) {
    const table = byName.get(name);
    if (table === undefined) wrong.push(`${name} is not among the items`);
    else counts.push({ name, from: `ONLY ${quoteName(table)}`, rows });
  }
  const unplanned: { name: string; reason: string }[] = [];
  for (const { name, from, rows } of counts) {
    const read = await readIfPlanned<{ rows: string }>(session, `SELECT count(*)::text AS rows FROM ${from}`);
    if ('refused' in read) unplanned.push({ name, reason: read.refused.message });
    else if (Number(read.result.rows) !== rows)
      wrong.push(`${name} has ${plural(Number(read.result.rows), 'row')} instead of ${rows}`);
  }
  const detail =
    wrong.length === 0 ? countedWell(counts.length - unplanned.length) : wrong.slice(0, 10).join('; ');
  return { ok: wrong.length === 0, detail, notChecked: sayUnplanned('row counts', unplanned) };
}

function countedWell(tables: number): string {
  return `${plural(tables, 'table has', 'tables have')} the rows that were counted in the source`;
}

interface Count {
  readonly name: string;
  /** Behind FROM. */
  readonly from: string;
  rows: number;
}

/** Rows that went in through a partitioned table are counted there: which partition has them depends on the server. */
function rootCounts({ tables }: CheckScope): Count[] {
  const expected = new Map<string, Count>();
  for (const { item, detail } of tables) {
    if (detail.loadInto === undefined) continue;
    const name = displayName(detail.loadInto);
    const root = expected.get(name) ?? { name, from: quoteName(detail.loadInto), rows: 0 };
    root.rows += item.rows ?? 0;
    expected.set(name, root);
  }
  return [...expected.values()];
}

const sampledRows = 20;

/** Reads whole rows, values stored outside included, from every table up to a limit, biggest first. */
async function checkSamples(session: Session, scope: CheckScope): Promise<Checked> {
  const rowsOf = new Map<string, number>();
  const tables = scope.tables.filter((entry) => entry.detail.loadInto === undefined);
  for (const { table, item } of tables)
    rowsOf.set(displayName(table), (rowsOf.get(displayName(table)) ?? 0) + (item.rows ?? 0));
  const distinct = [
    ...new Map(tables.map((entry) => [displayName(entry.table), entry.table])).values(),
  ].slice(0, sampledTables);
  let read = 0;
  const empty: string[] = [];
  const unplanned: { name: string; reason: string }[] = [];
  for (const table of distinct) {
    const name = displayName(table);
    if ((rowsOf.get(name) ?? 0) === 0) continue;
    const sample = await readIfPlanned<{ rows: number }>(
      session,
      `SELECT count(sampled.text)::int AS rows FROM (SELECT pg_catalog.length(t::text) AS text FROM ONLY ${quoteName(table)} t LIMIT ${sampledRows}) sampled`,
    );
    if ('refused' in sample) {
      unplanned.push({ name, reason: sample.refused.message });
      continue;
    }
    if (sample.result.rows === 0) empty.push(name);
    read += sample.result.rows;
  }
  const notChecked = sayUnplanned('sampled rows', unplanned);
  if (empty.length > 0)
    return { ok: false, detail: `no rows in ${empty.slice(0, 10).join(', ')}`, notChecked };
  const tablesRead = distinct.length - unplanned.length;
  return {
    ok: true,
    detail: `${plural(read, 'row')} of ${plural(tablesRead, 'table')} ${read === 1 ? 'was' : 'were'} read in full`,
    notChecked,
  };
}

async function checkAssertion(session: Session, sql: string): Promise<Checked> {
  // The person wrote it for the search path that the database gives its users.
  await session.query('SET LOCAL search_path TO DEFAULT');
  const rows = await session.single(sql);
  const value = rows.length === 1 && rows[0]?.length === 1 ? rows[0][0] : undefined;
  if (value === true) return { ok: true, detail: 'holds' };
  if (value === false) return { ok: false, detail: 'does not hold' };
  return {
    ok: false,
    detail: `must give a single boolean, gave ${plural(rows.length, 'row')}${rows.length === 1 ? ` with ${plural(rows[0]?.length ?? 0, 'column')}` : ''}`,
  };
}
