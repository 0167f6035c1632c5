import * as z from 'zod';

const seconds = z.number().nonnegative();

/** `out/drill/report.json`. The fields of the contract come first; what follows them may grow. */
export const drillReportSchema = z.object({
  ok: z.boolean(),
  startedAt: z.iso.datetime(),
  seconds,
  regions: z.object({ primary: z.string(), standby: z.string() }),
  steps: z.array(
    z.object({
      name: z.string(),
      ok: z.boolean(),
      seconds,
      detail: z.string(),
      /** Seconds from the start of the drill. */
      startSeconds: seconds,
      where: z.enum(['primary', 'standby', 'both']),
    }),
  ),
  objectives: z.object({ rpoSeconds: seconds, rtoSeconds: seconds }),
  /** `null` where the drill did not get far enough, or had no right to measure. */
  measured: z.object({
    rpoSeconds: seconds.nullable(),
    rtoSeconds: seconds.nullable(),
    rows: z.number().nullable(),
    bytes: z.number().nullable(),
    storedBytes: z.number().nullable(),
  }),
  lost: z.object({ acknowledged: z.number(), missing: z.number() }),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  source: z.object({ id: z.string(), description: z.string(), bytes: z.number() }),
  /** Seconds from the start of the drill. */
  moments: z.object({
    disaster: seconds.nullable(),
    newestCanary: seconds.nullable(),
    validated: seconds.nullable(),
  }),
  /** What the recovery time is made of. */
  recovery: z.array(z.object({ name: z.string(), seconds })),
  recoveryPointId: z.string().nullable(),
  notShown: z.array(z.string()),
  notMeasured: z.array(z.string()),
  problem: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
});

export type DrillReport = z.infer<typeof drillReportSchema>;
export type DrillStep = DrillReport['steps'][number];

/** What no drill on one machine can show; `docs/aws-check.md` has the command for each. */
export const sandboxLimits = [
  'How long AWS itself takes: starting a Fargate task (30 to 90 s), S3 replication (seconds, at most 15 minutes for 99.9 %), creating a database server.',
  'That IAM, bucket policies and compliance locks refuse what they must: here they are tested by simulation.',
  'That an alarm reaches a telephone.',
  'Throughput of a real network between Regions.',
];
