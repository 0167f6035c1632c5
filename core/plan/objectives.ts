import type { Objectives } from './plan.ts';

const minute = 60;
const hour = 3600;

/** What a tier promises (requirement P2). */
export const tiers = {
  1: { rtoSeconds: 15 * minute, rpoSeconds: 5 * minute },
  2: { rtoSeconds: 1 * hour, rpoSeconds: 30 * minute },
  3: { rtoSeconds: 4 * hour, rpoSeconds: 2 * hour },
  4: { rtoSeconds: 24 * hour, rpoSeconds: 8 * hour },
  5: { rtoSeconds: 72 * hour, rpoSeconds: 24 * hour },
} as const satisfies Record<number, Preset>;

/** What a priority promises (requirement P3). */
export const priorities = {
  CRITICAL: { rtoSeconds: 60 * minute, rpoSeconds: 15 * minute },
  HIGH: { rtoSeconds: 240 * minute, rpoSeconds: 60 * minute },
  MEDIUM: { rtoSeconds: 1440 * minute, rpoSeconds: 240 * minute },
  LOW: { rtoSeconds: 4320 * minute, rpoSeconds: 1440 * minute },
} as const satisfies Record<string, Preset>;

type Preset = Pick<Objectives, 'rpoSeconds' | 'rtoSeconds'>;

/** Replication of a finished point and its check, until measured: what S3 Replication Time Control promises. */
export const copyAllowanceSeconds = 15 * minute;

/** How long a backup takes when the plan does not say: longer than this and the alarm on long jobs rings. */
export const assumedRunTimeSeconds = 60 * minute;

/** A disaster the moment before a new point is protected loses everything since the one before it began. */
export function worstLossSeconds(intervalSeconds: number, runTimeSeconds: number): number {
  return intervalSeconds + runTimeSeconds + copyAllowanceSeconds;
}
