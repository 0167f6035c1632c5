import * as z from 'zod';

const seconds = z.number().nonnegative();
const count = z.number().int().nonnegative();

/** Where a step's work was done. `here`: on the machine itself, outside both Regions. */
export const stepPlaceSchema = z.enum(['primary', 'standby', 'both', 'here']);

/** One phase of the drill, in the order in which they began. */
export const reportStepSchema = z.strictObject({
  name: z.string().min(1),
  ok: z.boolean(),
  seconds,
  detail: z.string(),
  /** Seconds after the drill's begin. */
  beganAt: seconds,
  place: stepPlaceSchema,
});

/**
 * `report.json` (contract): the fields `ok` to `checks` stay as they are; what a drill could not measure is `null`, never
 * a flattering 0. The fields after them tell the page more and may grow.
 */
export const reportSchema = z.strictObject({
  ok: z.boolean(),
  startedAt: z.iso.datetime(),
  seconds,
  regions: z.strictObject({ primary: z.string(), standby: z.string() }),
  steps: z.array(reportStepSchema),
  objectives: z.strictObject({ rpoSeconds: seconds, rtoSeconds: seconds }),
  measured: z.strictObject({
    rpoSeconds: seconds.nullable(),
    rtoSeconds: seconds.nullable(),
    rows: count.nullable(),
    bytes: count.nullable(),
    storedBytes: count.nullable(),
  }),
  lost: z.strictObject({ acknowledged: count.nullable(), missing: count.nullable() }),
  checks: z.array(z.strictObject({ name: z.string().min(1), ok: z.boolean(), detail: z.string() })),

  schemaVersion: z.literal(1),
  source: z.strictObject({
    name: z.string(),
    kind: z.enum(['workload', 'own']),
    /** E.g. `PostgreSQL 18.6`. */
    server: z.string().nullable(),
    databaseBytes: count.nullable(),
  }),
  /** Why the drill did not pass; the first thing that went wrong. */
  failure: z
    .strictObject({ step: z.string(), code: z.string(), message: z.string(), hint: z.string().optional() })
    .optional(),
  /** The disaster and what came back, as seconds after the drill's begin. */
  moments: z.strictObject({
    writesBeganAt: seconds.optional(),
    killedAt: seconds.optional(),
    /** The newest genuine canary in restored data that passed its checks. */
    recoveredCanaryAt: seconds.optional(),
    /** Restored data was validated. */
    recoveredAt: seconds.optional(),
  }),
  /** First and last number of each gap among the acknowledged orders. */
  missingRanges: z.array(z.tuple([count, count])),
  recoveryPoints: z.array(
    z.strictObject({
      id: z.string(),
      /** Seconds after the drill's begin. */
      finishedAt: seconds,
      rows: count,
      bytes: count,
      storedBytes: count,
      usedFor: z.enum(['restore', 'restore test', 'nothing']),
    }),
  ),
  /** What `measured.rpoSeconds` counts from: the newest genuine canary, or the snapshot; null when the data did not pass its checks. */
  rpoBy: z.enum(['canary', 'snapshot']).nullable(),
  /** What the checks of the restored data left out, each with its reason. */
  notChecked: z.array(z.string()),
  notMeasured: z.array(z.string()),
  machine: z.string(),
});

export type DrillReport = z.infer<typeof reportSchema>;
export type ReportStep = z.infer<typeof reportStepSchema>;
export type StepPlace = z.infer<typeof stepPlaceSchema>;
