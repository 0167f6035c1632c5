import type { RunningJob } from '../catalog/job.ts';
import type { BackupJob } from './run-backup.ts';

const dayMilliseconds = 86_400_000;
/** The bucket's own rule aborts what is older; here it also holds for vaults without rules. */
const maxAgeDays = 7;

/**
 * Aborts uploads that earlier jobs of the source left behind; parts of dead uploads cost money and show nowhere. We hold
 * the lease, so no other job of the catalogue is writing. Uploads of a backup that no catalogue knows (somebody's
 * `holdfast local backup`) are left alone for seven days.
 */
export async function abortLeftoverUploads(
  context: Pick<BackupJob<unknown>, 'catalog' | 'vault' | 'log' | 'now'>,
  job: RunningJob,
): Promise<number> {
  const { catalog, vault, now } = context;
  const jobs = await catalog.listJobs({ source: job.source, limit: 100 });
  const dead = jobs.filter(
    ({ kind, state }) => kind === 'backup' && (state === 'failed' || state === 'running'),
  );
  const ids = new Set(dead.map(({ recoveryPointId }) => recoveryPointId).filter((id) => id !== undefined));
  // Our own id is free to be cleaned too: this task has not begun to write.
  let aborted = 0;
  for (const id of ids) aborted += await vault.abortUploads(job.source, { id, before: now() });
  const old = new Date(now().getTime() - maxAgeDays * dayMilliseconds);
  aborted += await vault.abortUploads(job.source, { before: old });
  if (aborted > 0) context.log.info('aborted uploads that earlier jobs left behind', { aborted });
  return aborted;
}
