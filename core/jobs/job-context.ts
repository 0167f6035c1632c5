import pRetry from 'p-retry';
import { jobNotFound } from '../catalog/catalog-refusals.ts';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import type { JobProgress, RunningJob } from '../catalog/job.ts';
import type { Engine, EngineLog } from '../engines/engine.ts';
import { HoldfastError } from '../errors.ts';
import type { Vault } from '../vault/vault.ts';

/** What every task-side job needs. `Connection` is the engine's own. */
export interface JobContext<Connection> {
  readonly catalog: CatalogStore;
  readonly vault: Vault;
  readonly engine: Engine<Connection>;
  readonly jobId: string;
  readonly source: string;
  readonly region: string;
  readonly connections: number;
  /** How often progress is written and the lease renewed. */
  readonly progressSeconds: number;
  /** Gets what is written, for whoever watches in the same process. */
  readonly onProgress?: (progress: JobProgress) => void;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
  readonly now: () => Date;
}

/** The job, if it still is this task's to do. @throws JOB_NOT_FOUND, LEASE_LOST when it has ended, STALE_EPOCH after a failover */
export async function takeUp(
  context: Pick<JobContext<unknown>, 'catalog' | 'jobId' | 'source'>,
): Promise<RunningJob> {
  const { catalog, jobId, source } = context;
  const job = await catalog.getJob({ source, id: jobId });
  if (job === undefined) throw jobNotFound({ source, id: jobId });
  if (job.state !== 'running') {
    throw new HoldfastError('LEASE_LOST', `job ${jobId} has ended (${job.state}) before its task began`, {
      hint: 'was the job taken over by another run, or stopped by hand?',
    });
  }
  await requireEpoch(context, job);
  return job;
}

/** An order of before a failover is refused. @throws STALE_EPOCH */
export async function requireEpoch(
  context: Pick<JobContext<unknown>, 'catalog'>,
  job: Pick<RunningJob, 'epoch'>,
): Promise<void> {
  const control = await context.catalog.control();
  if (control?.epoch === job.epoch) return;
  throw new HoldfastError(
    'STALE_EPOCH',
    `the order carries epoch ${job.epoch}, the catalogue is at ${control?.epoch ?? 'none'}`,
    { hint: 'a failover happened meanwhile: start again in the Region that is active now' },
  );
}

/**
 * Writes to the catalogue although it is away for a while: nothing after the manifest may be lost to a short outage.
 * 1 + 2 + 4 … + 30 s each: twelve tries in about four minutes.
 */
export async function persist<T>(write: () => Promise<T>): Promise<T> {
  return pRetry(write, {
    retries: 11,
    minTimeout: 1000,
    maxTimeout: 30_000,
    randomize: true,
    shouldRetry: ({ error }) => error instanceof HoldfastError && error.retryable,
  });
}

/** The reason why work was aborted, when it was; whatever the aborted work threw says less. */
export function abortReason(error: unknown, ...signals: readonly AbortSignal[]): unknown {
  const aborted = signals.find((signal) => signal.aborted);
  return aborted?.reason instanceof HoldfastError ? aborted.reason : error;
}

/** Seconds since `from`, for results. */
export function secondsSince(from: Date, now: Date): number {
  return Math.max(0, (now.getTime() - from.getTime()) / 1000);
}
