import { type LaneJob, runInLanes } from '../lanes.ts';
import { HoldfastError } from '../../errors.ts';
import { type QualifiedName, quoteName } from './quote.ts';
import type { Session } from './session.ts';

/** Tables and materialised views with rows, the biggest first. Parents of partitions last: they read their children again. */
const analyzableSql = `
  select n.nspname as schema, c.relname as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and c.relpersistence <> 't' and (c.relkind <> 'm' or c.relispopulated)
  order by c.relkind = 'p', pg_catalog.pg_relation_size(c.oid) desc`;

/**
 * Gathers the planner's statistics of the given tables, of all when missing. Without them the first queries on restored
 * data run with plans made for empty tables, which an application takes for an outage.
 * Returns what could not be analysed as warnings: the data is there all the same.
 */
export async function analyzeTables(
  sessions: readonly [Session, ...Session[]],
  options: { readonly only?: readonly QualifiedName[]; readonly signal: AbortSignal },
): Promise<string[]> {
  const wanted = options.only === undefined ? undefined : new Set(options.only.map(quoteName));
  const tables = (await sessions[0].query<QualifiedName>(analyzableSql)).filter(
    (table) => wanted?.has(quoteName(table)) ?? true,
  );
  const free = [...sessions];
  const warnings: string[] = [];
  const analyze = async (table: QualifiedName) => {
    const session = free.pop() ?? sessions[0];
    try {
      await session.run(`ANALYZE ${quoteName(table)}`);
    } catch (error) {
      if (options.signal.aborted) throw error;
      warnings.push(`${quoteName(table)} has no statistics yet: ${(error as Error).message}`);
    } finally {
      free.push(session);
    }
    return [];
  };
  const jobs = tables.map((table): LaneJob => ({ run: () => analyze(table) }));
  await runInLanes(jobs, {
    lanes: sessions.length,
    signal: options.signal,
    abortedError: () => new HoldfastError('JOB_ABORTED', 'the restore was told to stop'),
  });
  return warnings;
}
