import * as z from 'zod';
import { HoldfastError } from '../errors.ts';
import { backupTypeSchema, recoveryPointIdSchema, sourceIdSchema } from '../vault/manifest.ts';

const shared = {
  schemaVersion: z.literal(1),
  id: recoveryPointIdSchema,
  source: sourceIdSchema,
  /** Region in which the point was made. */
  region: z.string(),
  type: backupTypeSchema,
  engine: z.strictObject({ name: z.string(), version: z.string() }),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  lockedUntil: z.iso.datetime().optional(),
  manifestSha256: z.string(),
  items: z.number().int().nonnegative(),
  rows: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  storedBytes: z.number().int().nonnegative(),
  notCovered: z.number().int().nonnegative(),
  /** How far its data reaches, as its manifest says; missing in records of versions before it. */
  reach: z.strictObject({ at: z.iso.datetime(), by: z.enum(['canary', 'snapshot']) }).optional(),
  /** Last restore test of this point. */
  restoreTest: z
    .strictObject({
      jobId: z.string(),
      at: z.iso.datetime(),
      result: z.enum(['PASSED', 'FAILED', 'NOT_TESTABLE_HERE']),
      /** From the newest genuine canary to the moment the test was due; missing when no canary measured it. */
      measuredRpoSeconds: z.number().nonnegative().optional(),
    })
    .optional(),
};

/**
 * `stored`: complete in its own Region, the copy not confirmed yet. `storedPeerDown`: the same while the other Region does
 * not answer. `arriving`: seen from the other Region, not all objects here. `protected`: every object in both Regions with
 * the same checksum and its own lock.
 */
export const recoveryPointSchema = z.discriminatedUnion('state', [
  z.strictObject({ ...shared, state: z.literal('stored') }),
  z.strictObject({ ...shared, state: z.literal('storedPeerDown'), since: z.iso.datetime() }),
  z.strictObject({ ...shared, state: z.literal('arriving'), missing: z.number().int().positive() }),
  z.strictObject({ ...shared, state: z.literal('protected'), protectedAt: z.iso.datetime() }),
]);

export type RecoveryPoint = z.infer<typeof recoveryPointSchema>;
export type RecoveryPointState = RecoveryPoint['state'];

/** `protected` is never taken back by an order: only a look at the objects themselves (a rebuild) may say so. */
const nextStates: Readonly<Record<RecoveryPointState, readonly RecoveryPointState[]>> = {
  arriving: ['arriving', 'stored', 'storedPeerDown', 'protected'],
  stored: ['stored', 'storedPeerDown', 'protected'],
  storedPeerDown: ['storedPeerDown', 'stored', 'protected'],
  protected: ['protected'],
};

/** The record to keep when `next` is written over `current`; the last restore test survives. @throws ILLEGAL_TRANSITION */
export function mergeRecoveryPoint(
  current: RecoveryPoint | undefined,
  next: RecoveryPoint,
  recomputed = false,
): RecoveryPoint {
  if (current === undefined) return next;
  if (!recomputed && !nextStates[current.state].includes(next.state)) {
    throw new HoldfastError(
      'ILLEGAL_TRANSITION',
      `recovery point ${next.id} of ${next.source} is ${current.state} and cannot become ${next.state}`,
      { detail: { recoveryPointId: next.id, state: current.state, to: next.state } },
    );
  }
  const restoreTest = next.restoreTest ?? current.restoreTest;
  return restoreTest === undefined ? next : { ...next, restoreTest };
}
