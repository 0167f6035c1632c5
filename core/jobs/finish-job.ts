import { jobNotFound } from '../catalog/catalog-refusals.ts';
import type { CatalogStore, JobRef } from '../catalog/catalog-store.ts';
import type { Job, JobResult, RunningJob } from '../catalog/job.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import { HoldfastError } from '../errors.ts';
import type { FinishReply, Reported } from './messages.ts';
import { metricNames, type MetricValue } from './metrics.ts';

export interface FinishJobDependencies {
  readonly catalog: CatalogStore;
  readonly now: () => Date;
}

/**
 * Ends a job that went well. A backup is completed here, because only now its copy is known; restores and restore tests were
 * completed by their task and are only reported. Safe to repeat.
 */
export async function finishJob(deps: FinishJobDependencies, ref: JobRef): Promise<Reported<FinishReply>> {
  const job = await deps.catalog.getJob(ref);
  if (job === undefined) throw jobNotFound(ref);
  const ended = job.kind === 'backup' && job.state === 'running' ? await completeBackup(deps, job) : job;
  if (ended.state !== 'completed') {
    throw new HoldfastError(
      'ILLEGAL_TRANSITION',
      `the task of job ${ref.id} ended well but left it ${ended.state}`,
      {
        hint: 'did the catalogue fail while the task wrote its result?',
      },
    );
  }
  const { result } = ended;
  const reply: FinishReply = {
    jobId: ref.id,
    source: ended.source,
    ...(ended.recoveryPointId !== undefined && { recoveryPointId: ended.recoveryPointId }),
    items: result.items,
    rows: result.rows,
    ...(result.storedBytes !== undefined && { storedBytes: result.storedBytes }),
    seconds: result.seconds,
    ...(result.copy !== undefined && { copy: result.copy }),
    ...(result.verdict !== undefined && { verdict: result.verdict }),
    ...(result.faults?.length && { faults: result.faults.length }),
  };
  return { reply, metrics: successMetrics(ended) };
}

async function completeBackup(deps: FinishJobDependencies, job: RunningJob): Promise<Job> {
  const point = job.recoveryPointId && (await deps.catalog.getRecoveryPoint(job.source, job.recoveryPointId));
  if (!point) {
    throw new HoldfastError(
      'RECOVERY_POINT_NOT_FOUND',
      `job ${job.id} has no recovery point ${job.recoveryPointId} in the catalogue`,
      { hint: 'is it in the vault? holdfast catalog rebuild records what the vault holds' },
    );
  }
  const at = deps.now();
  return deps.catalog.complete(job, resultOf(job, point, at), at);
}

function resultOf(job: RunningJob, point: RecoveryPoint, at: Date): JobResult {
  if (point.state !== 'protected' && point.state !== 'storedPeerDown') {
    throw new HoldfastError(
      'ILLEGAL_TRANSITION',
      `recovery point ${point.id} is ${point.state}: its copy is not confirmed`,
    );
  }
  const span = (from: string, to: Date) => Math.max(0, (to.getTime() - Date.parse(from)) / 1000);
  const stored = new Date(point.finishedAt);
  return {
    recoveryPointId: point.id,
    items: point.items,
    rows: point.rows,
    bytes: point.bytes,
    storedBytes: point.storedBytes,
    seconds: span(job.startedAt, at),
    phases: [
      { name: 'start', seconds: span(job.startedAt, new Date(point.startedAt)) },
      { name: 'backup', seconds: span(point.startedAt, stored) },
      { name: 'copy', seconds: span(point.finishedAt, at) },
    ],
    copy: point.state,
    ...(point.state === 'storedPeerDown' && {
      warnings: ['the other Region did not answer: the copy is not confirmed, a later run checks it again'],
    }),
  };
}

function successMetrics(job: Extract<Job, { state: 'completed' }>): MetricValue[] {
  const { source, result } = job;
  const count = (name: MetricValue['name'], value = 1): MetricValue => ({
    name,
    unit: 'Count',
    value,
    source,
  });
  const seconds = (name: MetricValue['name']): MetricValue => ({
    name,
    unit: 'Seconds',
    value: result.seconds,
    source,
  });
  if (job.kind === 'restore') {
    return [
      count(metricNames.restoresTotal),
      seconds(metricNames.restoreDurationSeconds),
      count(metricNames.restoreFaults, result.faults?.length ?? 0),
    ];
  }
  if (job.kind === 'restore-test') return [count(metricNames.restoreTestsTotal)];
  return [
    count(metricNames.backupsTotal),
    seconds(metricNames.backupDurationSeconds),
    { name: metricNames.backupSizeBytes, unit: 'Bytes', value: result.storedBytes ?? 0, source },
  ];
}
