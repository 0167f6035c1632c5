import { isHoldfastError, type HoldfastError } from '../../errors.ts';
import type { Part } from './parts.ts';
import { quoteName } from './quote.ts';
import type { Session } from './session.ts';

/** A function of the user's that takes longer than this for a constant would hold up every part of its table. */
const planSeconds = 5;

/** What became of a statement that may be refused. */
export type Attempt<Result> = { readonly result: Result } | { readonly refused: HoldfastError };

/**
 * Does something inside the session's transaction that the server may refuse, or that may take too long: the transaction
 * lives on either way, and keeps no lock of it. @throws what the server did not say, such as a lost connection
 */
export async function attempt<Result>(
  session: Session,
  limitMs: number,
  work: () => Promise<Result>,
): Promise<Attempt<Result>> {
  await session.query('SAVEPOINT attempt');
  // Behind a waiting schema change a lock would be had only after the backup's own end.
  await session.query(`SET LOCAL statement_timeout TO ${limitMs}; SET LOCAL lock_timeout TO 100`);
  let attempted: Attempt<Result>;
  try {
    attempted = { result: await work() };
  } catch (error) {
    if (!isHoldfastError(error) || error.detail?.['sqlState'] === undefined) throw error;
    attempted = { refused: error };
  }
  // Where the server ended the connection with its last word, this fails.
  await session.query('ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt');
  return attempted;
}

/** Classes of SQLSTATE that blame no function: resources, a cancelled wait, the disk, and damage, such as an index whose first page planning cannot read. */
const notOfAPlan = new Set(['53', '55', '57', '58', 'XX']);

/**
 * The only row of a query of the product's own inside the session's transaction, or what the server refused to plan it for
 * (see {@link tablesWithoutPlan}). A query is refused before its plan for a table, a column or an operator that is missing,
 * and after it for rights and rows; all that is thrown. PREPARE parses and does not plan; only EXPLAIN of it does.
 */
export async function readIfPlanned<Row extends object>(
  session: Session,
  sql: string,
): Promise<Attempt<Row>> {
  await session.query('SAVEPOINT reading');
  try {
    const result = await session.one<Row>(sql);
    await session.query('RELEASE SAVEPOINT reading');
    return { result };
  } catch (error) {
    if (!isHoldfastError(error) || !blamesAFunction(error)) throw error;
    await session.query('ROLLBACK TO SAVEPOINT reading; RELEASE SAVEPOINT reading');
    await session.query(`PREPARE reading AS ${sql}`);
    const planned = await attempt(session, planSeconds * 1000, () =>
      session.query('EXPLAIN EXECUTE reading'),
    );
    await session.query('DEALLOCATE reading');
    if ('refused' in planned && blamesAFunction(planned.refused)) return planned;
    throw error;
  }
}

function blamesAFunction({ code, detail }: HoldfastError): boolean {
  const sqlState = detail?.['sqlState'];
  return (
    typeof sqlState === 'string' && !notOfAPlan.has(sqlState.slice(0, 2)) && code !== 'SOURCE_PRIVILEGES'
  );
}

/** For what was not checked: the names, and why of the first. */
export function sayUnplanned(
  what: string,
  refused: readonly { readonly name: string; readonly reason: string }[],
): string[] {
  const [first] = refused;
  if (first === undefined) return [];
  const names = refused.slice(0, 10).map(({ name }) => name);
  const more = refused.length > names.length ? ` and ${refused.length - names.length} more` : '';
  return [`${what} of ${names.join(', ')}${more}: the server cannot plan a query of it: ${first.reason}`];
}

/**
 * Numbers of the tables of cut parts that no query can read. A query has a plan, and planning
 * evaluates what is constant in the index expressions, index predicates and extended statistics of its tables, under the
 * empty search_path: a function of the user's that names another one without its schema fails there, even if no index is
 * used (`get_relation_info` in plancat.c; `RelationGetIndexExpressions` calls `eval_const_expressions`). COPY of a whole
 * table, which is what pg_dump does, has no plan.
 */
export async function tablesWithoutPlan(
  session: Session,
  parts: readonly Part[],
): Promise<ReadonlySet<number>> {
  const without = new Set<number>();
  const cut = new Map(
    parts.flatMap(({ relation, detail }) =>
      relation !== undefined && detail['parts'] !== undefined ? [[relation.oid, relation] as const] : [],
    ),
  );
  for (const relation of cut.values()) {
    const planned = await attempt(session, planSeconds * 1000, () =>
      session.query(`EXPLAIN SELECT ctid FROM ONLY ${quoteName(relation)} WHERE ctid >= '(0,0)'`),
    );
    if ('refused' in planned) without.add(relation.oid);
  }
  return without;
}
