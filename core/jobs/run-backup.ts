import pRetry from 'p-retry';
import { ulid } from 'ulid';
import type { RunningJob } from '../catalog/job.ts';
import { recordOf } from '../catalog/point-record.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import { errorCodeOf, HoldfastError, isHoldfastError } from '../errors.ts';
import type { ItemInput } from '../vault/vault.ts';
import type { LockMode, Manifest } from '../vault/manifest.ts';
import { abortLeftoverUploads } from './abort-leftovers.ts';
import { abortReason, type JobContext, persist, requireEpoch, takeUp } from './job-context.ts';
import { keepLease, taskLeaseSeconds } from './keep-lease.ts';
import { ProgressMeter } from './progress.ts';

export interface BackupJob<Connection> extends JobContext<Connection> {
  /** Reads the connection at the moment of use. */
  readonly connect: () => Promise<Connection>;
  readonly onDdl: 'yield' | 'hold';
  readonly lockUntil?: Date;
  /** @default compliance */
  readonly lockMode?: LockMode;
  /** Tries for faults that may pass (server restarting, a schema change that goes first). @default 3 */
  readonly tries?: number;
  /** Pause before the second try, doubled before the third. @default 60 */
  readonly retrySeconds?: number;
}

/**
 * Backs up one source and records the point as `stored`. The order keeps invariant 1: objects, manifest, record; an abort
 * at any line leaves nothing visible or a whole point. A second task for the same job finds what the first one committed.
 */
export async function runBackup<Connection>(context: BackupJob<Connection>): Promise<RecoveryPoint> {
  const job = await takeUp(context);
  const committed = await committedBefore(context, job);
  if (committed !== undefined) return recordPoint(context, committed);
  // Before anything is cleaned: only who holds the lease may take other uploads for dead.
  await context.catalog.renew(job, new Date(context.now().getTime() + taskLeaseSeconds * 1000));
  await abortLeftoverUploads(context, job);
  const meter = new ProgressMeter(context.now, 'back up');
  const keeper = keepLease({
    ...context,
    job,
    everySeconds: context.progressSeconds,
    progress: () => meter.snapshot(),
  });
  const signal = AbortSignal.any([context.signal, keeper.signal]);
  try {
    const attempt = (number: number) =>
      backUpOnce({ ...context, signal }, { job, meter, isFirst: number === 1 && job.attempts === undefined });
    const manifest = await pRetry(attempt, {
      retries: (context.tries ?? 3) - 1,
      minTimeout: (context.retrySeconds ?? 60) * 1000,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => mayPass(error) && !signal.aborted,
      onFailedAttempt: ({ error, attemptNumber, retriesLeft }) => {
        // What ends the job is told as its end.
        if (retriesLeft === 0 || !mayPass(error) || signal.aborted) return;
        context.log.warn('the attempt failed; trying again', {
          attempt: attemptNumber,
          code: errorCodeOf(error),
          message: error.message,
        });
      },
    });
    await keeper.stop();
    return await recordPoint(context, manifest);
  } catch (error) {
    throw abortReason(error, context.signal, keeper.signal);
  } finally {
    await keeper.stop();
  }
}

function mayPass(error: unknown): boolean {
  return isHoldfastError(error) && error.retryable;
}

interface Attempt {
  readonly job: RunningJob;
  readonly meter: ProgressMeter;
  /** Only the first attempt may use the id that came with the order: keys are written once. */
  readonly isFirst: boolean;
}

async function backUpOnce<Connection>(
  context: BackupJob<Connection>,
  { job, meter, isFirst }: Attempt,
): Promise<Manifest> {
  const { catalog, vault, engine, source, signal, now } = context;
  const id = isFirst && job.recoveryPointId !== undefined ? job.recoveryPointId : ulid(now().getTime());
  const leaseUntil = new Date(now().getTime() + taskLeaseSeconds * 1000);
  await catalog.beginAttempt(job, { leaseUntil, recoveryPointId: id });
  const startedAt = now();
  const writer = await vault.begin(source, {
    id,
    signal,
    ...(context.lockUntil !== undefined && { lockUntil: context.lockUntil }),
    ...(context.lockMode !== undefined && { lockMode: context.lockMode }),
  });
  try {
    const { canary, billOfMaterials, ...outcome } = await engine.backup({
      connection: await context.connect(),
      connections: context.connections,
      onDdl: context.onDdl,
      signal,
      log: context.log,
      onProgress: (progress) => meter.report(progress),
      store: (item) => writer.store(metered(item, meter)),
    });
    signal.throwIfAborted();
    await requireEpoch(context, job);
    return await writer.commit({
      ...outcome,
      type: 'full',
      startedAt: startedAt.toISOString(),
      finishedAt: now().toISOString(),
      billOfMaterials: { ...billOfMaterials, region: context.region },
      ...(canary !== undefined && { canary }),
    });
  } catch (error) {
    // An abort that fails leaves uploads that the next run removes; the error that came first is the one to tell.
    await writer.abort().catch((failure: unknown) => {
      context.log.warn('uploads could not be aborted', { code: errorCodeOf(failure) });
    });
    throw error instanceof Error ? error : new HoldfastError('INTERNAL', String(error));
  }
}

function metered(item: ItemInput, meter: ProgressMeter): ItemInput {
  return {
    ...item,
    onProgress: (storedBytes) => {
      meter.reportStored(item.name, storedBytes);
      item.onProgress?.(storedBytes);
    },
  };
}

/** The manifest of an earlier attempt of this job, whose task died between writing it and recording it. */
async function committedBefore(context: BackupJob<unknown>, job: RunningJob): Promise<Manifest | undefined> {
  if (job.attempts === undefined || job.recoveryPointId === undefined) return undefined;
  try {
    return (await context.vault.open(context.source, job.recoveryPointId)).manifest;
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

function isNotThere(error: unknown): boolean {
  const codes = [
    'MANIFEST_NOT_FOUND',
    'RECOVERY_POINT_NOT_FOUND',
    'SOURCE_NOT_FOUND',
    'OBJECT_NOT_FOUND',
  ] as const;
  return codes.some((code) => isHoldfastError(error, code));
}

async function recordPoint(context: BackupJob<unknown>, manifest: Manifest): Promise<RecoveryPoint> {
  const point = recordOf(manifest, context.region, { state: 'stored' });
  await persist(() => context.catalog.putRecoveryPoint(point));
  // The source is free from here on: waiting for the copy needs nothing of it.
  await persist(() => context.catalog.releaseLease({ source: point.source, id: context.jobId }));
  return point;
}
