import { HoldfastError } from '../../errors.ts';
import { lockableTablesSql, readRelations, type Relation } from './inventory.ts';
import type { Settings } from './options.ts';
import { explainLocks, lockStatements, withoutKeepingLocks } from './locks.ts';
import { displayName, type QualifiedName } from './quote.ts';
import type { ServerFacts } from './server.ts';
import type { Session } from './session.ts';

/** A consistent state of the whole database, held open by the leader's transaction and its locks. */
export interface Snapshot {
  /** For SET TRANSACTION SNAPSHOT. */
  readonly id: string;
  readonly lsn: string;
  readonly takenAt: string;
  readonly onStandby: boolean;
  readonly relations: readonly Relation[];
  /** How many locks stand at a time: of the tables, and below version 18 of the sequences too, which pg_dump reads. */
  readonly locked: number;
}

interface LockedTable extends QualifiedName {
  readonly oid: number;
}

/**
 * Begins the leader's transaction. The locks come first and the snapshot second: a TRUNCATE or a rewriting ALTER that
 * commits between a snapshot and its lock would make the snapshot see no rows, without any error.
 * @throws SOURCE_CHANGED when the caller should try again; SOURCE_PRIVILEGES, SOURCE_LOCKS
 */
export async function takeSnapshot(
  leader: Session,
  server: ServerFacts,
  settings: Settings,
): Promise<Snapshot> {
  const tables = await listLockable(leader);
  try {
    return await lockAndTake(leader, tables, { server, settings });
  } catch (error) {
    throw explainLocks(error, tables.length, server);
  }
}

async function lockAndTake(
  leader: Session,
  tables: readonly LockedTable[],
  { server, settings }: { readonly server: ServerFacts; readonly settings: Settings },
): Promise<Snapshot> {
  await settings.onStep('listed');
  await leader.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  await leader.query(`SET LOCAL lock_timeout TO '${settings.lockWaitSeconds}s'`);
  await lockTables(leader, tables);
  await settings.onStep('locked');
  // The first query of the transaction: this is the moment that the backup shows.
  const taken = await leader.one<{ id: string; at: string; lsn: string; standby: boolean }>(`
    select pg_catalog.pg_export_snapshot() as id, pg_catalog.pg_is_in_recovery() as standby,
      to_char(pg_catalog.clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at,
      (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_lsn() end)::text as lsn`);
  await settings.onStep('snapshot');
  const seen = await withoutKeepingLocks(leader, () => listLockable(leader));
  await lockTables(leader, newTables(tables, seen));
  const relations = await withoutKeepingLocks(leader, () => readRelations(leader));
  const changed = relations.filter((relation) => !relation.unchanged && !relation.inSystemSchema);
  if (changed.length > 0)
    throw sourceChanged(`was rewritten or truncated as the snapshot was taken: ${names(changed)}`);
  return {
    id: taken.id,
    lsn: taken.lsn,
    takenAt: taken.at,
    onStandby: taken.standby,
    relations,
    locked: seen.length + (server.major < 18 ? relations.filter(({ kind }) => kind === 'S').length : 0),
  };
}

async function listLockable(leader: Session): Promise<LockedTable[]> {
  const rows = await leader.query<{ oid: string; schema: string; name: string; readable: boolean | null }>(
    lockableTablesSql,
  );
  const unreadable = rows.filter((row) => row.readable === false);
  if (unreadable.length > 0) {
    throw new HoldfastError(
      'SOURCE_PRIVILEGES',
      `the backup user may not read ${unreadable.length} of ${rows.length} tables: ${names(unreadable)}`,
      {
        hint: 'GRANT pg_read_all_data TO the backup user, or GRANT USAGE on the schemas and SELECT on all tables and sequences',
        detail: { tables: unreadable.slice(0, 100).map(displayName) },
      },
    );
  }
  return rows.map((row) => ({ oid: Number(row.oid), schema: row.schema, name: row.name }));
}

async function lockTables(leader: Session, tables: readonly LockedTable[]): Promise<void> {
  for (const statement of lockStatements(tables, false)) await leader.query(statement);
}

/** What the snapshot has and the first list had not. A table that is gone or has another name now means another try. */
function newTables(before: readonly LockedTable[], seen: readonly LockedTable[]): LockedTable[] {
  const known = new Map(before.map((table) => [table.oid, displayName(table)]));
  const added: LockedTable[] = [];
  for (const table of seen) {
    const name = known.get(table.oid);
    if (name === undefined) added.push(table);
    else if (name !== displayName(table))
      throw sourceChanged(`was renamed as the snapshot was taken: ${name}`);
    known.delete(table.oid);
  }
  if (known.size > 0)
    throw sourceChanged(
      `was dropped as the snapshot was taken: ${[...known.values()].slice(0, 5).join(', ')}`,
    );
  return added;
}

function sourceChanged(what: string): HoldfastError {
  return new HoldfastError('SOURCE_CHANGED', `a table ${what}`);
}

function names(tables: readonly QualifiedName[]): string {
  const shown = tables.slice(0, 5).map(displayName).join(', ');
  return tables.length > 5 ? `${shown} and ${tables.length - 5} more` : shown;
}
