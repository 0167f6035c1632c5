import * as z from 'zod';
import { jobKindSchema } from '../catalog/job.ts';
import { recoveryPointIdSchema, sourceIdSchema } from '../vault/manifest.ts';
import type { MetricValue } from './metrics.ts';

/**
 * What state machines send to the Lambdas and get back. `statemachines/*.asl.json` are the other side: a field that is
 * renamed here must be renamed there.
 */
const executionFields = {
  kind: jobKindSchema,
  executionArn: z.string().min(1),
  executionStartedAt: z.iso.datetime({ offset: true }),
};

export const claimRequestSchema = z.strictObject({
  ...executionFields,
  source: sourceIdSchema,
  /** From the schedule; a person's run is known by the execution's start. */
  scheduledFor: z.iso.datetime({ offset: true }).optional(),
  recoveryPoint: z.union([recoveryPointIdSchema, z.literal('latest')]).optional(),
  target: z.string().min(1).optional(),
  tables: z.array(z.string().min(1)).optional(),
  /** A restore that leaves out an object fails. */
  strict: z.boolean().optional(),
});

/** As ECS wants a container's environment. */
export const environmentEntrySchema = z.strictObject({ Name: z.string(), Value: z.string() });

export const claimReplySchema = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('claimed'),
    jobId: z.string(),
    recoveryPointId: recoveryPointIdSchema,
    /** ARN of the deployed revision, which alone may run. */
    taskDefinition: z.string(),
    /** Takes the place of the definition's own role, which may do nothing. */
    taskRoleArn: z.string(),
    environment: z.array(environmentEntrySchema),
  }),
  z.strictObject({
    outcome: z.literal('skipped'),
    jobId: z.string(),
    reason: z.string(),
    runningJobId: z.string().optional(),
  }),
]);

/** A job is found below its source. */
const jobFields = { source: sourceIdSchema, jobId: z.string().min(1) };

export const checkCopyRequestSchema = z.strictObject(jobFields);

export const checkCopyReplySchema = z.strictObject({
  state: z.enum(['stored', 'storedPeerDown', 'protected']),
  /** Objects of the point that the other Region does not hold whole and locked. */
  missing: z.number().int().nonnegative(),
  /** The time allowed for the copy is over. */
  late: z.boolean(),
  /** Earlier points of the source that the same look found protected. */
  caughtUp: z.array(recoveryPointIdSchema),
  /** Earlier ones that still are not, each with the first thing that is wrong with it; at most 20. */
  waiting: z.array(
    z.strictObject({ id: recoveryPointIdSchema, code: z.string().optional(), late: z.boolean() }),
  ),
});

/** Which channel of the plan, as its rule says. */
export const heartbeatRequestSchema = z.looseObject({ channel: z.string().min(1) });

export const heartbeatReplySchema = z.strictObject({
  channel: z.string(),
  sent: z.boolean(),
  /** Why it was kept back; never an address. */
  reasons: z.array(z.string()),
});

export type HeartbeatReply = z.output<typeof heartbeatReplySchema>;

export const finishRequestSchema = z.strictObject(jobFields);

export const finishReplySchema = z.strictObject({
  jobId: z.string(),
  source: sourceIdSchema,
  recoveryPointId: recoveryPointIdSchema.optional(),
  items: z.number(),
  rows: z.number(),
  storedBytes: z.number().optional(),
  seconds: z.number(),
  copy: z.enum(['protected', 'storedPeerDown']).optional(),
  verdict: z.enum(['PASSED', 'FAILED', 'NOT_TESTABLE_HERE']).optional(),
  /** Objects that a restore could not make; missing for a clean one. */
  faults: z.number().int().positive().optional(),
});

export const failRequestSchema = z.strictObject({
  ...executionFields,
  jobId: z.string().optional(),
  /** As the person typed it: it may be the very thing that was wrong. */
  source: z.unknown().optional(),
  target: z.unknown().optional(),
  error: z.string(),
  cause: z.string().optional(),
});

/** Names the error as docs/errors.md does; ends up in the execution's own failure. */
export const failReplySchema = z.strictObject({
  jobId: z.string().optional(),
  error: z.string(),
  cause: z.string(),
});

export const deadManReplySchema = z.strictObject({
  sources: z.array(
    z.strictObject({
      source: sourceIdSchema,
      recoveryPointId: recoveryPointIdSchema.optional(),
      ageHours: z.number().optional(),
      /** Newer points that say they were begun later than now; at most 10. */
      datedAhead: z.array(recoveryPointIdSchema).optional(),
    }),
  ),
});

export const canaryReplySchema = z.strictObject({
  source: sourceIdSchema,
  /** The Region that is not the active one writes none. */
  state: z.enum(['written', 'stoodDown']),
  rows: z.number().int().nonnegative(),
  /** Number of the last row. */
  seq: z.number().int().positive().optional(),
});

export type ClaimRequest = z.output<typeof claimRequestSchema>;
export type ClaimReply = z.output<typeof claimReplySchema>;
export type CheckCopyReply = z.output<typeof checkCopyReplySchema>;
export type FinishReply = z.output<typeof finishReplySchema>;
export type FailRequest = z.output<typeof failRequestSchema>;
export type FailReply = z.output<typeof failReplySchema>;
export type CanaryReply = z.output<typeof canaryReplySchema>;
export type DeadManReply = z.output<typeof deadManReplySchema>;

/** What an operation answers, and what it measured. */
export interface Reported<Reply> {
  readonly reply: Reply;
  readonly metrics: readonly MetricValue[];
}
