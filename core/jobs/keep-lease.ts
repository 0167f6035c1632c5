import type { CatalogStore, JobRef } from '../catalog/catalog-store.ts';
import type { JobProgress } from '../catalog/job.ts';
import type { EngineLog } from '../engines/engine.ts';
import { errorCodeOf, isHoldfastError } from '../errors.ts';

/** A dead task frees its source after this long; sixty renewals fit in, so a slow catalogue loses no lease. */
export const taskLeaseSeconds = 120;

/** The catalogue has progress every 2 s; the log, which is kept for longer, every 30 s. */
const roundsPerLogLine = 15;

export interface KeepLeaseOptions {
  readonly catalog: Pick<CatalogStore, 'renew'>;
  readonly job: JobRef;
  readonly everySeconds: number;
  readonly progress: () => JobProgress | undefined;
  /** Gets the progress that is written, for whoever watches in the same process. */
  readonly onProgress?: (progress: JobProgress) => void;
  readonly log: EngineLog;
  readonly now: () => Date;
}

export interface LeaseKeeper {
  /** Aborted with LEASE_LOST when another job took the source. */
  readonly signal: AbortSignal;
  /** Ends the renewals and waits for the one under way. */
  stop(): Promise<void>;
}

/**
 * Renews the lease and writes progress until stopped. A catalogue that does not answer is no reason to throw away hours of
 * work: points have ids of their own, so the worst of two backups at once is two good backups.
 */
export function keepLease(options: KeepLeaseOptions): LeaseKeeper {
  const lost = new AbortController();
  const stopped = new AbortController();
  const loop = (async () => {
    for (let round = 1; !stopped.signal.aborted && !lost.signal.aborted; round += 1) {
      await pause(options.everySeconds * 1000, stopped.signal);
      if (!stopped.signal.aborted) await renewOnce(options, lost);
      const progress = round % roundsPerLogLine === 0 ? options.progress() : undefined;
      if (progress !== undefined) options.log.info('progress', { ...progress });
    }
  })();
  return {
    signal: lost.signal,
    stop: async () => {
      stopped.abort();
      await loop;
    },
  };
}

async function renewOnce(options: KeepLeaseOptions, lost: AbortController): Promise<void> {
  const leaseUntil = new Date(options.now().getTime() + taskLeaseSeconds * 1000);
  const progress = options.progress();
  if (progress !== undefined) options.onProgress?.(progress);
  try {
    await options.catalog.renew(options.job, leaseUntil, progress);
  } catch (error) {
    if (isHoldfastError(error, 'LEASE_LOST')) lost.abort(error);
    else options.log.warn('the lease could not be renewed; trying again', { code: errorCodeOf(error) });
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
