import { HoldfastError, isHoldfastError } from '../../errors.ts';
import { type QualifiedName, quoteName } from './quote.ts';
import type { ServerFacts } from './server.ts';
import type { Session } from './session.ts';

const lockBatch = 200;

/** ACCESS SHARE conflicts with nothing but a DROP, TRUNCATE or rewriting ALTER. */
export function lockStatements(tables: readonly QualifiedName[], nowait: boolean): string[] {
  const statements: string[] = [];
  for (let start = 0; start < tables.length; start += lockBatch) {
    const list = tables.slice(start, start + lockBatch).map((table) => `ONLY ${quoteName(table)}`);
    statements.push(`LOCK TABLE ${list.join(', ')} IN ACCESS SHARE MODE${nowait ? ' NOWAIT' : ''}`);
  }
  return statements;
}

/**
 * Reads inside the session's transaction and keeps no lock of it: queries lock what they read, catalogues and their indexes
 * included, to the end of the transaction, and on top of the locks of all tables that may be more than the server has room for.
 */
export async function withoutKeepingLocks<Result>(
  session: Session,
  read: () => Promise<Result>,
): Promise<Result> {
  await session.query('SAVEPOINT reading');
  const result = await read();
  await session.query('ROLLBACK TO SAVEPOINT reading; RELEASE SAVEPOINT reading');
  return result;
}

/**
 * What the server's refusal of one more lock means for a backup that needs `locks` at a time. The setting is no hard limit: the table of
 * locks grows into whatever shared memory is left (`ShmemInitHash` in lock.c), which nobody can ask for, so a backup tries,
 * as pg_dump does, and takes no more than pg_dump.
 */
export function explainLocks(error: unknown, locks: number, server: ServerFacts): unknown {
  if (!isHoldfastError(error, 'SOURCE_LOCKS') || error.detail?.['locks'] !== undefined) return error;
  const { perTransaction, sessions } = server.locks;
  const wanted = Math.max(perTransaction * 2, Math.ceil((locks * 1.25) / sessions));
  return new HoldfastError(
    'SOURCE_LOCKS',
    `a backup needs locks on ${locks} tables and sequences at a time, and the server has no room for them: it is set up for ${perTransaction * sessions} (max_locks_per_transaction ${perTransaction} × ${sessions} connections and prepared transactions), which other sessions use too`,
    {
      hint: `set max_locks_per_transaction = ${wanted} or more and start the server again; pg_dump needs the same (${error.message})`,
      cause: error,
      detail: { locks, maxLocksPerTransaction: perTransaction, wanted },
    },
  );
}
