import * as z from 'zod';
import { HoldfastError } from '../../errors.ts';
import type { Manifest } from '../../vault/manifest.ts';
import type { CheckContext, CheckResult } from '../engine.ts';
import { canarySql } from './backup-facts.ts';
import { checkForeignKeys } from './check-foreign-keys.ts';
import type { PostgresConnection } from './connection.ts';
import type { Settings } from './options.ts';
import { displayName, quoteName } from './quote.ts';
import { readItems } from './restore-items.ts';
import { Session } from './session.ts';

/** What one check may take. */
const checkSeconds = 600;

/** Content checks on restored data; each gives a result, none throws for data that is wrong. */
export async function checkPostgres(
  context: CheckContext<PostgresConnection>,
  settings: Settings,
): Promise<CheckResult[]> {
  const answerSeconds = Math.max(settings.idleSeconds, checkSeconds + 30);
  const session = await Session.connect(context.connection, { signal: context.signal, answerSeconds });
  try {
    const checks: [string, () => Promise<Omit<CheckResult, 'name'>>][] = [
      ['row counts', () => checkCounts(session, context)],
      ['foreign keys', () => checkForeignKeys(session, context.manifest)],
      ['sampled rows', () => checkSamples(session, context)],
    ];
    if (context.manifest.canary !== undefined) checks.push(['canary', () => checkCanary(session, context)]);
    for (const { name, sql } of context.assertions) checks.push([name, () => checkAssertion(session, sql)]);
    const results: CheckResult[] = [];
    for (const [name, check] of checks) results.push({ name, ...(await inReadOnly(session, check)) });
    return results;
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

async function checkCounts(
  session: Session,
  { manifest }: CheckContext<PostgresConnection>,
): Promise<Omit<CheckResult, 'name'>> {
  const byName = new Map(readItems(manifest).tables.map((entry) => [displayName(entry.table), entry.table]));
  const wrong: string[] = await wrongRoots(session, manifest);
  for (const expected of manifest.independentCounts) {
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
      ? `${manifest.independentCounts.length} tables have the rows that were counted in the source`
      : wrong.slice(0, 10).join('; ');
  return { ok: wrong.length === 0, detail };
}

/** Rows that went in through a partitioned table are counted there: which partition has them depends on the server. */
async function wrongRoots(session: Session, manifest: Manifest): Promise<string[]> {
  const expected = new Map<string, { readonly sqlName: string; rows: number }>();
  for (const { item, detail } of readItems(manifest).tables) {
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

const sampledTables = 300;
const sampledRows = 20;

/** Reads whole rows, values stored outside included, from every table up to a limit, biggest first. */
async function checkSamples(
  session: Session,
  { manifest }: CheckContext<PostgresConnection>,
): Promise<Omit<CheckResult, 'name'>> {
  const rowsOf = new Map<string, number>();
  const tables = readItems(manifest).tables.filter((entry) => entry.detail.loadInto === undefined);
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

const canarySchema = z.looseObject({ seq: z.number(), writtenAt: z.string() });

async function checkCanary(
  session: Session,
  { manifest }: CheckContext<PostgresConnection>,
): Promise<Omit<CheckResult, 'name'>> {
  const expected = canarySchema.parse(manifest.canary);
  const [canary] = await session.query<{ newest: string; at: string }>(canarySql);
  const ok =
    canary !== undefined && Number(canary.newest) === expected.seq && canary.at === expected.writtenAt;
  const found = canary === undefined ? 'none' : `number ${canary.newest} of ${canary.at}`;
  return {
    ok,
    detail: ok
      ? `the newest canary is ${found}, as in the source`
      : `the newest canary is ${found} instead of number ${expected.seq} of ${expected.writtenAt}`,
  };
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
