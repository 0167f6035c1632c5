import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../errors.ts';
import type { BackupContext } from '../engine.ts';
import type { PostgresConnection } from './connection.ts';
import type { Settings } from './options.ts';
import type { Session } from './session.ts';

export interface WatchOptions {
  readonly applicationName: string;
  readonly settings: Settings;
  readonly context: BackupContext<PostgresConnection>;
  readonly signal: AbortSignal;
  /** Totals of the copies that run right now. */
  readonly onCopyProgress: (rows: number, bytes: number) => void;
}

const pollMs = 1000;

/** Who waits for a lock that one of our sessions holds. Autovacuum is not meant: it gives up by itself. */
const waitersSql = `
  select distinct w.pid, w.relation::pg_catalog.regclass::text as relation
  from pg_catalog.pg_locks w join pg_catalog.pg_stat_activity a on a.pid = w.pid
  where not w.granted and w.locktype = 'relation' and a.usesysid is not null and a.application_name <> $1
    and exists (select from unnest(pg_catalog.pg_blocking_pids(w.pid)) blocker
      join pg_catalog.pg_stat_activity ours on ours.pid = blocker and ours.application_name = $1)`;

const progressSql = `
  select coalesce(sum(p.tuples_processed), 0)::text as rows, coalesce(sum(p.bytes_processed), 0)::text as bytes
  from pg_catalog.pg_stat_progress_copy p join pg_catalog.pg_stat_activity a on a.pid = p.pid where a.application_name = $1`;

/**
 * Looks at the server once a second until the signal fires: the copies' progress, and schema changes that wait behind
 * our locks, because everything else queues up behind those.
 * @throws DDL_YIELDED when one waited too long and the plan says to give way; SOURCE_UNREACHABLE when the server stops answering
 */
export async function watchBackup(session: Session, options: WatchOptions): Promise<void> {
  const waitingSince = new Map<number, number>();
  const patienceMs = options.settings.ddlPatienceSeconds * 1000;
  for (;;) {
    await sleep(Math.min(pollMs, patienceMs / 3), undefined, { signal: options.signal }).catch(
      () => undefined,
    );
    if (options.signal.aborted) return;
    const progress = await session.one<{ rows: string; bytes: string }>(progressSql, [
      options.applicationName,
    ]);
    options.onCopyProgress(Number(progress.rows), Number(progress.bytes));
    const waiters = await session.query<{ pid: number; relation: string }>(waitersSql, [
      options.applicationName,
    ]);
    const now = performance.now();
    const current = new Set(waiters.map((waiter) => waiter.pid));
    for (const pid of waitingSince.keys()) if (!current.has(pid)) waitingSince.delete(pid);
    for (const waiter of waiters) {
      const since = waitingSince.get(waiter.pid);
      if (since === undefined) {
        waitingSince.set(waiter.pid, now);
        options.context.log.warn('a schema change waits behind the backup', {
          pid: waiter.pid,
          relation: waiter.relation,
          onDdl: options.context.onDdl,
        });
      } else if (options.context.onDdl === 'yield' && now - since >= patienceMs) {
        throw yielded(waiter, options.settings.ddlPatienceSeconds);
      }
    }
  }
}

function yielded(
  waiter: { readonly pid: number; readonly relation: string },
  seconds: number,
): HoldfastError {
  return new HoldfastError(
    'DDL_YIELDED',
    `a schema change on ${waiter.relation} waited ${seconds} s behind the backup, which gave way`,
    {
      hint: 'the backup is tried again; set onDdl: hold if schema changes should wait for backups instead',
      detail: { waitingPid: waiter.pid, relation: waiter.relation },
    },
  );
}
