import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import type { CatalogStore } from '../../core/catalog/catalog-store.ts';
import type { Job, JobResult } from '../../core/catalog/job.ts';
import { assertNever, errorCodeByName, HoldfastError } from '../../core/errors.ts';
import { describeActivity, isMovingRows } from '../../core/jobs/activity.ts';
import { splitHint } from '../../core/jobs/hinted-message.ts';
import { idFor } from '../../core/jobs/job-ids.ts';
import { formatDuration } from '../../core/plan/duration.ts';
import { formatBytes, formatCount, formatItems, type ProgressState } from '../progress.ts';
import { describeRestored, exitCodeOf } from '../restore-report.ts';
import type { CommandContext, CommandResult } from '../run-command.ts';
import { type Deployment, isSilence, openCatalog } from './deployment.ts';
import { executionReader, type ExecutionState } from './executions.ts';

const pollMs = 2000;
/** Long enough to change the Wi-Fi or to open a VPN again. */
const patienceSeconds = 60;

export interface Followed {
  readonly executionArn: string;
  readonly source: string;
  readonly kind: string;
  /** What a restore was limited to. */
  readonly tables?: readonly string[] | undefined;
  /** What to type to see how it goes, in full. */
  readonly jobs: string;
}

/** Follows an execution and its job until both have ended; Ctrl-C and a network that stays away end only the watching. */
export async function followJob(
  deployment: Deployment,
  followed: Followed,
  command: CommandContext,
): Promise<CommandResult> {
  const { progress, signal, warn } = command;
  const catalog = await openCatalog(deployment);
  const read = executionReader(deployment.region);
  let seen: Job | undefined;
  const look = async () => {
    const execution = await read(followed.executionArn);
    seen = await jobOf(catalog, followed, execution);
    return { execution, job: seen };
  };
  for (;;) {
    const { execution, job } = await patiently(deployment.region, command, look).catch((error: unknown) => {
      if (signal.aborted) throw watchingEnded(followed, signal.reason, seen?.id);
      progress.say(`the job goes on in AWS: ${followed.executionArn}`);
      throw error;
    });
    if (execution.status !== 'RUNNING') {
      if (job?.state === 'completed' || job?.state === 'failed')
        for (const warning of job.result?.warnings ?? []) warn(warning);
      const about = { kind: job?.kind ?? 'restore', tables: followed.tables } as const;
      if (job?.state === 'failed')
        for (const line of describeRestored(job.result ?? {}, { ...about, errorCode: job.error.code }))
          progress.say(line);
      return ended(followed, execution, job);
    }
    progress.update(liveState(followed, job));
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Who stops watching stops nothing, and has to find the job again. */
export function watchingEnded(
  { executionArn, kind, source, jobs }: Followed,
  reason: unknown,
  jobId: string | undefined,
): HoldfastError {
  const why = reason instanceof Error ? `: ${reason.message}` : '';
  return new HoldfastError('JOB_ABORTED', `watching ended${why}; the ${kind} of ${source} goes on in AWS`, {
    hint: `${jobs} shows how it goes; only Step Functions stops it: ${executionArn}`,
    detail: { executionArn, ...(jobId !== undefined && { jobId }) },
    cause: reason,
  });
}

function liveState({ kind, source }: Followed, job: Job | undefined): ProgressState {
  const doing = `${kind} of ${source}`;
  if (job?.state !== 'running') return { doing: `${doing}: waiting to begin` };
  const { progress } = job;
  return progress !== undefined && isMovingRows(progress)
    ? { doing, ...progress }
    : { doing: `${doing}: ${describeActivity(job.kind, progress)}` };
}

/** Asks again while nobody answers: silence says nothing about the job. */
async function patiently<T>(
  region: string,
  { progress, signal }: CommandContext,
  ask: () => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  return pRetry(ask, {
    // The clock ends it, not the count.
    retries: 1000,
    minTimeout: 500,
    maxTimeout: 5000,
    signal,
    shouldRetry: ({ error }) => isSilence(error) && performance.now() - begun < patienceSeconds * 1000,
    onFailedAttempt: ({ error, attemptNumber }) => {
      if (attemptNumber === 1 && isSilence(error))
        progress.say(`${region} does not answer; asking again for ${patienceSeconds} s`);
    },
  });
}

/** Found by its id, however many jobs came after it. */
async function jobOf(
  catalog: CatalogStore,
  { source, executionArn }: Followed,
  { startedAt }: ExecutionState,
): Promise<Job | undefined> {
  return catalog.getJob({ source, id: idFor('job', { arn: executionArn, startedAt }) });
}

/** How a job ended, once its execution has. An execution alone proves nothing: the job says what was done. */
export function ended(followed: Followed, execution: ExecutionState, job: Job | undefined): CommandResult {
  const { executionArn } = followed;
  if (job === undefined || job.state === 'pending' || job.state === 'running')
    return endedUnrecorded(followed, execution, job);
  switch (job.state) {
    case 'completed':
      return {
        json: { ...job, executionArn },
        text: describeResult(job, followed),
        exitCode: exitCodeOf(job.result),
      };
    case 'failed':
      throw failure(job.error.code, job.error.message, {
        hint: job.error.hint,
        jobId: job.id,
        executionArn,
        ...(job.result !== undefined && { result: job.result }),
      });
    case 'skipped':
      throw new HoldfastError('JOB_ALREADY_RUNNING', `skipped: ${job.reason}`, {
        hint: `nothing was started; ${followed.jobs} shows how the other one goes`,
        detail: { jobId: job.id, executionArn },
      });
    default:
      return assertNever(job);
  }
}

/** Of an execution that had no job, or could not say how its job ended. */
function endedUnrecorded(
  { executionArn, source, kind, jobs }: Followed,
  execution: ExecutionState,
  job: Job | undefined,
): never {
  const { status, error, cause } = execution;
  const found = job === undefined ? 'no job is recorded' : `its job ${job.id} is still ${job.state}`;
  // A task that is stopped records its end a moment after the execution has ended.
  const about = { executionArn, ...(job !== undefined && { jobId: job.id }) };
  switch (status) {
    case 'SUCCEEDED':
      throw failure(
        'ILLEGAL_TRANSITION',
        `the execution of the ${kind} of ${source} succeeded, but ${found}`,
        {
          hint: `${jobs}; does the catalogue of another Region say more? it was ${executionArn}`,
          ...about,
        },
      );
    case 'ABORTED':
      throw failure('JOB_ABORTED', `the execution was stopped${cause ? `: ${cause}` : ''}`, {
        hint: `who stopped it in Step Functions? it can be started again at once; it was ${executionArn}`,
        ...about,
      });
    default: {
      const { message, hint } = splitHint(cause ?? `the execution ended as ${status}`);
      throw failure(error, message, { hint: hint ?? executionArn, ...about });
    }
  }
}

/** Recorded codes and Step Functions' error names alike become the error they were. */
function failure(
  name: string | undefined,
  message: string,
  about: {
    readonly hint?: string | undefined;
    readonly jobId?: string;
    readonly executionArn: string;
    readonly result?: JobResult;
  },
): HoldfastError {
  const { hint, ...detail } = about;
  const code = errorCodeByName(name ?? '') ?? 'INTERNAL';
  return new HoldfastError(code, message, { ...(hint !== undefined && { hint }), detail });
}

function describeResult(job: Extract<Job, { state: 'completed' }>, { tables }: Followed): string {
  const { result, kind, source } = job;
  const stored = result.storedBytes === undefined ? '' : `, stored as ${formatBytes(result.storedBytes)}`;
  const lines = [
    `${kind} of ${source} ${result.verdict ?? 'is done'}: ${formatCount(result.rows)} rows in ${formatItems(result.items)}${stored}, ${formatDuration(result.seconds)}`,
    ...(result.recoveryPointId === undefined ? [] : [`  recovery point: ${result.recoveryPointId}`]),
    ...describeRestored(result, { kind, tables }),
  ];
  return lines.join('\n');
}
