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
