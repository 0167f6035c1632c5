import * as z from 'zod';
import { HoldfastError } from '../errors.ts';
import { recoveryPointIdSchema, sourceIdSchema } from '../vault/manifest.ts';

export const jobKindSchema = z.enum(['backup', 'restore', 'restore-test']);

/** What a task is at; a result's `phases` say how long each took. */
export const jobStepSchema = z.enum(['back up', 'check objects', 'restore', 'check data']);

export const progressSchema = z.strictObject({
  /** Missing in records of versions before it. */
  step: jobStepSchema.optional(),
  itemsDone: z.number().int().nonnegative(),
  itemsTotal: z.number().int().nonnegative(),
  rows: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  storedBytes: z.number().int().nonnegative(),
  bytesPerSecond: z.number().nonnegative(),
  /** 0 to 1. */
  fraction: z.number().min(0).max(1),
  secondsLeft: z.number().nonnegative().optional(),
  current: z.array(z.string()),
  at: z.iso.datetime(),
});

export const jobResultSchema = z.strictObject({
  recoveryPointId: recoveryPointIdSchema.optional(),
  items: z.number().int().nonnegative(),
  rows: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative().optional(),
  storedBytes: z.number().int().nonnegative().optional(),
  seconds: z.number().nonnegative(),
  phases: z.array(z.strictObject({ name: z.string(), seconds: z.number().nonnegative() })).optional(),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.string() })).optional(),
  /** Only for restore tests. */
  verdict: z.enum(['PASSED', 'FAILED', 'NOT_TESTABLE_HERE']).optional(),
  warnings: z.array(z.string()).optional(),
  /** Objects that a restore could not make although every row is in; missing or empty for a clean one. */
  faults: z
    .array(z.strictObject({ object: z.string(), message: z.string(), sqlState: z.string().optional() }))
    .optional(),
  /** What nobody checked, each with its reason, e.g. `canary: the source has none; holdfast canary install`. */
  notChecked: z.array(z.string()).optional(),
  /** How far the restored data reaches: the newest canary row in it, or the snapshot's time when there is none. */
  recoveredTo: z.strictObject({ at: z.iso.datetime(), by: z.enum(['canary', 'snapshot']) }).optional(),
  /** From `recoveredTo` to the moment the restore was ordered; only when a canary measured it. After a disaster the loss is less: it ends at the fault. */
  measuredRpoSeconds: z.number().nonnegative().optional(),
  /** Only for backups: whether the other Region held a complete, locked copy when the job ended. */
  copy: z.enum(['protected', 'storedPeerDown']).optional(),
});

const shared = {
  schemaVersion: z.literal(1),
  id: z.string().min(1),
  kind: jobKindSchema,
  source: sourceIdSchema,
  region: z.string(),
  /** Step Functions execution ARN, or `local:<host>:<pid>`. */
  owner: z.string(),
  epoch: z.number().int().nonnegative(),
  /** Scheduled time, or the execution's start when a person started it. */
  scheduledFor: z.iso.datetime(),
  createdAt: z.iso.datetime(),
  recoveryPointId: recoveryPointIdSchema.optional(),
  target: z.string().optional(),
  /** Newer recovery points that the claim's `latest` could not take. */
  passedOver: z.array(z.strictObject({ id: recoveryPointIdSchema, code: z.string() })).optional(),
};

export const jobSchema = z.discriminatedUnion('state', [
  z.strictObject({ ...shared, state: z.literal('pending') }),
  z.strictObject({
    ...shared,
    state: z.literal('running'),
    startedAt: z.iso.datetime(),
    /** The lease: when it passes without being renewed the source is free again. */
    leaseUntil: z.iso.datetime(),
    progress: progressSchema.optional(),
    /** Tasks that began work for this job: above 1 after one was killed and another took its place. */
    attempts: z.number().int().positive().optional(),
  }),
  z.strictObject({
    ...shared,
    state: z.literal('completed'),
    startedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime(),
    result: jobResultSchema,
  }),
  z.strictObject({
    ...shared,
    state: z.literal('failed'),
    startedAt: z.iso.datetime().optional(),
    finishedAt: z.iso.datetime(),
    error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
    result: jobResultSchema.optional(),
  }),
  z.strictObject({
    ...shared,
    state: z.literal('skipped'),
    finishedAt: z.iso.datetime(),
    reason: z.string(),
    runningJobId: z.string().optional(),
  }),
]);

export type JobKind = z.infer<typeof jobKindSchema>;
export type JobStep = z.infer<typeof jobStepSchema>;
export type JobProgress = z.infer<typeof progressSchema>;
export type JobResult = z.infer<typeof jobResultSchema>;
export type Job = z.infer<typeof jobSchema>;
export type JobState = Job['state'];
export type RunningJob = Extract<Job, { state: 'running' }>;
export type SkippedJob = Extract<Job, { state: 'skipped' }>;
export type FailedJob = Extract<Job, { state: 'failed' }>;

/** What is recorded of a failure. */
export interface JobError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** How a job failed, with what it had found out until then (a restore test's verdict and checks). */
export interface JobFailure {
  readonly error: JobError;
  readonly result?: JobResult;
}

/** A running job that ended well. A completed one stays as it is, so that a repeated call changes nothing. @throws ILLEGAL_TRANSITION */
export function completedJob(job: Job, result: JobResult, at: Date): Job {
  if (job.state === 'completed') return job;
  if (job.state !== 'running') throw illegal(job, 'completed');
  return { ...withoutLease(job), state: 'completed', finishedAt: at.toISOString(), result };
}

/** A job that failed. One that has ended keeps how it ended, whoever reports a failure afterwards. */
export function failedJob(job: Job, failure: JobFailure, at: Date): Job {
  if (job.state !== 'running' && job.state !== 'pending') return job;
  const { error, result } = failure;
  const rest = job.state === 'pending' ? { ...job } : withoutLease(job);
  return { ...rest, state: 'failed', finishedAt: at.toISOString(), error, ...(result && { result }) };
}

export function illegal(job: Job, to: JobState): HoldfastError {
  return new HoldfastError('ILLEGAL_TRANSITION', `job ${job.id} is ${job.state} and cannot become ${to}`, {
    hint: 'did the job run into its lease, or did somebody stop it? holdfast jobs shows how it ended',
    detail: { jobId: job.id, state: job.state, to },
  });
}

function withoutLease(job: RunningJob) {
  const { leaseUntil: _lease, progress: _progress, attempts: _attempts, ...rest } = job;
  return rest;
}
