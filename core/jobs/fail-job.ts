import type { CatalogStore, JobRef } from '../catalog/catalog-store.ts';
import type { FailedJob, Job, JobError } from '../catalog/job.ts';
import { type ErrorCode, errorCodeByName, errorName } from '../errors.ts';
import { joinHint, splitHint } from './hinted-message.ts';
import { sourceIdSchema } from '../vault/manifest.ts';
import { idFor } from './job-ids.ts';
import type { FailReply, FailRequest, Reported } from './messages.ts';
import { type MetricName, metricNames, type MetricValue } from './metrics.ts';

const maxMessage = 2_000;

export interface FailJobDependencies {
  readonly catalog: CatalogStore;
  readonly region: string;
  readonly now: () => Date;
}

/**
 * Records why an execution failed. A job that has ended keeps how it ended, and that is what comes back: so a failure that
 * the task recorded itself, with its hint, is what the execution shows. Safe to repeat.
 */
export async function failJob(deps: FailJobDependencies, request: FailRequest): Promise<Reported<FailReply>> {
  const error = describe(request);
  const execution = { arn: request.executionArn, startedAt: new Date(request.executionStartedAt) };
  // The claim's answer may have been lost: its id follows from the execution.
  const id = request.jobId ?? idFor('job', execution);
  const source = sourceIdSchema.safeParse(request.source);
  // A source that no plan can have is the fault itself, and there is nothing to record it with.
  const job = source.success
    ? await recordWith(deps, request, { ref: { source: source.data, id }, error })
    : undefined;
  const recorded = job?.state === 'failed' ? job.error : error;
  return {
    reply: {
      ...(job !== undefined && { jobId: job.id }),
      error: errorName(recorded.code as ErrorCode),
      cause: joinHint(recorded),
    },
    metrics: job === undefined ? [] : failureMetrics(job, recorded),
  };
}

interface Failure {
  readonly ref: JobRef;
  readonly error: JobError;
}

async function recordWith(deps: FailJobDependencies, request: FailRequest, failure: Failure): Promise<Job> {
  const { ref, error } = failure;
  const known = await deps.catalog.getJob(ref);
  if (known === undefined) return recordUnclaimed(deps, request, failure);
  return deps.catalog.fail(ref, { error }, deps.now());
}

async function recordUnclaimed(
  deps: FailJobDependencies,
  request: FailRequest,
  { ref, error }: Failure,
): Promise<Job> {
  const at = deps.now().toISOString();
  const job: FailedJob = {
    schemaVersion: 1,
    id: ref.id,
    kind: request.kind,
    source: ref.source,
    region: deps.region,
    owner: request.executionArn,
    epoch: 0,
    scheduledFor: new Date(request.executionStartedAt).toISOString(),
    createdAt: new Date(request.executionStartedAt).toISOString(),
    state: 'failed',
    finishedAt: at,
    error,
    ...(typeof request.target === 'string' && { target: request.target }),
  };
  await deps.catalog.recordFailure(job);
  return (await deps.catalog.getJob(ref)) ?? job;
}

/** Our own errors keep code and message; Step Functions' and ECS's become the code that an operator can look up. */
function describe(request: FailRequest): JobError {
  const cause = parseCause(request.cause);
  const own = errorCodeByName(request.error);
  if (own !== undefined) {
    const { message, hint } = splitHint(cause.message);
    return { code: own, message: clip(message), ...(hint !== undefined && { hint }) };
  }
  const code: ErrorCode = /^(States\.(Timeout|TaskFailed|HeartbeatTimeout)|(Amazon)?ECS\.)/.test(
    request.error,
  )
    ? 'TASK_KILLED'
    : 'INTERNAL';
  return { code, message: clip(`${request.error}: ${cause.message}`), hint: hints[code] };
}

const hints: Readonly<Partial<Record<ErrorCode, string>>> = {
  TASK_KILLED:
    'was it out of memory (exit code 137), over its time, or is there no image or capacity? the log group of the task tells',
  INTERNAL: 'the execution history in the AWS console shows the state that failed',
};

/** Lambda's cause is JSON with `errorMessage`; a task's is its ECS description. */
function parseCause(cause: string | undefined): { readonly message: string } {
  if (cause === undefined) return { message: 'no cause was given' };
  try {
    const parsed = JSON.parse(cause) as TaskOrLambdaCause;
    if (parsed.errorMessage !== undefined) return { message: parsed.errorMessage };
    if (parsed.StoppedReason === undefined && parsed.Containers === undefined) return { message: cause };
    const codes = (parsed.Containers ?? []).map(
      ({ Name, ExitCode, Reason }) =>
        `${Name} ended with ${ExitCode ?? 'no exit code'}${Reason ? ` (${Reason})` : ''}`,
    );
    return { message: [parsed.StoppedReason, ...codes].filter(Boolean).join(', ') };
  } catch {
    return { message: cause };
  }
}

interface TaskOrLambdaCause {
  readonly errorMessage?: string;
  readonly StoppedReason?: string;
  readonly Containers?: readonly {
    readonly Name?: string;
    readonly ExitCode?: number;
    readonly Reason?: string;
  }[];
}

function clip(message: string): string {
  return message.length <= maxMessage ? message : `${message.slice(0, maxMessage)} …`;
}

const failureNames: Readonly<Record<Job['kind'], MetricName>> = {
  backup: metricNames.backupsFailedTotal,
  restore: metricNames.restoresFailedTotal,
  'restore-test': metricNames.restoreTestsFailedTotal,
};

function failureMetrics(job: Job, error: JobError): MetricValue[] {
  const { source } = job;
  const metrics: MetricValue[] = [{ name: failureNames[job.kind], unit: 'Count', value: 1, source }];
  if (error.code === 'REPLICATION_LATE') {
    metrics.push({ name: metricNames.replicationLateTotal, unit: 'Count', value: 1, source });
  }
  return metrics;
}
