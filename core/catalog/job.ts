import * as z from 'zod';
import { recoveryPointIdSchema, sourceIdSchema } from '../vault/manifest.ts';

export const jobKindSchema = z.enum(['backup', 'restore', 'restore-test']);

export const progressSchema = z.strictObject({
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
export type JobProgress = z.infer<typeof progressSchema>;
export type JobResult = z.infer<typeof jobResultSchema>;
export type Job = z.infer<typeof jobSchema>;
export type JobState = Job['state'];
export type RunningJob = Extract<Job, { state: 'running' }>;
