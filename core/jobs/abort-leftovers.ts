import type { RunningJob } from '../catalog/job.ts';
import { errorCodeOf } from '../errors.ts';
import type { JobContext } from './job-context.ts';

const dayMilliseconds = 86_400_000;
/** The bucket's own rule aborts what is older; here it also holds for vaults without rules. */
const maxAgeDays = 7;

/**
 * Aborts uploads that earlier jobs of the source left behind; parts of dead uploads cost money and show nowhere. We hold
 * the lease, so no other job of the catalogue is writing. Uploads of a backup that no catalogue knows (somebody's
 * `holdfast local backup`) are left alone for seven days.
 */
export async function abortLeftoverUploads(
  context: Pick<JobContext<unknown>, 'catalog' | 'vault' | 'log' | 'now'>,
  job: RunningJob,
): Promise<number> {
  const { catalog, vault, now } = context;
  const jobs = await catalog.listJobs({ source: job.source, limit: 100 });
  const dead = jobs.filter(
    ({ kind, state }) => kind === 'backup' && (state === 'failed' || state === 'running'),
  );
  const ids = new Set(dead.map(({ recoveryPointId }) => recoveryPointId).filter((id) => id !== undefined));
  // Our own id is free to be cleaned too: this task has not begun to write.
  const orders = [...ids].map((id) => ({ id, before: now() }));
  const old = new Date(now().getTime() - maxAgeDays * dayMilliseconds);
  let aborted = 0;
  try {
    for (const order of [...orders, { before: old }]) aborted += await vault.abortUploads(job.source, order);
  } catch (error) {
    // Cleaning saves money, the backup saves the data: what cannot be cleaned now is tried by the next run.
    context.log.warn('leftover uploads could not be aborted', { code: errorCodeOf(error) });
  }
  if (aborted > 0) context.log.info('aborted uploads that earlier jobs left behind', { aborted });
  return aborted;
}
