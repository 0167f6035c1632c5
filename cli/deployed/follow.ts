import { setTimeout as sleep } from 'node:timers/promises';
import type { CatalogStore } from '../../core/catalog/catalog-store.ts';
import type { Job } from '../../core/catalog/job.ts';
import { assertNever, type ErrorCode, errorCatalogue, errorName, HoldfastError } from '../../core/errors.ts';
import { formatDuration } from '../../core/plan/duration.ts';
import { formatBytes, formatCount } from '../progress.ts';
import type { CommandContext, CommandResult } from '../run-command.ts';
import { type Deployment, openCatalog } from './deployment.ts';
import { executionReader, type ExecutionState } from './executions.ts';

const pollMs = 2000;

export interface Followed {
  readonly executionArn: string;
  readonly source: string;
  readonly kind: string;
}

/** Follows an execution and its job until both have ended; Ctrl-C ends only the watching. */
export async function followJob(
  deployment: Deployment,
  followed: Followed,
  { progress, signal, warn }: CommandContext,
): Promise<CommandResult> {
  const catalog = await openCatalog(deployment);
  const read = executionReader(deployment.region);
  signal.addEventListener('abort', () => progress.say(`the job goes on in AWS: ${followed.executionArn}`), {
    once: true,
  });
  for (;;) {
    signal.throwIfAborted();
    const execution = await read(followed.executionArn);
    const job = await jobOf(catalog, followed);
    if (execution.status !== 'RUNNING') {
      if (job?.state === 'completed') for (const warning of job.result.warnings ?? []) warn(warning);
      return ended(followed, execution, job);
    }
    const done = job?.state === 'running' ? job.progress : undefined;
    const copying = followed.kind === 'backup' && done?.fraction === 1;
    progress.update({
      doing: copying ? 'stored; waiting for the copy' : `${followed.kind} of ${followed.source}`,
      ...done,
    });
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

async function jobOf(catalog: CatalogStore, { source, executionArn }: Followed): Promise<Job | undefined> {
  const jobs = await catalog.listJobs({ source, limit: 20 });
  return jobs.find((job) => job.owner === executionArn);
}

function ended(
  { executionArn, source, kind }: Followed,
  execution: ExecutionState,
  job: Job | undefined,
): CommandResult {
  if (job === undefined || job.state === 'pending' || job.state === 'running') {
    if (execution.status === 'SUCCEEDED')
      return { json: { state: 'completed', executionArn, source }, text: `${kind} of ${source} is done` };
    throw failure(execution.error, execution.cause ?? `the execution ended as ${execution.status}`, {
      hint: executionArn,
    });
  }
  switch (job.state) {
    case 'completed':
      return {
        json: { ...job, executionArn },
        text: describeResult(job),
        exitCode: job.result.verdict === undefined || job.result.verdict === 'PASSED' ? 0 : 1,
      };
    case 'failed':
      throw failure(job.error.code, job.error.message, { hint: job.error.hint, jobId: job.id });
    case 'skipped':
      throw new HoldfastError('JOB_ALREADY_RUNNING', `skipped: ${job.reason}`, { detail: { jobId: job.id } });
    default:
      return assertNever(job);
  }
}

/** Recorded codes and Step Functions' error names alike become the error they were. */
function failure(
  name: string | undefined,
  message: string,
  { hint, jobId }: { readonly hint?: string | undefined; readonly jobId?: string },
): HoldfastError {
  const codes = Object.keys(errorCatalogue) as ErrorCode[];
  const code = codes.find((known) => known === name || errorName(known) === name) ?? 'INTERNAL';
  return new HoldfastError(code, message, { ...(hint !== undefined && { hint }), detail: { jobId } });
}

function describeResult(job: Extract<Job, { state: 'completed' }>): string {
  const { result, kind, source } = job;
  const stored = result.storedBytes === undefined ? '' : `, stored as ${formatBytes(result.storedBytes)}`;
  const lines = [
    `${kind} of ${source} ${result.verdict ?? 'is done'}: ${formatCount(result.rows)} rows in ${result.items} items${stored}, ${formatDuration(result.seconds)}`,
    ...(result.recoveryPointId === undefined ? [] : [`  recovery point: ${result.recoveryPointId}`]),
    ...(result.checks ?? []).map(
      (check) => `  ${check.ok ? 'held' : 'FAILED'}: ${check.name} (${check.detail})`,
    ),
  ];
  return lines.join('\n');
}
