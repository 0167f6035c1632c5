import {
  type CatalogStore,
  type ClaimConflict,
  type ClaimInput,
  type Control,
  type JobRef,
} from '../catalog/catalog-store.ts';
import type { Job, RunningJob } from '../catalog/job.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import type { TaskDefinitionArns } from '../plan/names.ts';
import type { Plan, SourcePlan } from '../plan/plan.ts';
import { orderFor, type ResolvedPoint, targetOf } from './job-order.ts';
import { idFor } from './job-ids.ts';
import type { ClaimReply, ClaimRequest } from './messages.ts';

/** Time for the task to start: Fargate takes up to two minutes, its retries for capacity under six. The task then keeps shorter leases. */
const claimLeaseSeconds = 15 * 60;

/** More of them say nothing new, and neither the order nor the record has much room. */
const mostPassedOver = 10;

export interface ClaimJobDependencies {
  readonly catalog: CatalogStore;
  readonly plan: Plan;
  /** The Region this runs in. */
  readonly region: string;
  readonly taskDefinitions: TaskDefinitionArns;
  /** The newest (or the named) recovery point whose objects are complete in this Region. @throws RECOVERY_POINT_NOT_FOUND and others of `Vault.open` */
  readonly resolvePoint: (source: string, id: string) => Promise<ResolvedPoint>;
  /** False only when the execution is known to have ended; when in doubt the lease decides. */
  readonly isRunning: (owner: string) => Promise<boolean>;
  readonly now: () => Date;
}

/**
 * Decides whether an execution may run, and with what. Safe to repeat: the same execution gets the same job again, with its
 * point and a whole lease, and the task definition of now.
 * @throws SOURCE_NOT_FOUND, TARGET_NOT_FOUND, RECOVERY_POINT_NOT_FOUND, REGION_NOT_ACTIVE (a person's order; a schedule stands down),
 * LEASE_LOST (a later claim that comes after another job took the lease)
 */
export async function claimJob(deps: ClaimJobDependencies, request: ClaimRequest): Promise<ClaimReply> {
  const source = sourceOf(deps.plan, request.source);
  const control = await readControl(deps);
  if (request.kind === 'backup' && control.activeRegion !== deps.region) {
    return standDown(deps, request, control);
  }
  const target = targetOf(deps.plan, request, deps.region);
  const execution = { arn: request.executionArn, startedAt: new Date(request.executionStartedAt) };
  const jobId = idFor('job', execution);
  const own = await ownJob(deps, { request, jobId });
  const point = await pointOf(deps, request, { own, newId: idFor('point', execution) });
  const now = deps.now();
  const leaseUntil = new Date(now.getTime() + claimLeaseSeconds * 1000);
  const order = orderFor({
    plan: deps.plan,
    source,
    target,
    point,
    request,
    now,
    jobId,
    taskDefinitions: deps.taskDefinitions,
    region: deps.region,
  });
  if (own !== undefined) {
    await deps.catalog.renew(own, leaseUntil);
    return order;
  }
  const input: ClaimInput = {
    jobId,
    kind: request.kind,
    source: source.id,
    region: deps.region,
    owner: request.executionArn,
    epoch: control.epoch,
    scheduledFor: new Date(request.scheduledFor ?? request.executionStartedAt),
    now,
    leaseUntil,
    recoveryPointId: point.id,
    ...(target !== undefined && { target: target.id }),
    ...(point.passedOver !== undefined && { passedOver: [...point.passedOver] }),
  };
  const conflict = await claimOrConflict(deps, input);
  if (conflict !== undefined) return skip(deps, { request, control, conflict });
  await recordDeadJobs(deps, input);
  return order;
}

/** The job that this execution claimed before: its task was killed, or a deployment replaced the revision. */
async function ownJob(
  deps: ClaimJobDependencies,
  { request, jobId }: { readonly request: ClaimRequest; readonly jobId: string },
): Promise<RunningJob | undefined> {
  const job = await jobOrUnreadable(deps, { source: request.source, id: jobId });
  return job !== 'unreadable' && job?.state === 'running' && job.owner === request.executionArn
    ? job
    : undefined;
}

/** `unreadable`: recorded by a newer version in a form that is unknown here. */
async function jobOrUnreadable(
  { catalog }: ClaimJobDependencies,
  ref: JobRef,
): Promise<Job | 'unreadable' | undefined> {
  try {
    return await catalog.getJob(ref);
  } catch (error) {
    if (isHoldfastError(error, 'NOT_SUPPORTED_YET')) return 'unreadable';
    throw error;
  }
}

/** The point that a job named stays its point: `latest` may be another by now. */
async function pointOf(
  deps: ClaimJobDependencies,
  request: ClaimRequest,
  { own, newId }: { readonly own: RunningJob | undefined; readonly newId: string },
): Promise<ResolvedPoint> {
  if (request.kind === 'backup') return { id: own?.recoveryPointId ?? newId };
  const id = own?.recoveryPointId ?? request.recoveryPoint ?? 'latest';
  const { passedOver = [], ...point } = await deps.resolvePoint(request.source, id);
  const told = own === undefined ? passedOver.slice(0, mostPassedOver) : (own.passedOver ?? []);
  return { ...point, ...(told.length > 0 && { passedOver: told }) };
}

/** Claims, taking over from owners that run no longer: at most one for the run itself and one for the lease. */
async function claimOrConflict(
  deps: ClaimJobDependencies,
  input: ClaimInput,
): Promise<ClaimConflict | undefined> {
  const takeOverFrom: string[] = [];
  for (;;) {
    try {
      await deps.catalog.claim({ ...input, takeOverFrom });
      return undefined;
    } catch (error) {
      if (!isHoldfastError(error, 'JOB_ALREADY_RUNNING')) throw error;
      const conflict = error.detail as unknown as ClaimConflict;
      if (takeOverFrom.includes(conflict.owner) || !(await mayTakeOver(deps, input.source, conflict)))
        return conflict;
      takeOverFrom.push(conflict.owner);
    }
  }
}

async function mayTakeOver(
  deps: ClaimJobDependencies,
  source: string,
  conflict: ClaimConflict,
): Promise<boolean> {
  // A run that was done needs no second time, whoever asks; how far one of a newer version is, this one cannot tell.
  const job = await jobOrUnreadable(deps, { source, id: conflict.jobId });
  if (job === 'unreadable' || job?.state === 'completed') return false;
  return !(await deps.isRunning(conflict.owner));
}

/**
 * Jobs whose execution died without a word would count as running for ever. Each still holds the mark of a running job, so
 * it is found however many came after it. Idempotent: what an abort here leaves, the next claim does.
 */
async function recordDeadJobs(deps: ClaimJobDependencies, input: ClaimInput): Promise<void> {
  for (const job of await deps.catalog.runningJobs(input.source)) {
    if (job.id === input.jobId || job.owner === input.owner) continue;
    if (await deps.isRunning(job.owner)) continue;
    const error = {
      code: 'TASK_KILLED',
      message: `execution ${job.owner} ended without recording how`,
      hint: 'was it stopped by hand, or was its Region lost? its recovery point exists only if it is listed',
    };
    await deps.catalog.fail(job, { error }, deps.now());
  }
}

async function readControl(deps: ClaimJobDependencies): Promise<Control> {
  const control = await deps.catalog.control();
  if (control !== undefined) return control;
  const first = { activeRegion: deps.plan.regions.primary, epoch: 1 };
  try {
    await deps.catalog.setControl(first, undefined);
    return first;
  } catch (error) {
    if (!isHoldfastError(error, 'CONDITION_FAILED')) throw error;
    return (await deps.catalog.control()) ?? first;
  }
}

async function standDown(
  deps: ClaimJobDependencies,
  request: ClaimRequest,
  control: Control,
): Promise<ClaimReply> {
  const reason = `${deps.region} stands down: ${control.activeRegion} is the active Region`;
  if (request.scheduledFor === undefined) {
    throw new HoldfastError('REGION_NOT_ACTIVE', reason, {
      hint: `backups run in ${control.activeRegion} alone: holdfast backup ${request.source} --region ${control.activeRegion}. Is it lost? Restores work here; backups wait for it, because this version cannot make another Region active: protect a restored database by holdfast local backup`,
    });
  }
  return recordSkip(deps, { request, control, reason });
}

async function skip(
  deps: ClaimJobDependencies,
  context: { readonly request: ClaimRequest; readonly control: Control; readonly conflict: ClaimConflict },
): Promise<ClaimReply> {
  const { conflict } = context;
  const reason =
    conflict.by === 'claim'
      ? `job ${conflict.jobId} was started for the same scheduled time`
      : `job ${conflict.jobId} is still running`;
  return recordSkip(deps, { ...context, reason, runningJobId: conflict.jobId });
}

async function recordSkip(
  deps: ClaimJobDependencies,
  skipped: {
    readonly request: ClaimRequest;
    readonly control: Control;
    readonly reason: string;
    readonly runningJobId?: string;
  },
): Promise<ClaimReply> {
  const { request, control, reason, runningJobId } = skipped;
  const now = deps.now().toISOString();
  const startedAt = new Date(request.executionStartedAt);
  const jobId = idFor('job', { arn: request.executionArn, startedAt });
  await deps.catalog.skip({
    schemaVersion: 1,
    id: jobId,
    kind: request.kind,
    source: request.source,
    region: deps.region,
    owner: request.executionArn,
    epoch: control.epoch,
    scheduledFor: new Date(request.scheduledFor ?? request.executionStartedAt).toISOString(),
    createdAt: now,
    state: 'skipped',
    finishedAt: now,
    reason,
    ...(runningJobId !== undefined && { runningJobId }),
  });
  return { outcome: 'skipped', jobId, reason, ...(runningJobId !== undefined && { runningJobId }) };
}

function sourceOf(plan: Plan, id: string): SourcePlan {
  const source = plan.sources.find((candidate) => candidate.id === id);
  if (source !== undefined) return source;
  const known = plan.sources.map((candidate) => candidate.id).join(', ');
  throw new HoldfastError('SOURCE_NOT_FOUND', `the plan ${plan.name} has no source ${id}; it has ${known}`, {
    hint: 'was the plan deployed again after the source was added?',
  });
}
